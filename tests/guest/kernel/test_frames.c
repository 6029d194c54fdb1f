/*
 * Page frames in the running kernel, from every CPU at once.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/debug/log.h"
#include "kernel/init/handover.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/zeroed.h"
#include "lib/text.h"

/*
 * Free, or kept for threads to come, as the heap does with some frames and the pool with up to 64 stacks;
 * when more have ended, some of these go back, when it suits.
 */
static uint64_t free_frames(void)
{
    struct frame_counts counts;
    uint64_t bytes, heap;
    zeroed_count_frames(&counts);
    heap_count(&bytes, &heap);
    return counts.free + counts.classes[FRAME_STACK] + heap;
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

SELFTEST(frames_smp,
         "frames: every CPU takes and gives back at once; no block goes to two, and all come back")
{
    EXPECT(test_make_stacks() == NULL);
    uint64_t before = free_frames();
    const char *wrong = test_on_all_cpus(2, churn);
    if (wrong != NULL) {
        return wrong;
    }
    EXPECT(free_frames() == before);
    return NULL;
}

#define BLOCKS_MAX 8192

struct block {
    pfn_t first;
    unsigned order;
};

/* All that the CPUs hold at one time. */
static struct block *blocks;
static uint32_t block_count; /* atomic */
static enum frame_class taken_for;

/* With more CPUs, emulated ones spend minutes waiting for each other's turns. */
#define TAKERS 8

/* Take all there is for the class, the largest blocks first; nothing is written to them, so the emulator's
 * host need not have them. */
static const char *take_all(unsigned number)
{
    if (number >= TAKERS) {
        return NULL;
    }
    for (unsigned order = FRAME_ORDERS; order-- > 0;) {
        pfn_t first;
        while (frame_alloc(order, taken_for, &first) == ERR_NONE) {
            uint32_t k = __atomic_fetch_add(&block_count, 1, __ATOMIC_RELAXED);
            EXPECT(k < BLOCKS_MAX);
            blocks[k] = (struct block){first, order};
        }
        EXPECT(thread_preemption_point() == ERR_NONE);
    }
    return NULL;
}

/* Frames that are free for every class. */
static uint64_t available(void)
{
    struct frame_counts counts;
    frame_drain();
    zeroed_count_frames(&counts);
    return counts.classes[FRAME_FREE];
}

/*
 * By all CPUs at once, or eight: all of it is theirs, then there is none for anybody, and all of it comes
 * back. How much that is nobody can say before: what ended threads leave in the heap may make a chunk of the
 * kernel's whole, which others can have then. So at the end the heap is drained and the rest is taken, too;
 * no frame is lost.
 */
static const char *exhaust(enum frame_class class)
{
    EXPECT(test_make_stacks() == NULL); /* stacks for the threads below */
    block_count = 0;
    taken_for = class;
    blocks = heap_alloc(BLOCKS_MAX * sizeof(*blocks));
    EXPECT(blocks != NULL);
    uint64_t before = free_frames(), taken = 0;
    const char *wrong = test_on_all_cpus(1, take_all);
    heap_drain();
    wrong = wrong != NULL ? wrong : take_all(0);
    pfn_t frame;
    bool refused = frame_alloc(0, class, &frame) == ERR_NO_MEMORY;
    EXPECT(refused || frame_free(frame, 0) == ERR_NONE);
    uint64_t left = available(), others = free_frames();
    for (uint32_t i = 0; i < block_count; i++) {
        taken += (uint64_t)1 << blocks[i].order;
        EXPECT(frame_free(blocks[i].first, blocks[i].order) == ERR_NONE);
    }
    heap_free(blocks, BLOCKS_MAX * sizeof(*blocks));
    if (wrong != NULL) {
        return wrong;
    }
    /* Chunks that others have a part of are not for the kernel. */
    EXPECT(refused && (left == 0 || class == FRAME_KERNEL));
    EXPECT(taken + others == before);
    EXPECT(free_frames() == before);
    return NULL;
}

SELFTEST(exhaustion,
         "frames: all CPUs at once take all that is free, then all are refused, and all of it comes back")
{
    return exhaust(FRAME_USER_ANONYMOUS);
}

SELFTEST(exhaustion_kernel, "frames: the same for frames of the kernel, after which users can have all of it")
{
    const char *wrong = exhaust(FRAME_KERNEL);
    return wrong != NULL ? wrong : exhaust(FRAME_DEVICE);
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
