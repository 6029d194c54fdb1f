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

/* Some frames in a row out of a block of 2 MiB or more, all of which may be shown. */
static void zero_part_of_large(uint64_t frame, uint64_t count)
{
    char *start = window_open_large(pfn(align_down(frame, LARGE_FRAMES)));
    arch_zero_pages(start + frame % LARGE_FRAMES * PAGE_SIZE, count);
    window_close_large();
}

enum error contents_zero_block(pfn_t first, unsigned order)
{
    uint64_t frames = (uint64_t)1 << order;
    enum error error = ERR_NONE;
    for (uint64_t done = 0; error == ERR_NONE && done < frames; done += STEP_FRAMES) {
        uint64_t count = frames < STEP_FRAMES ? frames : STEP_FRAMES;
        if (order >= LARGE_ORDER) {
            zero_part_of_large(first.value + done, count);
        } else {
            for (uint64_t i = 0; i < count; i++) {
                contents_zero(pfn(first.value + done + i));
            }
        }
        step_work(STEP_CLEAR, count);
        error = thread_preemption_point();
    }
    return error;
}

void contents_copy(pfn_t to, pfn_t from)
{
    const void *source = window_open(WINDOW_FROM, from);
    arch_copy_page(window_open(WINDOW_TO, to), source);
    window_close(WINDOW_TO);
    window_close(WINDOW_FROM);
}

void contents_write(pfn_t frame, uint64_t offset, const void *from, uint64_t bytes)
{
    ASSERT(offset <= PAGE_SIZE && bytes <= PAGE_SIZE - offset);
    memcpy((char *)window_open(WINDOW_TO, frame) + offset, from, bytes);
    window_close(WINDOW_TO);
}
