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

/* The first mapping that ends above this address; the space is locked. */
static inline struct mapping *mapping_from(const struct aspace *space, uint64_t address)
{
    struct mapping *m = mapping_of(avl_at_or_below(&space->mappings, address));
    if (m != NULL && mapping_end(m) > address) {
        return m;
    }
    return mapping_of(m != NULL ? avl_next(&m->node) : avl_first(&space->mappings));
}

/* Flags of leaves for a mapping of a physical object or another. */
static inline unsigned mapping_flags(const struct mapping *m)
{
    _Static_assert(ACCESS_READ == MAP_READ && ACCESS_WRITE == MAP_WRITE && ACCESS_EXECUTE == MAP_EXECUTE,
                   "the same bits");
    return (m->mode & MAP_MODE_ACCESS) | MAP_USER | m->memory->cache;
}

/* --- records (aspace.c) --- */

/* A zeroed record. ERR_LIMIT, ERR_NO_MEMORY. */
enum error mapping_make(struct aspace *space, struct mapping **out) MUST_CHECK;
/* The record alone; NULL is allowed. */
void mapping_free(struct aspace *space, struct mapping *m);

/* After start, size, offset or mode have changed: what follows from them. */
void mapping_derive(struct mapping *m);

/* Put a record with memory and mode in, and take one out, with its view. The space is locked for writing. The
 * reference to the object is the record's, or the caller's again. */
void mapping_insert(struct mapping *m);
void mapping_remove(struct mapping *m);

/* Cut a mapping in two at this address, which is inside; `spare` becomes the upper part. Large leaves have
 * been cut. */
void mapping_cut(struct mapping *m, uint64_t address, struct mapping *spare);

/* If the next mapping continues this one, make one of them, and free the record of the other. */
void mapping_merge_next(struct mapping *m);
/* The same on both sides. */
void mapping_merge(struct mapping *m);

/* --- tables (aspace_tables.c) --- */

/* Put tables into the stock until there are so many; on failure it is empty. ERR_LIMIT, ERR_NO_MEMORY. */
enum error stock_take(struct aspace *space, struct table_stock *stock, uint64_t count) MUST_CHECK;
void stock_give_back(struct aspace *space, struct table_stock *stock);

/* Give back tables that were taken out: when no CPU reaches them any more, after a flush was asked for; or at
 * once, of a space that nobody has loaded. */
void gather_retire(struct aspace *space, struct table_gather *gather);
void gather_free(struct aspace *space, struct table_gather *gather);

/* --- places (aspace_place.c) --- */

/*
 * Lock the space for writing and find a place, or look whether there is one at m->node.key if that is not 0.
 * On failure it is not locked. ERR_EXISTS, ERR_NO_MEMORY, ERR_DEAD, ERR_CANCELLED.
 */
enum error place_find(struct aspace *space, struct mapping *m) MUST_CHECK;

bool place_is_free(const struct aspace *space, uint64_t start, uint64_t bytes);

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
