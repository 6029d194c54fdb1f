/*
 * The wide user registers (x87, SSE, AVX, ...): saved and restored eagerly when threads of tasks switch. The
 * kernel itself uses none.
 */
#ifndef QUIRE_X86_VECTORS_H
#define QUIRE_X86_VECTORS_H

#include <stdint.h>

struct thread;

/* Switch the unit on in this CPU; on the first call also find out how large its state is. */
void vectors_setup(void);

/* While `from` gives this CPU to `to`: save the state of the one and load that of the other, if they have
 * any. */
void vectors_switch(struct thread *from, struct thread *to);

#endif
