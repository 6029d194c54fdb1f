/*
 * The frame allocator in a program of one's own: an arena from mmap, two threads. docs/frames.md shows it.
 *
 * The platform is frame_platform_cpu.h on the include path and frame_platform_barrier, here those of the
 * tests.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/mm/frame.h"
#include "tests/host/frame_host.h"

#define ARENA   (64 * MIB)
#define THREADS 2

enum { OUT_OF_MEMORY, NOT_MINE, FAILURES };

static uint8_t *arena;
static const char *failed[FAILURES] = {"out of memory", "a page was not taken back"};

static void *work(void *number)
{
    frame_host_enter((unsigned)(uintptr_t)number);
    for (int i = 0; i < 100000; i++) {
        pfn_t page;
        if (frame_alloc(0, FRAME_USER_ANONYMOUS, &page) != ERR_NONE)
            return &failed[OUT_OF_MEMORY];
        memset(arena + page.value * PAGE_SIZE, i, PAGE_SIZE);
        if (frame_free(page, 0) != ERR_NONE)
            return &failed[NOT_MINE];
    }
    return NULL;
}

int main(void)
{
    struct memory_range all = {pfn(0), pages_for_bytes(ARENA)};
    uint64_t bytes = frame_metadata_bytes(&all, 1);
    arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *metadata = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED || metadata == MAP_FAILED || frame_init(&all, 1, metadata, THREADS) != ERR_NONE)
        return 1;
    pthread_t thread[THREADS];
    void *failure = NULL;
    for (uintptr_t t = 0; t < THREADS; t++)
        pthread_create(&thread[t], NULL, work, (void *)t);
    for (unsigned t = 0; t < THREADS && !failure; t++)
        pthread_join(thread[t], &failure);
    struct frame_counts counts;
    frame_count(&counts);
    printf("%lu of %lu frames free, metadata %lu KiB: %s\n", counts.free, counts.total, bytes / KIB,
           failure ? *(const char **)failure : "ok");
    return failure || counts.free != counts.total;
}
