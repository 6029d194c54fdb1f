/* The monotonic clock: nanoseconds since the kernel started. */
#ifndef QUIRE_LIBQ_CLOCK_H
#define QUIRE_LIBQ_CLOCK_H

#include <stdint.h>

#include "syscalls.h"

#define MICROSECOND    ((uint64_t)1000)
#define MILLISECOND    ((uint64_t)1000000)
#define SECOND         ((uint64_t)1000000000)
#define DEADLINE_NEVER (~(uint64_t)0)

static inline uint64_t clock_now(void)
{
    uint64_t now = 0;
    return sys_clock_read(&now) == ERR_NONE ? now : 0;
}

/* The deadline `nanoseconds` from now; never, where that does not fit. */
static inline uint64_t clock_after(uint64_t nanoseconds)
{
    uint64_t now = clock_now();
    return nanoseconds < DEADLINE_NEVER - now ? now + nanoseconds : DEADLINE_NEVER;
}

#endif
