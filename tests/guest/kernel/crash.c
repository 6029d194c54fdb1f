/*
 * Breaking the kernel on purpose: crash=KIND in the environment of a test kernel, to see what a panic says.
 * The driver is tests/guest/crash.py. Without the key nothing happens.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/arch/tables.h"
#include "kernel/init/handover.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/layout.h"
#include "kernel/mm/tlb.h"
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

static __attribute__((noinline)) void crash_lock_twice(void)
{
    static struct spinlock lock = SPINLOCK("lock of the test", LOCK_TASK);
    spin_lock(&lock);
    spin_lock(&lock);
}

/* Interrupts are on where no lock may be taken: only lock=debug sees it. */
static __attribute__((noinline)) void crash_lock_open(void)
{
    static struct spinlock lock = SPINLOCK("lock of the test", LOCK_TASK);
    __asm__ volatile("sti");
    spin_lock(&lock);
}

static struct spinlock stalled = SPINLOCK("stalled lock", LOCK_TASK);
static bool stalled_taken;

static __attribute__((noinline)) void crash_hold_for_ever(void *unused)
{
    (void)unused;
    spin_lock(&stalled);
    __atomic_store_n(&stalled_taken, true, __ATOMIC_RELEASE);
    for (;;) {
        arch_spin_wait();
    }
}

/* Another CPU holds the lock and does not let go. The panic comes from this one, when the report is due. */
static const char *crash_stall(void)
{
    struct thread *thread;
    unsigned other = (arch_this_cpu()->number + 1) % arch_cpu_count();
    EXPECT(arch_cpu_count() > 1);
    EXPECT(thread_create("holder", crash_hold_for_ever, NULL, other, &thread) == ERR_NONE);
    thread_start(thread);
    while (!__atomic_load_n(&stalled_taken, __ATOMIC_ACQUIRE)) {
        arch_spin_wait();
    }
    spin_lock(&stalled);
    return "the lock was taken";
}

static __attribute__((noinline)) void crash_hang(void *unused)
{
    (void)unused;
    for (;;) {
        arch_spin_wait();
    }
}

/* This CPU, or another one, does nothing any more, with interrupts off. */
static const char *crash_hang_on(unsigned number)
{
    struct thread *thread;
    EXPECT(thread_create("hanging", crash_hang, NULL, number, &thread) == ERR_NONE);
    thread_set_priority(thread, PRIORITY_HIGHEST);
    thread_start(thread);
    enum error error = wait_until(arch_clock() + 30000000000u, 0);
    return error == ERR_NONE ? "nobody reported it" : "the wait was cancelled";
}

/* It has no frame when it crashes: not yet, and (behind its push and pop) no more. */
static __attribute__((naked, noinline)) void crash_at_first(void)
{
    __asm__ volatile("ud2");
}

static __attribute__((naked, noinline)) void crash_after_push(void)
{
    __asm__ volatile("push %rbp\n\tud2");
}

static __attribute__((noinline)) void crash_without_frame(bool push)
{
    if (push) {
        crash_after_push();
    } else {
        crash_at_first();
    }
    __asm__ volatile(""); /* no tail call: its own frame is there */
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

static void crash_write(pfn_t frame)
{
    uint64_t *words = window_open(WINDOW_TO, frame);
    words[100] = 0x1234;
    window_close(WINDOW_TO);
}

/* For tlb=debug: as a CPU would that has not forgotten what was mapped. */
static __attribute__((noinline)) void crash_write_retired(unsigned order)
{
    pfn_t frame;
    if (frame_alloc_for(order, FRAME_USER_ANONYMOUS, 7, &frame) == ERR_NONE) {
        tlb_retire_frame(frame, order);
        crash_write(pfn(frame.value + ((uint64_t)1 << order) - 1));
        tlb_settle(true);
    }
}

static __attribute__((noinline)) void crash_write_retired_table(void)
{
    pfn_t frame;
    if (frame_alloc_for(0, FRAME_PAGE_TABLE, 7, &frame) == ERR_NONE) {
        struct table_gather gather = {.first = pfn_to_paddr(frame), .tables = 1};
        tlb_retire_tables(&gather);
        crash_write(frame);
        tlb_settle(true);
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
    } else if (handover_option_is("crash", "first") || handover_option_is("crash", "push")) {
        crash_without_frame(handover_option_is("crash", "push"));
    } else if (handover_option_is("crash", "lock")) {
        crash_lock_order();
    } else if (handover_option_is("crash", "lock-twice")) {
        crash_lock_twice();
    } else if (handover_option_is("crash", "lock-open")) {
        crash_lock_open();
    } else if (handover_option_is("crash", "lock-stall")) {
        return crash_stall();
    } else if (handover_option_is("crash", "hang")) {
        return crash_hang_on(arch_cpu_count() - 1);
    } else if (handover_option_is("crash", "hang-first")) {
        return crash_hang_on(0);
    } else if (handover_option_is("crash", "frame")) {
        crash_write_free_frame();
    } else if (handover_option_is("crash", "retired")) {
        crash_write_retired(0);
    } else if (handover_option_is("crash", "retired-block")) {
        crash_write_retired(9);
    } else if (handover_option_is("crash", "retired-table")) {
        crash_write_retired_table();
    } else if (handover_option_is("crash", "free")) {
        crash_free_twice();
    }
    return NULL;
}
