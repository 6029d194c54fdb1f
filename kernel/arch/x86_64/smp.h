/*
 * The other cores: counting those that the loader brought, releasing them, and stopping them.
 */
#ifndef QUIRE_X86_SMP_H
#define QUIRE_X86_SMP_H

#include <stdint.h>

struct cpu;

/*
 * Wait until `expected` cores, this one included, have entered the kernel, or a time limit has passed; later
 * ones park. After this no core that came runs the loader's code any more, so memory that the loader called
 * free is free. Returns how many came, this one included.
 */
unsigned smp_wait_for_cores(unsigned expected);

/* The local APIC id of arrival n (0 is the first besides the boot processor). */
uint32_t smp_arrival_id(unsigned arrival);

/* Give arrival n its struct cpu, with kernel_stack set, and let it go. */
void smp_release(unsigned arrival, struct cpu *cpu);

/* Wake it again: the first NMI can come just before it falls asleep. */
void smp_wake(unsigned arrival);

/* Halt this CPU because another one panics. */
_Noreturn void smp_stop_here(void);

#endif
