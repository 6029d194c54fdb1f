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
#define STEP_FRAMES  16u /* between two looks at what else is to do */

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

/* Of what is shown at once, as long as nobody waits; from there on. */
static uint64_t zero_shown(pfn_t first, uint64_t done)
{
    char *start = window_open_large(first);
    do {
        arch_zero_pages(start + done * PAGE_SIZE, STEP_FRAMES);
        done += STEP_FRAMES;
        step_work(STEP_CLEAR, STEP_FRAMES);
        step_over();
        step_begin(); /* interrupts come in next */
    } while (done < LARGE_FRAMES && !thread_preemption_is_due());
    window_close_large();
    return done;
}

static enum error zero_large(pfn_t first)
{
    enum error error = ERR_NONE;
    for (uint64_t done = 0; error == ERR_NONE && done < LARGE_FRAMES;) {
        done = zero_shown(first, done);
        error = thread_preemption_point();
    }
    return error;
}

enum error contents_zero_block(pfn_t first, unsigned order)
{
    uint64_t frames = (uint64_t)1 << order, size = order < LARGE_ORDER ? 1 : LARGE_FRAMES;
    enum error error = ERR_NONE;
    for (uint64_t done = 0; error == ERR_NONE && done < frames; done += size) {
        pfn_t part = pfn(first.value + done);
        if (size > 1) {
            error = zero_large(part);
        } else {
            contents_zero(part);
            error = (done + 1) % STEP_FRAMES == 0 ? thread_preemption_point() : ERR_NONE;
        }
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
