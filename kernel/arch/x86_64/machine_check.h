/*
 * Machine checks: the processor tells of memory, or of itself, that no longer works (SDM vol. 3B ch. 15).
 * Memory that is named is never given out again, a task that would have used what is lost ends, and what
 * cannot be contained is a panic.
 */
#ifndef QUIRE_X86_MACHINE_CHECK_H
#define QUIRE_X86_MACHINE_CHECK_H

#include <stdbool.h>

struct trap_frame;

/* On each CPU, at its start: let the banks report, and forget what is in them from before. */
void machine_check_setup(void);

/* The exception. Panics when the machine cannot go on; true when it came from a user's access to memory that
 * is lost: then the frame's instruction must not be resumed. */
bool machine_check_handle(struct trap_frame *frame);

/* At a place where no locks are held: retire the frames that were named since. */
void machine_check_retire(void);

#endif
