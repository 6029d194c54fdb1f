/*
 * Kernel stacks: STACK_SIZE bytes each, in slots of their own region, with as much unmapped below each, so
 * that an overflow faults instead of writing into another stack.
 */
#ifndef QUIRE_KERNEL_STACKS_H
#define QUIRE_KERNEL_STACKS_H

#include <stdint.h>

#include "abi/error.h"

#define STACK_SIZE 16384u

/*
 * The address behind the highest byte of a stack; ERR_NO_MEMORY. Some stacks that were given back are kept
 * and handed out again, charged to nobody meanwhile; the frames of the others go back. Giving one back may
 * make all CPUs flush, so no lock is held.
 */
enum error stack_alloc(uint64_t *top) MUST_CHECK;
void stack_free(uint64_t top);

#endif
