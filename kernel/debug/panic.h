/*
 * The end: an invariant of the kernel is broken. Prints the cause, the registers, the walk of the page tables
 * for the faulting address, and a backtrace with names; stops the other CPUs; under test ends the emulator
 * with a failing status. Nothing that user space does and no shortage of anything may lead here.
 */
#ifndef QUIRE_KERNEL_PANIC_H
#define QUIRE_KERNEL_PANIC_H

#include <stdbool.h>
#include <stdint.h>

#define PANIC_STATUS 125

struct trap_frame;

_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic_trap(const struct trap_frame *frame);

/* Is some CPU in a panic? */
bool panic_in_progress(void);

/* After a panic: halt (default), or end the emulator (test). */
void panic_set_test(bool test);

#define ASSERT(condition)                                                                                    \
    do {                                                                                                     \
        if (__builtin_expect(!(condition), 0)) {                                                             \
            panic("assertion failed: %s (%s:%d)", #condition, __FILE__, __LINE__);                           \
        }                                                                                                    \
    } while (0)

/* What is asked where each instruction counts: in the checked kernel alone. */
#ifdef QUIRE_CHECKED
#define CHECKED_ASSERT(condition) ASSERT(condition)
#else
#define CHECKED_ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
