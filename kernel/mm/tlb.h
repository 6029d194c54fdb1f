/*
 * What the CPUs remember of a space's page tables, and how it is made forgotten. Each space has a generation,
 * which rises with each flush. A CPU that has the space loaded is told by an interrupt, one for a whole range; one
 * that has not compares generations when it loads the space the next time.
 *
 * tests/model/tlb.pml is the proof that no CPU uses a frame after it is given out again.
 */
#ifndef QUIRE_KERNEL_TLB_H
#define QUIRE_KERNEL_TLB_H

#include <stdint.h>

#include "abi/handle.h"
#include "kernel/sched/cpu_mask.h"
#include "lib/units.h"

struct table_gather;

struct tlb {
    uint64_t identity;   /* never that of another space; set once */
    uint64_t generation; /* atomic */
    uint64_t loaded[CPU_MAX / 64]; /* atomic: bit n, CPU n has this space loaded */
};

void tlb_init(struct tlb *tlb);

/*
 * Make all CPUs forget what the space said of this range: after the tables were changed, before anything that they
 * named is used for something else. On return nobody remembers it. One interrupt to each other CPU that has the space
 * loaded; a large range may cost those CPUs all that they remember of the space. The caller may hold locks: CPUs
 * that wait for a lock answer.
 */
void tlb_flush(struct tlb *tlb, uint64_t start, uint64_t bytes);

#endif
