/*
 * Memory in pieces; see heap.h. Every piece has a 16-byte header before it: its size with the header, and a
 * mark that says whether it is in use. The size of a small piece is a power of two and so names its list.
 */
#include "user/libq/heap.h"

#include <stdint.h>

#include "user/libq/lock.h"
#include "user/libq/pages.h"

#define CHUNK_BYTES    65536u
#define SMALLEST_SHIFT 5u
#define LARGEST_SHIFT  13u
#define LISTS          (LARGEST_SHIFT - SMALLEST_SHIFT + 1u)

#define MARK_USED 0x71756972652d6970ull
#define MARK_FREE 0x66726565642d6970ull

struct piece {
    uint64_t bytes; /* with this header */
    uint64_t mark;
    struct piece *next; /* only while free: then the first bytes of the content */
};

#define HEADER_BYTES offsetof(struct piece, next)

static struct lock heap_lock = LOCK_FREE;

/* Guarded by heap_lock. */
static struct piece *heap_lists[LISTS];
static uint8_t *chunk_at;
static size_t chunk_left;

/* The number of the first list whose pieces hold `bytes` with the header; LISTS when none does. */
static unsigned heap_list(size_t bytes)
{
    unsigned list = 0;
    while (list < LISTS && ((size_t)1 << (list + SMALLEST_SHIFT)) < bytes) {
        list++;
    }
    return list;
}

static void heap_push(struct piece *piece, uint64_t bytes)
{
    unsigned list = heap_list(bytes);
    *piece = (struct piece){.bytes = bytes, .mark = MARK_FREE, .next = heap_lists[list]};
    heap_lists[list] = piece;
}

/* Carve the rest of the chunk into pieces, the largest that fit, so that a new chunk can replace it. */
static void chunk_use_up(void)
{
    for (unsigned shift = LARGEST_SHIFT; shift >= SMALLEST_SHIFT; shift--) {
        while (chunk_left >= (size_t)1 << shift) {
            heap_push((struct piece *)chunk_at, (uint64_t)1 << shift);
            chunk_at += (size_t)1 << shift;
            chunk_left -= (size_t)1 << shift;
        }
    }
}

static struct piece *chunk_carve(size_t bytes)
{
    if (chunk_left < bytes) {
        void *pages;
        if (pages_take(CHUNK_BYTES, &pages) != ERR_NONE) {
            return NULL;
        }
        chunk_use_up();
        chunk_at = pages;
        chunk_left = CHUNK_BYTES;
    }
    struct piece *piece = (struct piece *)chunk_at;
    chunk_at += bytes;
    chunk_left -= bytes;
    piece->bytes = bytes;
    return piece;
}

static struct piece *heap_take_small(unsigned list)
{
    lock_take(&heap_lock);
    struct piece *piece = heap_lists[list];
    if (piece != NULL) {
        heap_lists[list] = piece->next;
    } else {
        piece = chunk_carve((size_t)1 << (list + SMALLEST_SHIFT));
    }
    lock_give(&heap_lock);
    return piece;
}

static struct piece *heap_take_large(size_t bytes)
{
    void *pages;
    if (pages_take(bytes, &pages) != ERR_NONE) {
        return NULL;
    }
    struct piece *piece = pages;
    piece->bytes = bytes;
    return piece;
}

void *heap_allocate(size_t bytes)
{
    if (bytes == 0 || bytes > SIZE_MAX - CHUNK_BYTES) {
        return NULL;
    }
    unsigned list = heap_list(bytes + HEADER_BYTES);
    struct piece *piece = list < LISTS ? heap_take_small(list) : heap_take_large(bytes + HEADER_BYTES);
    if (piece == NULL) {
        return NULL;
    }
    piece->mark = MARK_USED;
    return (uint8_t *)piece + HEADER_BYTES;
}

void heap_release(void *content)
{
    if (content == NULL) {
        return;
    }
    struct piece *piece = (struct piece *)((uint8_t *)content - HEADER_BYTES);
    if (piece->mark != MARK_USED) {
        __builtin_trap();
    }
    if (heap_list(piece->bytes) == LISTS) {
        pages_give(piece);
        return;
    }
    lock_take(&heap_lock);
    heap_push(piece, piece->bytes);
    lock_give(&heap_lock);
}
