/*
 * Page frames and heap in the running kernel, from every CPU at once.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/init/handover.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/zeroed.h"
#include "lib/text.h"

static uint64_t free_frames(void)
{
    struct frame_counts counts;
    zeroed_count_frames(&counts);
    return counts.free;
}

SELFTEST(every_order, "frames: a block of every order that is free can be taken, is aligned, and comes back")
{
    uint64_t before = free_frames();
    for (unsigned order = 0; order < FRAME_ORDERS; order++) {
        pfn_t frame;
        enum error error = frame_alloc(order, FRAME_KERNEL, &frame);
        if (error == ERR_NO_MEMORY) {
            continue;
        }
        EXPECT(error == ERR_NONE);
        EXPECT(is_aligned(frame.value, (uint64_t)1 << order));
        EXPECT(free_frames() == before - ((uint64_t)1 << order));
        EXPECT(frame_free(frame, order) == ERR_NONE);
        EXPECT(free_frames() == before);
    }
    return NULL;
}

SELFTEST(bad_free, "frames: what is not held cannot be given back")
{
    pfn_t frame;
    EXPECT(frame_alloc(1, FRAME_KERNEL, &frame) == ERR_NONE);
    EXPECT(frame_free(frame, 0) == ERR_BAD_FREE);
    EXPECT(frame_free(pfn(frame.value + 1), 0) == ERR_BAD_FREE);
    EXPECT(frame_free(frame, 1) == ERR_NONE);
    EXPECT(frame_free(frame, 1) == ERR_BAD_FREE);
    EXPECT(frame_free(pfn(0), 0) == ERR_BAD_FREE);
    EXPECT(frame_free(pfn((uint64_t)1 << 40), 0) == ERR_BAD_FREE);
    return NULL;
}

#define HELD   64
#define ROUNDS 2000

struct held {
    pfn_t frame;
    unsigned order;
    bool taken;
};

/* Write a mark into a block that was taken, and find it intact when it goes back: nobody else got it
 * meanwhile. */
static const char *churn(unsigned number)
{
    struct held held[HELD] = {0};
    uint64_t random = number + 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct held *h = &held[test_random(&random) % HELD];
        if (h->taken) {
            uint64_t *mark = aperture_at(pfn_to_paddr(h->frame));
            EXPECT(*mark == ((uint64_t)number << 32 | h->frame.value));
            EXPECT(frame_free(h->frame, h->order) == ERR_NONE);
            h->taken = false;
        } else {
            h->order = test_random(&random) % 5;
            h->taken = frame_alloc(h->order, FRAME_KERNEL, &h->frame) == ERR_NONE;
            if (h->taken) {
                *(uint64_t *)aperture_at(pfn_to_paddr(h->frame)) = (uint64_t)number << 32 | h->frame.value;
            }
        }
        if (round % 64 == 0 && thread_preemption_point() != ERR_NONE) {
            return "killed";
        }
    }
    for (unsigned i = 0; i < HELD; i++) {
        EXPECT(!held[i].taken || frame_free(held[i].frame, held[i].order) == ERR_NONE);
    }
    return NULL;
}

static uint32_t gathered; /* atomic */

/*
 * Stacks of ended threads are kept for the next ones. Before counting, run as many threads as the test will
 * have, all at once: none returns before all have come.
 */
static const char *gather(unsigned number)
{
    (void)number;
    __atomic_fetch_add(&gathered, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&gathered, __ATOMIC_RELAXED) < 2 * arch_cpu_count()) {
        thread_yield();
        EXPECT(thread_preemption_point() == ERR_NONE);
    }
    return NULL;
}

SELFTEST(frames_smp,
         "frames: every CPU takes and gives back at once; no block goes to two, and all come back")
{
    EXPECT(test_on_all_cpus(2, gather) == NULL);
    uint64_t before = free_frames();
    const char *wrong = test_on_all_cpus(2, churn);
    if (wrong != NULL) {
        return wrong;
    }
    EXPECT(free_frames() == before);
    return NULL;
}

#define BLOCKS_MAX 4096

struct block {
    pfn_t first;
    unsigned order;
};

/* Take all there is, the largest blocks first; nothing is written to them, so the emulator's host need not
 * have them. */
static const char *take_all(struct block *blocks, unsigned *count, uint64_t *taken)
{
    for (unsigned order = FRAME_ORDERS; order-- > 0;) {
        while (*count < BLOCKS_MAX && frame_alloc(order, FRAME_DEVICE, &blocks[*count].first) == ERR_NONE) {
            blocks[(*count)++].order = order;
            *taken += (uint64_t)1 << order;
        }
    }
    EXPECT(*count < BLOCKS_MAX);
    return NULL;
}

SELFTEST(exhaustion, "frames: all memory can be taken, then the answer is an error, and all of it comes back")
{
    struct block *blocks = heap_alloc(BLOCKS_MAX * sizeof(*blocks));
    EXPECT(blocks != NULL);
    uint64_t before = free_frames(), taken = 0;
    unsigned count = 0;
    const char *wrong = take_all(blocks, &count, &taken);
    pfn_t frame;
    bool refused = frame_alloc(0, FRAME_KERNEL, &frame) == ERR_NO_MEMORY && heap_alloc(64 * KIB) == NULL;
    for (unsigned i = 0; i < count; i++) {
        EXPECT(frame_free(blocks[i].first, blocks[i].order) == ERR_NONE);
    }
    if (wrong != NULL) {
        return wrong;
    }
    EXPECT(refused);
    EXPECT(taken == before);
    EXPECT(free_frames() == before);
    heap_free(blocks, BLOCKS_MAX * sizeof(*blocks));
    return NULL;
}

SELFTEST(retired, "frames: a frame that is retired while it is held is never given out again")
{
    pfn_t bad, frame;
    EXPECT(frame_alloc(0, FRAME_DEVICE, &bad) == ERR_NONE);
    EXPECT(frame_retire(bad, (pages_t){1}) == ERR_NONE);
    EXPECT(frame_free(bad, 0) == ERR_NONE);
    EXPECT(frame_class_of(bad) == FRAME_BAD);
    EXPECT(frame_free(bad, 0) == ERR_BAD_FREE);
    EXPECT(frame_take(bad, (pages_t){1}, FRAME_DEVICE) == ERR_NOT_READY);
    frame_drain();
    EXPECT(frame_alloc_within(0, FRAME_DEVICE, bad, pfn(bad.value + 1), &frame) == ERR_NO_MEMORY);
    return NULL;
}

SELFTEST(named_bad, "frames: memory that badmem= names is not given out")
{
    const char *text;
    size_t length, comma = 0;
    uint64_t address, bytes;
    if (!handover_option("badmem", &text, &length)) {
        return NULL; /* one machine of the suite has the option */
    }
    while (comma < length && text[comma] != ',') {
        comma++;
    }
    EXPECT(text_to_number(text, comma, &address));
    EXPECT(text_to_number(text + comma + 1, length - comma - 1, &bytes));
    for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
        EXPECT(frame_class_of(pfn((address + at) >> PAGE_SHIFT)) == FRAME_BAD);
    }
    return NULL;
}

static const char *audit_books(void)
{
    const char *what = NULL;
    pfn_t where;
    return frame_audit(&what, &where) ? NULL : what;
}

SELFTEST(audit, "frames: the books are right after all this")
{
    return audit_books();
}

static const char *heap_churn(unsigned number)
{
    static const size_t sizes[] = {1, 32, 33, 64, 100, 200, 500, 1000, 1344, 1345, 4096, 10000};
    uint8_t *objects[32] = {0};
    size_t size_of[32];
    uint64_t random = number + 77;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = test_random(&random) % 32;
        if (objects[i] != NULL) {
            EXPECT(objects[i][0] == (uint8_t)number && objects[i][size_of[i] - 1] == (uint8_t)number);
            heap_free(objects[i], size_of[i]);
            objects[i] = NULL;
        } else {
            size_of[i] = sizes[test_random(&random) % (sizeof(sizes) / sizeof(sizes[0]))];
            objects[i] = heap_alloc(size_of[i]);
            EXPECT(objects[i] != NULL);
            memset(objects[i], (uint8_t)number, size_of[i]);
        }
    }
    for (unsigned i = 0; i < 32; i++) {
        heap_free(objects[i], size_of[i]);
    }
    return NULL;
}

SELFTEST(heap_smp, "heap: objects of all sizes on every CPU keep their contents, and their memory comes back")
{
    uint64_t bytes_before, frames_before, bytes, frames;
    heap_count(&bytes_before, &frames_before);
    uint64_t before = free_frames();
    const char *wrong = test_on_all_cpus(1, heap_churn);
    if (wrong != NULL) {
        return wrong;
    }
    heap_count(&bytes, &frames);
    EXPECT(bytes == bytes_before);
    EXPECT(free_frames() == before);
    return NULL;
}
