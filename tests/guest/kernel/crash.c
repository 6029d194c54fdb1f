/*
 * Breaking the kernel on purpose: crash=KIND in the environment of a test kernel, to see what a panic says.
 * The driver is tests/guest/crash.py. Without the key nothing happens.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/init/handover.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/layout.h"
#include "kernel/mm/window.h"
#include "kernel/sched/spinlock.h"

extern char text_start[];

static __attribute__((noinline)) void crash_write_unmapped(void)
{
    *(volatile uint64_t *)(uintptr_t)(APERTURE_BASE + APERTURE_SIZE - PAGE_SIZE) = 1;
}

static __attribute__((noinline)) void crash_write_text(void)
{
    *(volatile uint8_t *)text_start = 0;
}

/* Deeper and deeper, until the page below the stack. */
static __attribute__((noinline)) uint64_t crash_overflow_stack(uint64_t depth)
{
    volatile uint64_t frame[32];
    for (unsigned i = 0; i < 32; i++) {
        frame[i] = depth;
    }
    return depth == 0 ? 0 : crash_overflow_stack(depth - 1) + frame[depth % 32];
}

static __attribute__((noinline)) void crash_lock_order(void)
{
    static struct spinlock inner = SPINLOCK("inner of the test", LOCK_LOG);
    static struct spinlock outer = SPINLOCK("outer of the test", LOCK_TASK);
    spin_lock(&inner);
    spin_lock(&outer);
}

/* For frames=debug: nobody may write to what he has given back. */
static __attribute__((noinline)) void crash_write_free_frame(void)
{
    pfn_t frame, again;
    if (frame_alloc_for(0, FRAME_USER_ANONYMOUS, 7, &frame) != ERR_NONE || frame_free(frame, 0) != ERR_NONE) {
        return;
    }
    uint64_t *words = window_open(WINDOW_TO, frame);
    words[100] = 0x1234;
    window_close(WINDOW_TO);
    while (frame_alloc(0, FRAME_USER_ANONYMOUS, &again) == ERR_NONE) {
    }
}

static __attribute__((noinline)) void crash_free_twice(void)
{
    pfn_t frame;
    if (frame_alloc(3, FRAME_PAGE_TABLE, &frame) == ERR_NONE) {
        frame_release(frame, 2);
    }
}

SELFTEST(crash, "panic: nothing crashes that is not asked to")
{
    if (handover_option_is("crash", "unmapped")) {
        crash_write_unmapped();
    } else if (handover_option_is("crash", "text")) {
        crash_write_text();
    } else if (handover_option_is("crash", "stack")) {
        return crash_overflow_stack(1000000) == 1 ? "the stack has no end" : NULL;
    } else if (handover_option_is("crash", "lock")) {
        crash_lock_order();
    } else if (handover_option_is("crash", "frame")) {
        crash_write_free_frame();
    } else if (handover_option_is("crash", "free")) {
        crash_free_twice();
    }
    return NULL;
}
