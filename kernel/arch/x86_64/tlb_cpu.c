/*
 * Forgetting everything; see arch_tlb.h.
 */
#include "arch_tlb.h"
#include "kernel/arch/x86_64/features.h"

bool arch_tlb_tagged;

/* All PCIDs, the global translations too: SDM vol. 2A, INVPCID. */
#define INVPCID_EVERYTHING 2u

void arch_tlb_forget_all(void)
{
    if (feature_used(FEATURE_invpcid)) {
        static const uint64_t unused[2];
        __asm__ volatile("invpcid %0, %1" : : "m"(unused), "r"((uint64_t)INVPCID_EVERYTHING) : "memory");
        return;
    }
    uint64_t cr4 = cr4_read(); /* changing PGE forgets the same, SDM vol. 3A 4.10.4.1 */
    cr4_write(cr4 & ~(uint64_t)CR4_PGE);
    cr4_write(cr4);
}
