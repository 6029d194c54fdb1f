/*
 * Setting up one CPU: segments, interrupt table, system call registers, control registers.
 */
#ifndef QUIRE_X86_CPU_H
#define QUIRE_X86_CPU_H

#include <stdint.h>

#include "arch_cpu.h"

struct cpu;

/* The boot processor, before there is memory: own GDT, IDT and GS, so that a fault is reported and not fatal.
 */
void cpu_early(struct cpu *cpu);

/*
 * Everything else of this CPU, when the kernel's page tables are loaded: control registers, PAT, SYSCALL,
 * wide registers. The four interrupt stacks of the TSS are set by cpu_set_interrupt_stacks before.
 */
void cpu_setup(struct cpu *cpu);

/* The top words of the stacks get the address of the struct cpu; see traps.S. Each is 8 KiB and aligned so.
 */
void cpu_set_interrupt_stacks(struct cpu *cpu, const uint64_t *stack_tops);

/* The stack for system calls and interrupts from user mode from now on. */
void cpu_set_kernel_stack(struct cpu *cpu, uint64_t top);

/* From the assembly, in a core that has been released. */
_Noreturn void cpu_entry_secondary(struct cpu *cpu);

#endif
