/*
 * What kernel/mm/tlb.c asks of the processor: SDM vol. 3A 4.10. Where it has process-context identifiers
 * (PCID) each slot of a CPU has one, the slot's number plus one; 0 is that of the kernel's own tables. All
 * leaves of the kernel half are global, and belong to none.
 */
#ifndef QUIRE_X86_ARCH_TLB_H
#define QUIRE_X86_ARCH_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/arch/x86_64/registers.h"
#include "lib/units.h"

struct cpu;

/* PCIDs are in use; set once at boot, before the first space. */
extern bool arch_tlb_tagged;

static inline bool arch_tlb_tags(void)
{
    return __builtin_expect(arch_tlb_tagged, 0);
}

/* Translate by this root, and forget all that is not global. */
static inline void arch_tlb_switch(paddr_t root)
{
    cr3_write(root.value);
}

/* The same with a tag; what is remembered with it is kept or forgotten. What has other tags is kept. */
static inline void arch_tlb_switch_tagged(paddr_t root, uint32_t tag, bool keep)
{
    cr3_write(root.value | tag | (keep ? CR3_KEEP : 0));
}

/* Forget these pages of what is loaded and of the kernel half, and all tables above pages of what is loaded.
 */
static inline void arch_tlb_forget(uint64_t start, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        page_forget(start + i * PAGE_SIZE);
    }
}

/* Forget what is loaded, but for the kernel half. */
static inline void arch_tlb_forget_space(void)
{
    cr3_write(cr3_read()); /* reads with the PCID, and without the bit to keep */
}

/* Forget everything, of all tags and of the kernel half. */
void arch_tlb_forget_all(void);

/* Make that CPU call tlb_serve. */
void arch_tlb_interrupt(const struct cpu *cpu);

#endif
