/* What is in frames; see contents.h. */
#include "kernel/mm/contents.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/window.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"
#include "lib/text.h"

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

/* 2 MiB. Interrupts are on, so that this is no step: only what lies between two parts has a bound. */
static enum error zero_large(pfn_t first)
{
    enum error error = thread_must_give_way() ? thread_preemption_point() : ERR_NONE;
    for (uint64_t left = LARGE_WORDS; error == ERR_NONE && left > 0;) {
        step_over();
        left = window_zero_large(first, left);
        step_begin();
        error = left > 0 ? thread_preemption_point() : ERR_NONE;
    }
    step_done(STEP_CLEAR, error == ERR_NONE ? LARGE_FRAMES : 0);
    return error;
}

enum error contents_zero_block(pfn_t first, unsigned order)
{
    ASSERT(order >= LARGE_ORDER);
    enum error error = ERR_NONE;
    for (uint64_t done = 0; error == ERR_NONE && done >> order == 0; done += LARGE_FRAMES) {
        error = zero_large(pfn(first.value + done));
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
