/* What the kernel's locks need of a machine, on a Linux host. */
#ifndef QUIRE_TESTS_HOST_LOCK_HOST_H
#define QUIRE_TESTS_HOST_LOCK_HOST_H

#include <stdint.h>

/* If it is not 0, it is this time, in ns, so that what depends on time is the same in every run. */
extern uint64_t lock_host_clock;

#endif
