/* Between the files of address spaces. */
#ifndef QUIRE_KERNEL_ASPACE_PARTS_H
#define QUIRE_KERNEL_ASPACE_PARTS_H

#include "kernel/mm/aspace.h"
#include "kernel/mm/charged.h"

#define UNLIKELY(condition) __builtin_expect((condition), 0)
#define LIKELY(condition)   __builtin_expect((condition), 1)

/* How much is done while locks are held: bytes of tables, and mappings. */
#define ASPACE_STEP_BYTES    (32 * MIB)
#define ASPACE_STEP_MAPPINGS 64u

/* A mapping that grows keeps this far from what is below it, and grows when it is touched so close below. */
#define GROW_GUARD (16 * PAGE_SIZE)
#define GROW_REACH (16 * PAGE_SIZE)

static inline struct mapping *mapping_of(struct avl_node *node)
{
    return (struct mapping *)(void *)node; /* its first member; NULL stays NULL */
}
_Static_assert(offsetof(struct mapping, node) == 0, "a mapping is where its node is");

static inline uint64_t mapping_start(const struct mapping *m)
{
    return m->node.key;
}

static inline uint64_t mapping_end(const struct mapping *m)
{
    return m->node.key + m->bytes;
}

static inline bool mapping_has(const struct mapping *m, uint64_t address)
{
    return address - m->node.key < m->bytes;
}

static inline bool mapping_is_busy(const struct mapping *m)
{
    return (m->mode & MAPPING_BUSY) != 0;
}

/* The mapping that begins at the address or is the last before it; the space is locked. */
static inline struct mapping *mapping_at_or_below(const struct aspace *space, uint64_t address)
{
    struct mapping *hint = space->last;
    return LIKELY(mapping_start(hint) == address) ? hint
                                                  : mapping_of(avl_at_or_below(&space->mappings, address));
}

/* The first mapping that ends above this address; the space is locked. */
static inline struct mapping *mapping_from(const struct aspace *space, uint64_t address)
{
    struct mapping *m = mapping_of(avl_at_or_below(&space->mappings, address));
    if (m != NULL && mapping_end(m) > address) {
        return m;
    }
    return mapping_of(m != NULL ? avl_next(&m->node) : avl_first(&space->mappings));
}

/* The page of the object that is at this address, which is in the mapping. */
static inline uint64_t mapping_page(const struct mapping *m, uint64_t address)
{
    return (address - mapping_start(m) + m->offset) >> PAGE_SHIFT;
}

/* Can a large leaf be around this address? */
static inline bool mapping_large(const struct mapping *m, uint64_t address)
{
    return address - m->large_start < m->large_bytes;
}

/* --- records (aspace.c) --- */

/* In no space, without an address, and behind all others: what a hint says that says nothing. */
extern struct mapping mapping_none;

/* A record in which key, bytes, offset, mode and memory are to be set. ERR_LIMIT, ERR_NO_MEMORY. */
enum error mapping_make(struct aspace *space, struct mapping **out) MUST_CHECK;
/* The record alone. */
void mapping_free(struct aspace *space, struct mapping *m);

/* After start, size, offset or mode have changed: what follows from them. */
void mapping_derive(struct mapping *m);
/* The same after the mode alone has changed. */
void mapping_derive_rights(struct mapping *m);

/* Put a record in behind the one before it (NULL: it is the first), and take one out, with its view. The
 * space is locked for writing. The reference to the object is the record's, or the caller's again. */
void mapping_insert(struct mapping *m, struct mapping *below);
void mapping_remove(struct mapping *m);

/* Cut a mapping in two at this address, which is inside; `spare` becomes the upper part. Large leaves have
 * been cut. */
void mapping_cut(struct mapping *m, uint64_t address, struct mapping *spare);

/* If the next mapping continues this one, make one of them, and free the record of the other. */
void mapping_merge_next(struct mapping *m);
/* The same on both sides: where the neighbours show the same object. */
void mapping_merge_alike(struct mapping *m);
static inline void mapping_merge(struct mapping *m)
{
    const struct mapping *next = mapping_of(m->node.next), *previous = mapping_of(m->node.previous);
    if ((next != NULL && next->memory == m->memory) || (previous != NULL && previous->memory == m->memory)) {
        mapping_merge_alike(m);
    }
}

/* Before a leaf of it is entered. The space is locked, for reading at least. */
static inline void mapping_note_shown(struct mapping *m)
{
    __atomic_store_n(&m->shown, true, __ATOMIC_RELAXED);
}

/* --- tables (aspace_tables.c) --- */

/* Put tables into the stock until there are so many; on failure it is empty. ERR_LIMIT, ERR_NO_MEMORY. */
enum error stock_take(struct aspace *space, struct table_stock *stock, uint64_t count) MUST_CHECK;
void stock_give_back(struct aspace *space, struct table_stock *stock);

/* Give back tables that were taken out: when no CPU reaches them any more, after a flush was asked for; or at
 * once, of a space that nobody has loaded. */
void gather_retire(struct aspace *space, struct table_gather *gather);
void gather_free(struct aspace *space, struct table_gather *gather);

/* Make all CPUs forget what was shown of a mapping; or ask them, as tlb_flush_later. */
static inline void mapping_flush(struct aspace *space, uint64_t start, uint64_t bytes)
{
    if (LIKELY(bytes == PAGE_SIZE)) {
        tlb_flush_page(&space->tlb, start);
    } else {
        tlb_flush(&space->tlb, start, bytes);
    }
}

static inline uint64_t mapping_flush_later(struct aspace *space, uint64_t start, uint64_t bytes)
{
    return LIKELY(bytes == PAGE_SIZE) ? tlb_flush_page_later(&space->tlb, start)
                                      : tlb_flush_later(&space->tlb, start, bytes);
}

/* --- places (aspace_place.c) --- */

/*
 * Lock the space for writing and find a place. Says what is before it. On failure it is not locked.
 * ERR_NO_MEMORY, ERR_DEAD, ERR_CANCELLED.
 */
enum error place_find(struct aspace *space, struct mapping *m, struct mapping **below) MUST_CHECK;

/* Then also what is before it, or NULL. */
static inline bool place_is_free(const struct aspace *space, uint64_t start, uint64_t bytes,
                                 struct mapping **below)
{
    struct mapping *hint = space->last, *next = mapping_of(hint->node.next);
    if (LIKELY(mapping_end(hint) <= start) && (next == NULL || mapping_start(next) >= start + bytes)) {
        *below = hint;
        return true;
    }
    *below = mapping_of(avl_at_or_below(&space->mappings, start + bytes - 1));
    return *below == NULL || mapping_end(*below) <= start;
}

/*
 * Note that CPUs may remember what was in this range, until the request is answered; and, before anything is
 * entered at new addresses, wait for that if they are among those. The space is locked for writing: no page
 * of a new mapping is there for anybody before its place is forgotten, and faults need not ask.
 */
void place_remembered(struct aspace *space, uint64_t start, uint64_t end, uint64_t request);
void place_wait(struct aspace *space, uint64_t start, uint64_t bytes);
static inline void place_forget(struct aspace *space, uint64_t start, uint64_t bytes)
{
    if (UNLIKELY(space->remembers)) {
        place_wait(space, start, bytes);
    }
}

/* The next of a space's random numbers. */
uint64_t aspace_random(struct aspace *space);

/* --- filling (aspace_map.c) --- */

/* Whole GiB that were to be populated with huge pages, and those that were. */
void aspace_huge_count(uint64_t *asked, uint64_t *given);

/* --- ranges (aspace_range.c) --- */

/* Take what it needs to cut at both ends of the plan's range, and cut. The space is locked for writing. */
enum error range_take(struct range_plan *plan) MUST_CHECK;
void range_cut(struct range_plan *plan);
void range_give_back(struct range_plan *plan);

/* Where a step over the tables of a mapping that goes at most so far is to end: no large leaf can be there.
 */
uint64_t mapping_step_end(const struct mapping *m, uint64_t at, uint64_t most);

/* --- views (aspace_view.c) --- */

extern const struct memory_view_kind aspace_view_kind;

#endif
