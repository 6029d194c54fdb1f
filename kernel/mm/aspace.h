/*
 * Address spaces: which ranges of memory objects a task sees where. Mappings lie in a tree by address; pages
 * come into the page tables when they are touched, or at once with MAP_MODE_POPULATE. docs/memory.md draws
 * it.
 *
 * Locks, outermost first: the space's (readers: faults), the object's, that of the space's page tables. What
 * takes long goes in steps, with no lock held in between; what a step has left half done is marked, so that
 * others leave it alone.
 */
#ifndef QUIRE_KERNEL_ASPACE_H
#define QUIRE_KERNEL_ASPACE_H

#include "abi/error.h"
#include "abi/memory.h"
#include "kernel/arch/arch.h"
#include "kernel/arch/tables.h"
#include "kernel/lib/avl.h"
#include "kernel/mm/memory.h"
#include "kernel/mm/tlb.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/rwlock.h"
#include "kernel/sched/spinlock.h"
#include "lib/units.h"

struct aspace;

/* What is true of a mapping beside MAP_MODE_*, in the same mask. */
#define MAPPING_COMING 0x40000000u /* being filled: its call has not returned, nobody else touches it */
#define MAPPING_GOING  0x80000000u /* being removed: as good as gone, but for what CPUs may remember */
#define MAPPING_BUSY   (MAPPING_COMING | MAPPING_GOING)

/*
 * Guarded by the space's lock; where it is in the object, and where in the space, change only with the
 * object's lock held, too.
 */
struct mapping {
    struct avl_node node; /* in the space; the key is where it begins */
    struct memory_view view;
    struct aspace *space;
    struct memory *memory; /* holds a reference; NULL: a reservation, which nothing can touch */
    uint64_t bytes;
    uint64_t offset;       /* of its start in the object, in bytes */
    uint32_t mode;         /* MAP_MODE_*, MAPPING_* */
    uint32_t access;       /* ACCESS_* that may be done now: none while it is busy, or a reservation */
    unsigned flags;        /* of its leaves, when their pages can be written if the mapping can */
    uint64_t large_start;  /* where large leaves can be... */
    uint64_t large_bytes;  /* ...0: nowhere */
    struct mapping *going; /* the next one that the same call removes */
    bool stale;            /* hidden, and not flushed yet; guarded by the object's lock */
    bool shown;            /* leaves of it may be in the tables; atomic, set before the first one is */
};

struct aspace {
    struct rwlock lock; /* LOCK_ASPACE */

    /* Guarded by lock. */
    struct avl mappings;
    uint64_t cursor; /* where the search for a place goes on */
    uint64_t random; /* state of the generator of gaps */
    uint64_t mapped_bytes;
    uint64_t count; /* mappings */
    union {
        struct {
            bool closed;    /* being torn down: nothing goes in any more */
            bool remembers; /* CPUs may remember what was unmapped, as follows */
        };
        uint16_t hurdles; /* both at one look */
    };
    uint64_t remembered, remembered_end; /* the range in which that was... */
    uint64_t remembered_request;         /* ...until this one is answered (tlb.h) */

    struct mapping *spare; /* a record for the next mapping, which nobody pays for yet, or NULL; atomic */

    struct mapping *last; /* that a fault was in: a hint; atomic, cleared with the lock held for writing */
    uint32_t unflushed;   /* calls that have changed tables and not flushed yet; atomic, raised before */

    struct spinlock tables_lock; /* LOCK_TABLES: guards the page tables */

    struct account *account; /* pays for tables and records; set once */
    paddr_t root;            /* value 0 before and after its life; changes only while nobody can load it */
    struct tlb tlb;
};

/* Counted since the start, over all spaces. Asked: touches where a large page could have been; and whole GiB
 * that were to be populated with huge pages. */
struct large_figures {
    uint64_t asked, given, promoted, demoted;
    uint64_t huge_asked, huge_given;
};
void aspace_large_count(struct large_figures *out);

/* A space without tables, as good as closed, of whose owner the account is. */
void aspace_init(struct aspace *space, struct account *account);

/* Give it its root table. ERR_LIMIT, ERR_NO_MEMORY. */
enum error aspace_open(struct aspace *space) MUST_CHECK;

/*
 * What is to be mapped: `bytes` of the object from `offset` on, whole pages. The caller has checked that it
 * is inside of the object, that the address (0: wherever there is room) is in the user half, and what the
 * mode may be (MAP_MODE_*).
 */
struct map_request {
    struct memory *memory; /* the caller has a reference; NULL to reserve */
    uint64_t offset;
    uint64_t address;
    uint64_t bytes;
    uint32_t mode;
};

struct map_plan {
    struct aspace *space;
    struct mapping *mapping;
    struct mapping *below;     /* the one before it; NULL when there is none */
    struct table_stock tables; /* for MAP_MODE_POPULATE */
};

/*
 * Take all that the mapping needs. On success the space is locked, until aspace_map_commit. ERR_EXISTS,
 * ERR_LIMIT, ERR_NO_MEMORY (also when there is no room), ERR_DEAD, ERR_CANCELLED; nothing is changed then.
 * Holds no lock, and may be preempted.
 */
enum error aspace_map_prepare(struct aspace *space, const struct map_request *request,
                              struct map_plan *plan) MUST_CHECK;
/* Returns where. May be preempted. */
uint64_t aspace_map_commit(struct map_plan *plan);

/* A range, and what it takes to cut mappings and large leaves at its ends. */
struct range_plan {
    struct aspace *space;
    struct mapping
        *whole; /* the range is just this small mapping; what follows is not used then, but for access */
    uint32_t access;
    uint64_t start, end;
    struct mapping *spare[2];
    struct table_stock tables;
};

/*
 * Remove all that is mapped in the range, parts of mappings too; with 0 bytes the mapping that begins there.
 * On success the space is locked until the commit, which goes in steps and lets others run in between: what
 * is in the range is out of reach from the first step on, and its place free at the end. In the caller's own
 * space, threads that run on other CPUs may reach it a moment longer, until these have forgotten it; nothing
 * that was there is used for something else before. In another space nobody does on return. ERR_NOT_FOUND
 * when nothing is there, ERR_DEAD, ERR_LIMIT, ERR_NO_MEMORY.
 */
enum error aspace_unmap_prepare(struct aspace *space, uint64_t address, uint64_t bytes,
                                struct range_plan *plan) MUST_CHECK;
void aspace_unmap_commit(struct range_plan *plan);

/*
 * Let this and nothing else (ACCESS_*) be done in the range, all of which is mapped (else ERR_NOT_FOUND)
 * with modes that allow it (else ERR_NO_RIGHT). In steps, in both halves. ERR_DEAD, ERR_LIMIT,
 * ERR_NO_MEMORY, ERR_CANCELLED.
 */
enum error aspace_protect_prepare(struct aspace *space, uint64_t address, uint64_t bytes, uint32_t access,
                                  struct range_plan *plan) MUST_CHECK;
void aspace_protect_commit(struct range_plan *plan);

/*
 * Fill the empty space `to`, which nobody else knows yet, with what `from` has: each mapping as its mode
 * says, copies of the objects shared copy-on-write, one copy for each object. In steps. On failure `to` has a
 * part, and is to be closed. ERR_LIMIT, ERR_NO_MEMORY, ERR_CANCELLED, ERR_DEAD, ERR_NOT_READY (pinned pages),
 * ERR_UNSUPPORTED (an object with a pager). The account pays for the copies.
 */
enum error aspace_clone(struct aspace *from, struct aspace *to, struct account *account) MUST_CHECK;

/*
 * A page fault at this user address, from user mode or from a copy of the kernel's: makes the page be there.
 * `access` is one ACCESS_* bit. ERR_BAD_ADDRESS: nothing is mapped there, or the object has ended before;
 * ERR_NO_RIGHT: not with that access; ERR_LIMIT, ERR_NO_MEMORY: there is nothing to make the page of;
 * ERR_CANCELLED: the thread was killed; what a pager says. Holds no lock; may be preempted.
 */
enum error aspace_fault(struct aspace *space, uint64_t address, uint32_t access) MUST_CHECK;

/*
 * Give everything back, in steps, and be closed for good. On other CPUs the space is loaded at most by
 * threads that are about to leave it. Twice does no harm; not at once.
 */
void aspace_close(struct aspace *space);

/* What it keeps for later goes back. */
void aspace_drain(struct aspace *space);

/* Load a space into this CPU, or none. The space stays until another one is loaded here. */
void aspace_load(struct aspace *space);

/* The first mapping that ends above this address, described; false when there is none. For people. In steps.
 */
bool aspace_describe(struct aspace *space, uint64_t from, struct memory_mapping *out);

/* The way of an address through the tables; returns the number of steps, 0 when the space has none. */
unsigned aspace_translate(struct aspace *space, uint64_t address, struct table_step steps[TABLE_LEVELS_MOST]);

#endif
