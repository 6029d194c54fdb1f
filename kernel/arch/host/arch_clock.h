/*
 * The monotonic clock of the host: what arch.h says of it.
 */
#ifndef QUIRE_HOST_ARCH_CLOCK_H
#define QUIRE_HOST_ARCH_CLOCK_H

#include <stdint.h>

uint64_t arch_clock(void);

#endif
