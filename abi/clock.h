/*
 * The clock as user space reads it: a page, read-only, that every task has at this address (and finds in its
 * startup block). Nanoseconds since the kernel started are
 *
 *     (time stamp counter - origin) * multiplier / 2^32        in 128 bits
 *
 * read while the sequence is even and before and after the same. While it says that the counter cannot be
 * used, the call clock_read tells the time. The shift is the same for all machines, so that it costs nothing.
 */
#ifndef QUIRE_ABI_CLOCK_H
#define QUIRE_ABI_CLOCK_H

#include <stdint.h>

#define CLOCK_PAGE_AT 0x00007fffffffe000ull

struct clock_page {
    uint32_t sequence;   /* odd while the kernel changes the rest */
    uint32_t usable;     /* 1: the time stamp counter is the clock */
    uint64_t origin;     /* its value at clock 0 */
    uint64_t multiplier; /* nanoseconds for 2^32 counts */
    uint64_t wall_time;  /* seconds since 1970-01-01 UTC at clock 0, or 0 if unknown */
};

#endif
