/* What is in frames; see contents.h. */
#include "kernel/mm/contents.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/window.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"
#include "lib/text.h"

#define UNLIKELY(condition) __builtin_expect((condition), 0)

#define LARGE_ORDER  9u
#define LARGE_FRAMES ((uint64_t)1 << LARGE_ORDER)
#define LARGE_WORDS  (LARGE_FRAMES * PAGE_SIZE / sizeof(uint64_t))

void contents_zero(pfn_t frame)
{
    arch_zero_pages(window_open(WINDOW_ZERO, frame), 1);
    window_close(WINDOW_ZERO);
}

void contents_zero_some(const pfn_t *frames, unsigned count)
{
    void *start = window_open_some(frames, count);
    if (start != NULL) {
        arch_zero_pages(start, count);
    } else {
        for (unsigned i = 0; i < count; i++) {
            contents_zero(frames[i]);
        }
    }
    window_close_some(count);
}

/* The last so many words of 2 MiB. Interrupts are on, so that this is no step: only what lies between two
 * parts has a bound. Returns what is left. */
static inline uint64_t zero_open(pfn_t first, uint64_t words)
{
    step_over();
    uint64_t left = window_zero_large(first, words);
    step_begin();
    return left;
}

/* Where others are to run first, or time is taken. */
static __attribute__((noinline, cold)) enum error zero_slowly(pfn_t first, uint64_t left)
{
    enum error error = ERR_NONE;
    while (left > 0 && error == ERR_NONE) {
        error = thread_must_give_way() ? thread_preemption_point() : ERR_NONE;
        left = error == ERR_NONE ? zero_open(first, left) : left;
    }
    step_done(STEP_CLEAR, error == ERR_NONE ? LARGE_FRAMES : 0);
    return error;
}

enum error contents_zero_large(pfn_t first)
{
    if (UNLIKELY(thread_must_give_way()) || steps_are_timed()) {
        return zero_slowly(first, LARGE_WORDS);
    }
    uint64_t left = window_zero_large(first, LARGE_WORDS);
    step_begin_untimed();
    if (UNLIKELY(left > 0)) {
        return zero_slowly(first, left);
    }
    step_done(STEP_CLEAR, LARGE_FRAMES);
    return ERR_NONE;
}

enum error contents_zero_block(pfn_t first, unsigned order)
{
    ASSERT(order >= LARGE_ORDER);
    enum error error = ERR_NONE;
    for (uint64_t done = 0; error == ERR_NONE && done >> order == 0; done += LARGE_FRAMES) {
        error = contents_zero_large(pfn(first.value + done));
    }
    return error;
}

void contents_copy(pfn_t to, pfn_t from)
{
    window_copy(to, from);
}

void contents_write(pfn_t frame, uint64_t offset, const void *from, uint64_t bytes)
{
    ASSERT(offset <= PAGE_SIZE && bytes <= PAGE_SIZE - offset);
    memcpy((char *)window_open(WINDOW_TO, frame) + offset, from, bytes);
    window_close(WINDOW_TO);
}
