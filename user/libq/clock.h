/* The monotonic clock: nanoseconds since the kernel started. */
#ifndef QUIRE_LIBQ_CLOCK_H
#define QUIRE_LIBQ_CLOCK_H

#include <stdint.h>

#include "abi/clock.h"
#include "syscalls.h"
#include "user/libq/program.h"

#define MICROSECOND    ((uint64_t)1000)
#define MILLISECOND    ((uint64_t)1000000)
#define SECOND         ((uint64_t)1000000000)
#define DEADLINE_NEVER (~(uint64_t)0)

/* Where the clock page cannot tell it. */
uint64_t clock_ask(void);

static inline uint64_t clock_now(void)
{
    const volatile struct clock_page *page = (const volatile struct clock_page *)startup->clock;
    for (;;) {
        uint32_t sequence = page->sequence;
        if (!page->usable) {
            return clock_ask();
        }
        uint64_t counts = __builtin_ia32_rdtsc() - page->origin;
        uint64_t now = (uint64_t)((unsigned __int128)counts * page->multiplier >> 32);
        if (page->sequence == sequence && (sequence & 1) == 0) {
            return now;
        }
    }
}

/* The deadline `nanoseconds` from now; never, where that does not fit. */
static inline uint64_t clock_after(uint64_t nanoseconds)
{
    uint64_t now = clock_now();
    return nanoseconds < DEADLINE_NEVER - now ? now + nanoseconds : DEADLINE_NEVER;
}

/* Sleep for this long. */
static inline enum error clock_sleep(uint64_t nanoseconds)
{
    return sys_thread_sleep(clock_after(nanoseconds));
}

#endif
