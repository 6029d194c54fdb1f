/*
 * Address spaces: which ranges of memory objects a task sees where. Mappings lie in a tree by address; pages come
 * into the page tables when they are touched, or at once with MAPPING_POPULATE.
 *
 * Locks, outermost first: the space's (readers: faults), the object's, that of the space's page tables.
 */
#ifndef QUIRE_KERNEL_ASPACE_H
#define QUIRE_KERNEL_ASPACE_H

#include "abi/error.h"
#include "abi/memory.h"
#include "kernel/arch/arch.h"
#include "kernel/lib/avl.h"
#include "kernel/mm/memory.h"
#include "kernel/mm/tlb.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/rwlock.h"
#include "kernel/sched/spinlock.h"
#include "lib/units.h"

struct aspace;

struct mapping {
    struct avl_node node; /* in the space, by start */
    struct memory_view view;
    struct aspace *space;
    struct memory *memory; /* holds a reference; NULL: a reservation, which nothing can touch */
    uint64_t start, bytes;
    uint64_t offset; /* of start, in the object; bytes */
    uint32_t mode;   /* MAP_MODE_* of abi/memory.h: access, policy of large pages, what a clone gets, grows */
};

struct aspace {
    struct rwlock lock; /* LOCK_ASPACE */

    /* Guarded by lock. */
    struct avl mappings;
    struct mapping *last; /* that a fault was in; atomic, a hint */
    uint64_t cursor;      /* where the search for a place begins */
    uint64_t mapped_bytes;
    uint64_t count;       /* mappings */
    bool closed;          /* being torn down: nothing goes in any more */

    struct spinlock tables_lock; /* LOCK_TABLES: guards the page tables */

    struct account *account; /* pays for tables and records; set once */

    paddr_t root; /* value 0 before and after its life; set under lock, read by the CPUs that load it */
    struct tlb tlb;
};

/* Counted since the start, over all spaces; atomic. */
struct large_figures {
    uint64_t asked, given, promoted, demoted;
};

/* A space without tables, as good as closed, of whose owner the account is. */
void aspace_init(struct aspace *space, struct account *account);

/* Give it its root table. ERR_LIMIT, ERR_NO_MEMORY. */
enum error aspace_open(struct aspace *space) MUST_CHECK;

/* What is to be mapped: `bytes` of the object from `offset` on; whole pages inside of it. */
struct map_request {
    struct memory *memory; /* the caller has a reference; NULL to reserve */
    uint64_t offset;
    uint64_t address; /* in the user half; 0: wherever there is room */
    uint64_t bytes;
    uint32_t mode; /* MAP_MODE_* */
};

struct map_plan {
    struct aspace *space;
    struct mapping *mapping;
    struct table_stock tables; /* for MAP_MODE_POPULATE */
};

/*
 * Take all that the mapping needs. On success the space is locked, until aspace_map_commit. ERR_EXISTS,
 * ERR_LIMIT, ERR_NO_MEMORY, ERR_DEAD; nothing is changed then.
 */
enum error aspace_map_prepare(struct aspace *space, const struct map_request *request,
                              struct map_plan *plan) MUST_CHECK;
/* Returns where. */
uint64_t aspace_map_commit(struct map_plan *plan);

/*
 * Remove all that is mapped in the range, parts of mappings too; with 0 bytes the mapping that begins there. Commit goes in
 * steps, and lets others run in between. ERR_NOT_FOUND when nothing is there, ERR_DEAD, ERR_LIMIT, ERR_NO_MEMORY for
 * the record of a part that is left, or the tables of leaves that are cut.
 */
struct range_plan {
    struct aspace *space;
    uint64_t start, end;
    uint32_t mode;
    struct mapping *spare[2];
    struct table_stock tables;
};
enum error aspace_unmap_prepare(struct aspace *space, uint64_t address, uint64_t bytes,
                                struct range_plan *plan) MUST_CHECK;
void aspace_unmap_commit(struct range_plan *plan);

/* Change what may be done in the range, all of which is mapped (else ERR_NOT_FOUND), to MAP_MODE_ACCESS bits. */
enum error aspace_protect_prepare(struct aspace *space, uint64_t address, uint64_t bytes, uint32_t access,
                                  struct range_plan *plan) MUST_CHECK;
void aspace_protect_commit(struct range_plan *plan);

/*
 * Fill the empty space `to` with what `from` has: each mapping as its mode says, copies of the objects shared copy-on-write,
 * one copy for each object. In steps. On failure `to` has a part, and is to be closed. ERR_LIMIT, ERR_NO_MEMORY,
 * ERR_CANCELLED, ERR_DEAD, ERR_NOT_READY.
 */
enum error aspace_clone(struct aspace *from, struct aspace *to) MUST_CHECK;

/*
 * A page fault at this user address, from user mode or from a copy of the kernel's: makes the page be there.
 * `access` is one ACCESS_* bit. ERR_BAD_ADDRESS: nothing is mapped there; ERR_NO_RIGHT: not with that access; ERR_LIMIT, ERR_NO_MEMORY:
 * there is nothing to make the page of. Holds no lock.
 */
enum error aspace_fault(struct aspace *space, uint64_t address, uint32_t access) MUST_CHECK;

/* Give everything back, in steps. The space is not loaded anywhere but perhaps on this CPU, and never will be. */
void aspace_close(struct aspace *space);

/* Load a space into this CPU, or none. The space stays until another one is loaded here. */
void aspace_load(struct aspace *space);

/* The mapping at or after this address, described; false when there is none. For people. */
bool aspace_describe(struct aspace *space, uint64_t from, struct memory_mapping *out);

#endif
