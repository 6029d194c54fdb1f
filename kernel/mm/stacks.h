/*
 * Kernel stacks: STACK_SIZE bytes each, in slots of their own region, with as much unmapped below each, so
 * that an overflow faults instead of writing into another stack.
 */
#ifndef QUIRE_KERNEL_STACKS_H
#define QUIRE_KERNEL_STACKS_H

#include <stdint.h>

#include "abi/error.h"

#define STACK_SIZE 16384u

/* As many there can be at a time. */
#define STACKS_MOST 65536u

/* Free ones that are kept mapped for whoever comes next; beyond these, memory goes back, STACKS_BATCH at a
 * time, so that the CPUs need to flush once for all of them. */
#define STACKS_KEPT  64u
#define STACKS_BATCH 32u

/* The address behind the highest byte of a stack. ERR_NO_MEMORY; ERR_LIMIT. */
enum error stack_alloc(uint64_t *top) MUST_CHECK;

/* May make the other CPUs flush; no lock is held. */
void stack_free(uint64_t top);

#endif
