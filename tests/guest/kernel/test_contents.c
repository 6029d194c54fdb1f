/*
 * What is in frames, and who can get at it: windows, zeroed frames, frames of a node.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/init/handover.h"
#include "kernel/mm/contents.h"
#include "kernel/mm/node.h"
#include "kernel/mm/window.h"
#include "kernel/mm/zeroed.h"

#define MANY 200

static bool is_zero(pfn_t frame)
{
    const uint64_t *words = window_open(WINDOW_FROM, frame);
    bool zero = true;
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*words); i++) {
        zero &= words[i] == 0;
    }
    window_close(WINDOW_FROM);
    return zero;
}

static void spoil(pfn_t frame)
{
    uint64_t *words = window_open(WINDOW_TO, frame);
    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*words); i++) {
        words[i] = 0x5a5a5a5a00000000 | i;
    }
    window_close(WINDOW_TO);
}

SELFTEST(windows,
         "windows: two at a time reach the frames asked for, and nothing is left when they are closed")
{
    pfn_t a, b;
    EXPECT(frame_alloc(0, FRAME_USER_ANONYMOUS, &a) == ERR_NONE);
    EXPECT(frame_alloc(0, FRAME_USER_ANONYMOUS, &b) == ERR_NONE);
    uint64_t *from = window_open(WINDOW_FROM, a), *to = window_open(WINDOW_TO, b);
    *from = 1;
    *to = 2;
    EXPECT(arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)from).physical.value ==
           pfn_to_paddr(a).value);
    EXPECT(arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)to).physical.value ==
           pfn_to_paddr(b).value);
    window_close(WINDOW_FROM);
    window_close(WINDOW_TO);
    /* With all RAM in the aperture that is the window, and stays. */
    bool stays = handover_option_is("aperture", "full");
    EXPECT(arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)from).present == stays);
    EXPECT(arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)to).present == stays);
    spoil(a);
    contents_copy(b, a);
    EXPECT(!is_zero(b));
    contents_zero(b);
    EXPECT(is_zero(b) && !is_zero(a));
    EXPECT(frame_free(a, 0) == ERR_NONE && frame_free(b, 0) == ERR_NONE);
    return NULL;
}

/* Every CPU spoils frames, gives them back, and takes zeroed ones, some of them made by idle CPUs. */
static const char *take_zeroed(unsigned number)
{
    (void)number;
    pfn_t frames[MANY];
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            EXPECT(zeroed_take(FRAME_USER_ANONYMOUS, 7, &frames[i]) == ERR_NONE);
            EXPECT(is_zero(frames[i]));
            EXPECT(frame_account_of(frames[i]) == 7);
            spoil(frames[i]);
        }
        for (unsigned i = 0; i < MANY; i++) {
            EXPECT(frame_free(frames[i], 0) == ERR_NONE);
        }
        EXPECT(wait_until(arch_clock() + 2000000, 0) == ERR_NONE); /* idle time */
    }
    return NULL;
}

SELFTEST(zeroed, "zeroed frames: what is handed out is zero, whoever had it before, on every CPU")
{
    const char *wrong = test_on_all_cpus(1, take_zeroed);
    struct zeroed_counts counts;
    zeroed_count(&counts);
    EXPECT(counts.hits > 0);
    return wrong;
}

SELFTEST(zeroed_large, "zeroed frames: blocks of 2 MiB are zero too")
{
    pfn_t first;
    for (unsigned round = 0; round < 3; round++) {
        enum error error = zeroed_take_block(7, &first);
        if (error == ERR_NO_MEMORY) {
            return NULL; /* the smallest machines have none whole */
        }
        for (unsigned i = 0; i < 512; i++) {
            EXPECT(is_zero(pfn(first.value + i)));
            spoil(pfn(first.value + i));
        }
        EXPECT(frame_free(first, 9) == ERR_NONE);
        EXPECT(wait_until(arch_clock() + 5000000, 0) == ERR_NONE);
    }
    return NULL;
}

static void spoil_block(pfn_t first)
{
    for (unsigned i = 0; i < 512; i++) {
        spoil(pfn(first.value + i));
    }
}

static bool block_is_zero(pfn_t first)
{
    bool zero = true;
    for (unsigned i = 0; zero && i < 512; i++) {
        zero = is_zero(pfn(first.value + i));
    }
    return zero;
}

/* A thread that is killed clears no more. */
static const char *clear_when_killed(unsigned number)
{
    (void)number;
    pfn_t first;
    if (frame_alloc(9, FRAME_USER_ANONYMOUS, &first) != ERR_NONE) {
        return NULL; /* the smallest machines have none whole */
    }
    spoil_block(first);
    EXPECT(contents_zero_block(first, 9) == ERR_NONE);
    EXPECT(block_is_zero(first));
    spoil_block(first);
    thread_kill(thread_current(), 0);
    EXPECT(contents_zero_block(first, 9) == ERR_CANCELLED);
    EXPECT(!is_zero(pfn(first.value + 511)));
    EXPECT(frame_free(first, 9) == ERR_NONE);
    return NULL;
}

SELFTEST(cleared_unless_killed, "contents: a large block is cleared, but not for a thread that is killed")
{
    return test_on_all_cpus(1, clear_when_killed);
}

/* A thread that comes while a block of its CPU is cleared, and what it finds. */
struct visit {
    pfn_t block;
    uint32_t in_the_middle; /* atomic: how often the block was cleared in part */
    bool stop, ended;       /* atomic */
};

static void visitor(void *argument)
{
    struct visit *visit = argument;
    enum error error = ERR_NONE;
    while (error == ERR_NONE && !__atomic_load_n(&visit->stop, __ATOMIC_ACQUIRE)) {
        bool middle = is_zero(visit->block) && !is_zero(pfn(visit->block.value + 511));
        __atomic_fetch_add(&visit->in_the_middle, middle, __ATOMIC_RELAXED);
        error = wait_until(arch_clock() + 100000, 0);
    }
    __atomic_store_n(&visit->ended, true, __ATOMIC_RELEASE);
    thread_exit();
}

/* Clearing takes longer than the visitor sleeps, so he comes in the middle, and it goes on where it was. */
static const char *clear_when_visited(unsigned number)
{
    (void)number;
    struct visit visit = {0};
    struct thread *thread;
    if (frame_alloc(9, FRAME_USER_ANONYMOUS, &visit.block) != ERR_NONE) {
        return NULL;
    }
    spoil_block(visit.block);
    EXPECT(thread_create("visitor", visitor, &visit, arch_this_cpu()->number, &thread) == ERR_NONE);
    thread_set_priority(thread, 200);
    thread_start(thread);
    bool zero = true;
    for (unsigned i = 0; zero && i < 200 && __atomic_load_n(&visit.in_the_middle, __ATOMIC_RELAXED) < 3;
         i++) {
        spoil_block(visit.block);
        zero = contents_zero_block(visit.block, 9) == ERR_NONE && block_is_zero(visit.block);
    }
    __atomic_store_n(&visit.stop, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&visit.ended, __ATOMIC_ACQUIRE)) {
        EXPECT(wait_until(arch_clock() + 100000, 0) == ERR_NONE);
    }
    EXPECT(frame_free(visit.block, 9) == ERR_NONE);
    EXPECT(zero);
    EXPECT(visit.in_the_middle >= 3);
    return NULL;
}

SELFTEST(cleared_in_the_open, "contents: others run while a large block is cleared, which goes on after them")
{
    return test_on_all_cpus(1, clear_when_visited);
}

SELFTEST(zeroed_back, "zeroed frames: all of them go back when they are asked to")
{
    struct zeroed_counts counts;
    zeroed_give_back();
    zeroed_count(&counts);
    /* Idle CPUs may have begun anew. */
    EXPECT(counts.frames <= 16 * arch_cpu_count() && counts.blocks <= arch_cpu_count());
    return NULL;
}

SELFTEST(nodes, "nodes: each gives of its own memory, in every size, until it has none")
{
    for (unsigned node = 0; node < node_count(); node++) {
        for (unsigned order = 0; order < 12; order += 3) {
            pfn_t first;
            if (node_alloc(node, order, FRAME_DEVICE, &first) == ERR_NONE) {
                EXPECT(node_of_frame(first) == node);
                EXPECT(node_of_frame(pfn(first.value + ((uint64_t)1 << order) - 1)) == node);
                EXPECT(frame_free(first, order) == ERR_NONE);
            } else {
                EXPECT(order > 0);
            }
        }
    }
    pfn_t first;
    EXPECT(node_alloc(node_count(), 0, FRAME_DEVICE, &first) == ERR_BAD_ARGUMENT);
    return NULL;
}
