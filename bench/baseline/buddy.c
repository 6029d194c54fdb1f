#include "bench/baseline/buddy.h"

#define TOP  (BASELINE_ORDERS - 1u)
#define NONE UINT32_MAX

struct link {
    uint32_t next, previous;
};

static struct {
    struct link *links;
    uint64_t *bitmap[BASELINE_ORDERS];
    uint32_t head[BASELINE_ORDERS];
    uint64_t blocks[BASELINE_ORDERS];
    bool lock __attribute__((aligned(128)));
} buddy;

static void lock(void)
{
    while (__atomic_exchange_n(&buddy.lock, true, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&buddy.lock, __ATOMIC_RELAXED))
            __builtin_ia32_pause();
}

static void unlock(void)
{
    __atomic_store_n(&buddy.lock, false, __ATOMIC_RELEASE);
}

static bool is_free(uint64_t first, unsigned order)
{
    return buddy.bitmap[order][(first >> order) / 64] >> (first >> order) % 64 & 1;
}

static void flip(uint64_t first, unsigned order)
{
    buddy.bitmap[order][(first >> order) / 64] ^= (uint64_t)1 << (first >> order) % 64;
}

static void insert(uint64_t first, unsigned order)
{
    uint32_t next = buddy.head[order];
    buddy.links[first] = (struct link){next, NONE};
    if (next != NONE)
        buddy.links[next].previous = (uint32_t)first;
    buddy.head[order] = (uint32_t)first;
    buddy.blocks[order]++;
    flip(first, order);
}

static void remove_block(uint64_t first, unsigned order)
{
    struct link link = buddy.links[first];
    if (link.previous != NONE)
        buddy.links[link.previous].next = link.next;
    else
        buddy.head[order] = link.next;
    if (link.next != NONE)
        buddy.links[link.next].previous = link.previous;
    buddy.blocks[order]--;
    flip(first, order);
}

uint64_t baseline_bytes(uint64_t frames)
{
    return frames * sizeof(struct link) + 2 * frames / 8 + 64 * BASELINE_ORDERS;
}

void baseline_init(uint64_t frames, void *metadata)
{
    buddy.links = metadata;
    uint64_t *words = (uint64_t *)(buddy.links + frames);
    for (unsigned order = 0; order < BASELINE_ORDERS; order++) {
        buddy.bitmap[order] = words;
        buddy.head[order] = NONE;
        buddy.blocks[order] = 0;
        words += ((frames >> order) + 63) / 64;
    }
    for (uint64_t first = frames; first > 0;) {
        first -= (uint64_t)1 << TOP;
        insert(first, TOP);
    }
}

bool baseline_alloc(unsigned order, uint64_t *first)
{
    lock();
    unsigned found = order;
    while (found < BASELINE_ORDERS && buddy.head[found] == NONE)
        found++;
    if (found < BASELINE_ORDERS) {
        *first = buddy.head[found];
        remove_block(*first, found);
        while (found-- > order)
            insert(*first + ((uint64_t)1 << found), found);
        unlock();
        return true;
    }
    unlock();
    return false;
}

void baseline_free(uint64_t first, unsigned order)
{
    lock();
    for (; order < TOP; order++) {
        uint64_t other = first ^ (uint64_t)1 << order;
        if (!is_free(other, order))
            break;
        remove_block(other, order);
        first &= other;
    }
    insert(first, order);
    unlock();
}

uint64_t baseline_blocks(unsigned order)
{
    return buddy.blocks[order];
}
