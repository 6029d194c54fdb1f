/*
 * Bringing up the other cores: those that the loader brought, which wait in entry.S (smp.h), and those that
 * it did not, by INIT and start-up interrupts (start.h).
 */
#ifndef QUIRE_X86_CORES_H
#define QUIRE_X86_CORES_H

#include "abi/error.h"

struct cpu;

/* Give a CPU its interrupt stacks. ERR_NO_MEMORY. */
enum error interrupt_stacks_make(struct cpu *cpu) MUST_CHECK;

#endif
