/*
 * The reaper: a thread of the kernel that destroys what is left on CPUs that have nothing to do. An idle
 * thread must not do that itself: it lets others run in the middle, and goes on when there is nothing else.
 */
#ifndef QUIRE_KERNEL_REAPER_H
#define QUIRE_KERNEL_REAPER_H

#include "abi/error.h"

/* Once, at boot. ERR_NO_MEMORY. */
enum error reaper_start(void) MUST_CHECK;

/* Leave to it what the calling thread has yet to destroy, and what others have left to this CPU. */
void reaper_leave(void);

#endif
