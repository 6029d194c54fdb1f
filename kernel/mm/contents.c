/* What is in frames; see contents.h. */
#include "kernel/mm/contents.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/window.h"
#include "kernel/sched/thread.h"
#include "lib/text.h"

#define LARGE_ORDER  9u
#define LARGE_FRAMES ((uint64_t)1 << LARGE_ORDER)

void contents_zero(pfn_t frame)
{
    arch_zero_pages(window_open(WINDOW_ZERO, frame), 1);
    window_close(WINDOW_ZERO);
}

enum error contents_zero_block(pfn_t first, unsigned order)
{
    uint64_t end = first.value + ((uint64_t)1 << order);
    if (order < LARGE_ORDER) {
        for (uint64_t frame = first.value; frame < end; frame++) {
            contents_zero(pfn(frame));
        }
        return ERR_NONE;
    }
    for (uint64_t frame = first.value; frame < end; frame += LARGE_FRAMES) {
        arch_zero_pages(window_open_large(pfn(frame)), LARGE_FRAMES);
        window_close_large();
        enum error error = thread_preemption_point();
        if (error != ERR_NONE) {
            return error;
        }
    }
    return ERR_NONE;
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
