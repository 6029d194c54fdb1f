/*
 * Processors that translate by page tables, for address spaces on a Linux host: each CPU of the test walks
 * the tables that the kernel's walker makes, and remembers leaves of each size and tables, until it is told
 * to forget, as an amd64 processor may: with a tag (PCID) also of spaces that it has not loaded. What it
 * remembers must not be of a frame that was given back. On memory_host.h.
 */
#ifndef QUIRE_TESTS_HOST_MMU_HOST_H
#define QUIRE_TESTS_HOST_MMU_HOST_H

#include "kernel/mm/aspace.h"

/*
 * Nothing is remembered. `tags`: CPUs have PCIDs; `huge`: leaves of 1 GiB; tables have 4 levels or 5. After
 * memory_host_start.
 */
void mmu_start(uint64_t ram_frames, bool tags, bool huge, unsigned levels);

/* The calling thread is all CPUs, one after the other (mmu_be), and answers for the others when it waits for
 * them; else each CPU has a thread, which answers for itself. */
extern bool mmu_alone;

/* The only thread is CPU `number` from now on. */
void mmu_be(unsigned number);

/* What other CPUs have asked of this one, at a place where a program could be interrupted. */
void mmu_answer(void);

/*
 * Access a page in the space that this CPU has loaded as a program does, with page faults. A page is filled
 * with one number, here at both ends of it. `access` is one ACCESS_* bit. What aspace_fault says.
 */
enum error mmu_access(uint64_t address, uint32_t access, uint32_t *value) MUST_CHECK;

/* A leaf as the tables have it; with bits that must not be there, or access to supervisors alone, a panic. */
struct mmu_leaf {
    pfn_t frame;   /* of the address */
    uint64_t size; /* 0: not present */
    bool write, execute;
    unsigned cache; /* MAP_UNCACHED, MAP_COMBINE or 0 */
};
struct mmu_leaf mmu_look(paddr_t root, uint64_t address);

/* Tables that hang on this root, with it. */
uint64_t mmu_tables(paddr_t root);

/* Called before a flush, when the tables say something else already: what others do at this moment. */
extern void (*mmu_before_flush)(void);

/* A panic if any CPU remembers, of the space that it has loaded, a frame that was given back. */
void mmu_check_alive(void);

/* Would any CPU write to this address of the space by what it remembers? */
bool mmu_would_write(const struct aspace *space, uint64_t address);

/* Does any CPU remember one of so many pages of the space from this address on? */
bool mmu_remembers(const struct aspace *space, uint64_t address, uint64_t pages);

/* Does any CPU remember of this space what the tables do not say? For when nothing is under way. */
bool mmu_remembers_wrongly(const struct aspace *space);

/* Accesses by what was remembered, and by a walk. */
extern uint64_t mmu_hits, mmu_walks; /* atomic */

#endif
