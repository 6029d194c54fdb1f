/*
 * Address spaces: which ranges of memory objects a task sees where. Mappings are made whole and removed
 * whole.
 */
#ifndef QUIRE_KERNEL_ASPACE_H
#define QUIRE_KERNEL_ASPACE_H

#include "abi/error.h"
#include "kernel/arch/arch.h"
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

    struct account *account; /* pays for tables and records; set once */

    paddr_t root; /* value 0 before and after its life; set under lock, read by the CPUs that load it */

    /* Atomic: bit n, CPU n has this space loaded. */
    uint64_t loaded[CPU_MAX / 64];
};

/* A space without tables, as good as closed, of whose owner the account is. */
void aspace_init(struct aspace *space, struct account *account);

/* Give it its root table. ERR_LIMIT, ERR_NO_MEMORY. */
enum error aspace_open(struct aspace *space) MUST_CHECK;

/* What is to be mapped: `bytes` of the object from `offset` on; whole pages inside of it. */
struct map_request {
    struct memory *memory; /* the caller has a reference */
    uint64_t offset;
    uint64_t address; /* in the user half; 0: wherever there is room */
    uint64_t bytes;
    uint32_t access; /* ACCESS_* */
};

/* A mapping that is about to be made. */
struct map_plan {
    struct aspace *space;
    struct mapping *mapping;
    struct table_stock tables;
};

/*
 * Take all that the mapping needs. On success the space is locked, until aspace_map_commit. ERR_EXISTS,
 * ERR_LIMIT, ERR_NO_MEMORY, ERR_DEAD; nothing is changed then.
 */
enum error aspace_map_prepare(struct aspace *space, const struct map_request *request,
                              struct map_plan *plan) MUST_CHECK;
/* Returns where. */
uint64_t aspace_map_commit(struct map_plan *plan);

/* Find the mapping that begins here. On success the space is locked, until aspace_unmap_commit.
 * ERR_NOT_FOUND, ERR_DEAD. */
enum error aspace_unmap_prepare(struct aspace *space, uint64_t address, struct mapping **out) MUST_CHECK;
/* Remove it; no CPU can reach its pages any more on return. */
void aspace_unmap_commit(struct aspace *space, struct mapping *mapping);

/* Give everything back. The space is not loaded anywhere but perhaps on this CPU, and never will be. */
void aspace_close(struct aspace *space);

/* Load a space into this CPU, or none. The space stays until another one is loaded here. */
void aspace_load(struct aspace *space);

#endif
