/*
 * The page from which every task reads the clock: abi/clock.h.
 */
#ifndef QUIRE_KERNEL_CLOCK_PAGE_H
#define QUIRE_KERNEL_CLOCK_PAGE_H

#include <stdint.h>

#include "abi/error.h"

struct aspace;

/* Make the page; the wall time at clock 0 is in seconds since 1970, or 0. Once, at boot. ERR_NO_MEMORY. */
enum error clock_page_make(uint64_t wall_time) MUST_CHECK;

/* Let a new space see it, at CLOCK_PAGE_AT. ERR_NO_MEMORY. */
enum error clock_page_map(struct aspace *space) MUST_CHECK;

/* The seconds since 1970 at clock 0, or 0. */
uint64_t clock_page_wall_time(void);

#endif
