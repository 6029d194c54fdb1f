/*
 * What the CPUs remember of page tables, and how it is made forgotten.
 *
 * Each space has a generation, which rises with each flush, and a mask of the CPUs that have it loaded. A
 * flush sends one interrupt to each other CPU in the mask, for a whole range; a CPU that has the space not
 * loaded finds at the next load that the generation is another one than it knows. So nobody is disturbed who
 * does not run the space, and whoever comes back to it, and has missed nothing, still remembers all
 * (tlb_cpu.h).
 *
 * A request has a number, the same count for the whole machine. CPUs answer by number: they look at what they
 * have loaded, forget what is behind, and say up to which request that goes. They answer interrupts, and look
 * for requests wherever they spin; so who holds a lock may wait for them.
 *
 * Who gives pages back need not wait: frames and tables that CPUs may still reach are in quarantine until all
 * have answered. It is bounded; who fills it waits for the oldest. Memory that is short is looked for there.
 *
 * tests/model/tlb.pml is the proof that no CPU uses a frame after it is given out again.
 */
#ifndef QUIRE_KERNEL_TLB_H
#define QUIRE_KERNEL_TLB_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/error.h"
#include "kernel/sched/cpu_mask.h"
#include "lib/units.h"

struct cpu;
struct table_gather;

/* The last ranges that a space's flushes were for. */
#define TLB_RECENT 4

struct tlb {
    uint64_t identity;               /* never that of another space, and not 0; set once */
    uint64_t generation;             /* atomic */
    uint64_t loaded[CPU_MASK_WORDS]; /* atomic: bit n, CPU n has this space loaded */
    uint64_t recent[TLB_RECENT];     /* atomic: of generation n in n modulo this; tlb.c */
    uint64_t asked;                  /* atomic: the last request that nobody has waited for */
};

void tlb_init(struct tlb *tlb);

/*
 * This CPU translates by this space, whose root this is, from now on; with NULL by the kernel's root alone.
 * Does nothing when that is so already. What belongs to the space stays in place until another one is loaded.
 * False, and nothing is changed, when the space has been closed.
 */
bool tlb_load(struct tlb *tlb, paddr_t root) MUST_CHECK;

/*
 * No CPU loads the space from now on, and on return none has it loaded: its tables can be freed. Others that
 * have it are about to load something else, without a lock that the caller holds; this CPU has something else
 * loaded.
 */
void tlb_close(struct tlb *tlb);

/*
 * Make all CPUs forget what the space said of this range (whole pages), with the tables above it: after the
 * tables were changed, before anything that they named is used for something else. On return nobody remembers
 * it. One interrupt to each other CPU that has the space loaded; a large range may cost those CPUs all that
 * they remember of the space. The caller may hold locks.
 */
void tlb_flush(struct tlb *tlb, uint64_t start, uint64_t bytes);

/* The same for one page, quicker when nobody else runs the space. */
void tlb_flush_page(struct tlb *tlb, uint64_t page);

/*
 * The same without waiting for the others, where nothing takes the place of what was there: for unmapping and
 * giving back. Returns the number of the request, 0 where nobody had to be asked: this CPU has forgotten on
 * return, the others when it is answered. Before anything else is entered in the range (a mapping at the same
 * addresses) somebody waits for that. What was in the range goes through tlb_retire_*, or is waited for. Not
 * for taking a right away, or putting another page in the place of one: there, a CPU that goes on with the
 * old one is wrong at once.
 */
uint64_t tlb_flush_later(struct tlb *tlb, uint64_t start, uint64_t bytes);
uint64_t tlb_flush_page_later(struct tlb *tlb, uint64_t page);

/* Have all CPUs answered that were told of requests up to this one? And: wait for that. Others answer
 * wherever they spin, so the caller may hold locks. */
bool tlb_answered(uint64_t request);
void tlb_wait_for(uint64_t request);

/* All CPUs have answered what was asked for this space. Costs a few instructions when they have. */
void tlb_wait(struct tlb *tlb);

/* As tlb_flush for a range of the kernel half, on all CPUs; the whole half with tlb_flush_kernel_half. Tables
 * of the kernel half are never freed. */
void tlb_flush_kernel(uint64_t start, uint64_t bytes);
void tlb_flush_kernel_half(void);

/* All other CPUs have passed a full memory barrier since the call. */
void tlb_barrier(void);

/* Answer what others have asked of this CPU: on an interrupt, and wherever it spins. Interrupts are off. */
void tlb_serve(void);

/* A CPU is up: called on it, once it is counted by arch_cpu_count. */
void tlb_admit(void);

/*
 * Give back a frame or block that was mapped in some space: with frame_drop, and to the allocator when that
 * was the last holder, once no CPU can reach it. What made it unreachable (tlb_flush_later) came before. The
 * caller may hold locks, also of objects and tables; charges are its business.
 */
void tlb_retire_frame(pfn_t first, unsigned order);

/* The same for tables that were taken out; empties the gather's chain. */
void tlb_retire_tables(struct table_gather *gather);

/*
 * Give out of the quarantine what nobody can reach any more; with `all` wait until that is everything which
 * was in it at the call. True when there was something. For idle time and for whoever is short of memory or
 * counts it. The caller may hold locks, as for tlb_retire_*.
 */
bool tlb_settle(bool all);

struct tlb_figures {
    uint64_t interrupts;       /* sent for flushes, since the start */
    uint64_t requests;         /* that asked other CPUs, since the start */
    uint64_t waits;            /* for answers that were not there yet, since the start */
    uint64_t quarantined;      /* 4 KiB frames now... */
    uint64_t quarantined_most; /* ...and at most */
};
void tlb_count(struct tlb_figures *out);

/*
 * tlb=debug: what was retired is filled once nobody should reach it, kept for a while, and looked at before
 * it goes back. Who still writes there has not flushed: a panic that says where. Once, at boot, before the
 * first space.
 */
void tlb_debug_start(void);

#endif
