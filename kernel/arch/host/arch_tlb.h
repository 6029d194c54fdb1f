/*
 * The memory of page tables of a CPU on a Linux host: given by who tests (tests/host/tlb_host.h).
 */
#ifndef QUIRE_HOST_ARCH_TLB_H
#define QUIRE_HOST_ARCH_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/units.h"

struct cpu;

bool arch_tlb_tags(void);
void arch_tlb_switch(paddr_t root);
void arch_tlb_switch_tagged(paddr_t root, uint32_t tag, bool keep);
void arch_tlb_forget(uint64_t start, uint64_t pages);
void arch_tlb_forget_space(void);
void arch_tlb_forget_all(void);
void arch_tlb_interrupt(const struct cpu *cpu);

#endif
