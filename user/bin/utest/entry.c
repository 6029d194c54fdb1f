/*
 * Entering the kernel in all ways, again and again, while tests/guest/entry.py interrupts it on each
 * instruction of the way in and out. The base of GS is an address of the kernel the while.
 */
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/registers.h"
#include "user/libq/clock.h"
#include "user/libq/pages.h"
#include "user/libq/print.h"
#include "user/libq/thread.h"

#define HOSTILE 0xffffffffffe01000ull
#define TOLD    200 /* rounds between two signs of life */

static void gs_base_write(uint64_t base)
{
    __asm__ volatile("wrgsbase %0" : : "r"(base));
}

static uint64_t gs_base(void)
{
    uint64_t base;
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

static void one_call(void *argument)
{
    (void)argument;
    sys_null();
}

/* A thread that begins and ends; a notification whose last handle is closed, so that it is destroyed on the
 * way out. */
static bool things_come_and_go(void)
{
    struct thread thread;
    uint32_t notification;
    return thread_create(&thread, one_call, NULL) == ERR_NONE &&
           thread_join(&thread, clock_after(60 * SECOND)) == ERR_NONE &&
           sys_notification_create(0, &notification) == ERR_NONE &&
           sys_handle_close(notification) == ERR_NONE;
}

static bool round_is_clean(void)
{
    return registers_clean(SYS_NULL, 1, 2, ERR_NONE, false) &&
           registers_clean(SYS_CLOCK_READ, 1, 2, ERR_NONE, true) &&
           registers_clean(SYS_COUNT, 1, 2, ERR_NO_CALL, false) &&
           registers_clean(SYS_THREAD_YIELD, 1, 2, ERR_NONE, false) &&
           (registers_flags(FLAG_STEP | FLAG_DIRECTION) & FLAG_STEP) != 0 && gs_base() == HOSTILE;
}

/* Wants the CPU too, so that timer interrupts take it from one or the other in user mode. */
static void rival(void *argument)
{
    (void)argument;
    for (;;) {
        sys_null();
    }
}

int entry_run(void)
{
    static struct thread thread;
    if (thread_create(&thread, rival, NULL) != ERR_NONE) {
        return 2;
    }
    gs_base_write(HOSTILE);
    for (uint64_t round = 0;; round++) {
        if (!round_is_clean() || (round % 16 == 0 && !things_come_and_go())) {
            print("\nentry: wrong in round %lu\n", round);
            return 1;
        }
        if (round % TOLD == 0) {
            print("entry: round %lu\n", round);
        }
    }
}
