/*
 * Address spaces: which ranges of memory objects a task sees where. Mappings are made whole and removed
 * whole.
 */
#ifndef QUIRE_KERNEL_ASPACE_H
#define QUIRE_KERNEL_ASPACE_H

#include "abi/error.h"
#include "kernel/lib/list.h"
#include "kernel/sched/spinlock.h"
#include "kernel/mm/memory.h"
#include "kernel/sched/cpu.h"
#include "lib/units.h"

struct mapping {
    struct list node; /* in the order of addresses */
    uint64_t start;
    uint64_t bytes;
    uint64_t offset;       /* in the object */
    uint32_t access;       /* ACCESS_* */
    struct memory *memory; /* holds a reference */
};

struct aspace {
    struct spinlock lock;

    /* Guarded by lock. */
    struct list mappings;
    uint64_t mapped_bytes;
    bool closed; /* being torn down: nothing goes in any more */

    paddr_t root; /* value 0 before and after its life; set under lock, read by the CPUs that load it */

    /* Atomic: bit n, CPU n has this space loaded. */
    uint64_t loaded[CPU_MAX / 64];
};

enum error aspace_init(struct aspace *space) MUST_CHECK;

/*
 * Map `bytes` of an object from `offset` on at `address`, or at a free place when that is 0; all whole pages,
 * in range of object and user half. ERR_EXISTS, ERR_NO_MEMORY, ERR_DEAD; nothing is changed then.
 */
enum error aspace_map(struct aspace *space, struct memory *memory, uint64_t offset, uint64_t address,
                      uint64_t bytes, uint32_t access, uint64_t *mapped_at) MUST_CHECK;

/* Remove the mapping that begins here; no CPU can reach its pages any more on return. ERR_NOT_FOUND,
 * ERR_DEAD. */
enum error aspace_unmap(struct aspace *space, uint64_t address) MUST_CHECK;

/* Give everything back. The space is not loaded anywhere but perhaps on this CPU, and never will be. */
void aspace_close(struct aspace *space);

/* Load a space into this CPU, or none. The space stays until another one is loaded here. */
void aspace_load(struct aspace *space);

#endif
