/*
 * The monotonic clock, inline: what every switch of threads reads.
 */
#ifndef QUIRE_X86_ARCH_CLOCK_H
#define QUIRE_X86_ARCH_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* How the clock follows from the time stamp counter. Set at boot; `external` may be set once more later. */
struct clock_scale {
    uint64_t origin;     /* the counter at clock 0 */
    uint64_t multiplier; /* nanoseconds for 2^32 counts; 0 until it is measured */
    bool external;       /* the counter is not to be trusted: another clock is read. Atomic */
};
extern struct clock_scale clock_scale;

uint64_t clock_read_external(void);

/* Monotonic nanoseconds since the kernel was entered; 0 until the clock is measured. */
static inline uint64_t arch_clock(void)
{
    uint32_t low, high;
    if (__builtin_expect(clock_scale.external, 0)) {
        return clock_read_external();
    }
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    uint64_t counts = ((uint64_t)high << 32 | low) - clock_scale.origin;
    return (uint64_t)((unsigned __int128)counts * clock_scale.multiplier >> 32);
}

#endif
