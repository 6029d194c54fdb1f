/*
 * Making a mapping; see aspace.h. With MAP_MODE_POPULATE the pages of the object that are there go into the
 * tables at once: while that is done in steps, the mapping is marked as coming, and nobody else touches it.
 */
#include "kernel/mm/aspace_parts.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

/* Up to this size the missing tables are counted; for more, as many are taken as there can be at most. */
#define COUNTED_BYTES (32 * MIB)

/* And so much at once, if not with huge pages. */
#define FILL_BYTES (8 * MIB)

static uint64_t huge_asked, huge_given; /* atomic */

void aspace_huge_count(uint64_t *asked, uint64_t *given)
{
    *asked = __atomic_load_n(&huge_asked, __ATOMIC_RELAXED);
    *given = __atomic_load_n(&huge_given, __ATOMIC_RELAXED);
}

static uint64_t populated_bytes(const struct mapping *m)
{
    return (m->mode & MAP_MODE_POPULATE) == 0 || m->memory == NULL ? 0 : m->bytes;
}

/*
 * Tables that the pages which are there can need at most: one for each 2 MiB, but none for what large leaves
 * show, and no more than one for each page (two for a block that leaves cannot show). Should more pages come
 * to be meanwhile, some of them are left to faults.
 */
static uint64_t most_tables(const struct mapping *m, uint64_t bytes)
{
    const struct memory *memory = m->memory;
    uint64_t span = bytes / TABLES_LARGE + 2;
    uint64_t resident = __atomic_load_n(&memory->resident, __ATOMIC_RELAXED);
    uint64_t large = __atomic_load_n(&memory->large, __ATOMIC_RELAXED);
    uint64_t place = m->node.key != 0 ? m->node.key - m->offset : 0; /* one that is chosen fits */
    bool fits = is_aligned(place, TABLES_LARGE) && (m->mode & MAP_MODE_SMALL) == 0;
    if (memory->kind == MEMORY_PHYSICAL) {
        resident = fits && is_aligned(memory->first.value, MEMORY_LEAF_PAGES) ? 0 : span;
        large = 0;
    }
    uint64_t single = (fits && large <= resident ? resident - large : resident) + 2;
    uint64_t leaves = single < span ? single : span;
    return leaves + bytes / TABLES_HUGE + 2 + TABLE_LEVELS_MOST;
}

/* A large mapping takes its tables before the space is locked, and lets others run. */
static enum error take_most(struct aspace *space, uint64_t most, struct table_stock *stock)
{
    enum error error = ERR_NONE;
    for (uint64_t count = 0; error == ERR_NONE && count < most;) {
        count = count + 64 < most ? count + 64 : most;
        error = stock_take(space, stock, count);
        if (error == ERR_NONE && (error = thread_preemption_point()) != ERR_NONE) {
            stock_give_back(space, stock);
        }
    }
    return error;
}

static enum error take_missing(struct aspace *space, const struct mapping *m, uint64_t bytes,
                               struct table_stock *stock)
{
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    uint64_t missing = tables_missing(space->root, mapping_start(m), bytes, PAGE_SIZE);
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    return stock_take(space, stock, missing);
}

/* Lock the space, with the place that was asked for, or one that is found. */
static inline __attribute__((always_inline)) enum error take_place(struct aspace *space,
                                                                   struct map_plan *plan)
{
    struct mapping *m = plan->mapping;
    if (m->node.key == 0) {
        return place_find(space, m, &plan->below);
    }
    rw_lock_write_ranked(&space->lock, LOCK_ASPACE);
    bool is_free = place_is_free(space, m->node.key, m->bytes, &plan->below);
    if (LIKELY(is_free) && LIKELY(space->hurdles == 0)) {
        return ERR_NONE;
    }
    if (is_free && !space->closed) {
        place_forget(space, m->node.key, m->bytes);
        return ERR_NONE;
    }
    enum error error = space->closed ? ERR_DEAD : ERR_EXISTS;
    rw_unlock_write_ranked(&space->lock, LOCK_ASPACE);
    return error;
}

/* What a mapping to be populated takes more, before the space is locked or then. */
static __attribute__((noinline)) enum error take_for_populated(struct aspace *space, struct map_plan *plan,
                                                               uint64_t populated)
{
    enum error error = populated > COUNTED_BYTES
                           ? take_most(space, most_tables(plan->mapping, populated), &plan->tables)
                           : ERR_NONE;
    error = error == ERR_NONE ? take_place(space, plan) : error;
    if (error == ERR_NONE && populated <= COUNTED_BYTES) {
        error = take_missing(space, plan->mapping, populated, &plan->tables);
        if (error != ERR_NONE) {
            rw_unlock_write_ranked(&space->lock, LOCK_ASPACE);
        }
    }
    if (error != ERR_NONE) {
        stock_give_back(space, &plan->tables);
    }
    return error;
}

enum error aspace_map_prepare(struct aspace *space, const struct map_request *request, struct map_plan *plan)
{
    struct mapping *m;
    enum error error = mapping_make(space, &m);
    if (UNLIKELY(error != ERR_NONE)) {
        return error;
    }
    m->node.key = request->address;
    m->bytes = request->bytes;
    m->offset = request->offset;
    m->mode = request->mode | MAP_MODE_MAY(request->mode & MAP_MODE_ACCESS);
    m->memory = request->memory;
    plan->space = space;
    plan->mapping = m;
    plan->tables = (struct table_stock){0};
    uint64_t populated = populated_bytes(m);
    error = populated > 0 ? take_for_populated(space, plan, populated) : take_place(space, plan);
    if (UNLIKELY(error != ERR_NONE)) {
        mapping_free(space, m);
    }
    return error;
}

/* This run goes in: which huge leaves can it have? */
static void count_huge(uint64_t at, paddr_t physical, uint64_t bytes)
{
    uint64_t start = align_up(at, TABLES_HUGE), end = align_down(at + bytes, TABLES_HUGE);
    if (start < end && is_aligned(physical.value + (start - at), TABLES_HUGE)) {
        __atomic_fetch_add(&huge_given, (end - start) / TABLES_HUGE, __ATOMIC_RELAXED);
    }
}

/* Of a run of pages so much goes in at once: large leaves, or pages of one table. */
static uint64_t fill_piece(uint64_t at, paddr_t physical, uint64_t bytes, uint64_t leaf)
{
    uint64_t next = align_down(at, TABLES_LARGE) + TABLES_LARGE - at;
    if (leaf > PAGE_SIZE && is_aligned(at | physical.value, TABLES_LARGE) && bytes >= TABLES_LARGE) {
        return align_down(bytes, TABLES_LARGE);
    }
    return bytes < next ? bytes : next;
}

static uint64_t largest_leaf(const struct mapping *m)
{
    return (m->mode & MAP_MODE_SMALL) != 0  ? PAGE_SIZE
           : (m->mode & MAP_MODE_HUGE) != 0 ? TABLES_HUGE
                                            : TABLES_LARGE;
}

/* Leaves, at most of this size, that it takes to show so much memory in a row. */
static uint64_t leaves_for(uint64_t at, uint64_t physical, uint64_t bytes, uint64_t most)
{
    uint64_t leaves = 0;
    if (LIKELY(bytes < TABLES_LARGE)) {
        return bytes >> PAGE_SHIFT;
    }
    for (uint64_t end = at + bytes, offset = physical - at; at < end;) {
        uint64_t size = PAGE_SIZE, next = end;
        for (uint64_t larger = TABLES_LARGE; larger <= most && is_aligned(offset, larger);
             larger *= TABLES_HUGE / TABLES_LARGE) {
            if (!is_aligned(at, larger) || end - at < larger) {
                next = align_up(at + 1, larger) < end ? align_up(at + 1, larger) : end;
                break;
            }
            size = larger;
        }
        leaves += (next - at) / size;
        at += align_down(next - at, size);
    }
    return leaves;
}

/* Enter pages in a row from `done` on, at most up to `stop`, into tables where there is nothing yet; returns
 * how many bytes that were, or are to be passed. Both the object and the tables are locked; `enough`: there
 * are all tables that can be missing. */
static uint64_t fill_run(struct map_plan *plan, uint64_t done, uint64_t stop, uint64_t end, bool enough,
                         uint64_t *leaves)
{
    struct mapping *m = plan->mapping;
    struct aspace *space = plan->space;
    pfn_t frame;
    bool writable = true;
    uint64_t page = (m->offset + done) >> PAGE_SHIFT, at = mapping_start(m) + done;
    uint64_t run = memory_run(m->memory, page, (stop - done) >> PAGE_SHIFT, &frame, &writable);
    if (run == 0) {
        return memory_gap(m->memory, page, (end - done) >> PAGE_SHIFT) << PAGE_SHIFT;
    }
    uint64_t leaf = largest_leaf(m);
    paddr_t physical = pfn_to_paddr(frame);
    uint64_t bytes = fill_piece(at, physical, run << PAGE_SHIFT, leaf);
    unsigned flags = m->flags & ~(writable ? 0 : MAP_WRITE);
    bool large = leaf > PAGE_SIZE && is_aligned(at | physical.value | bytes, TABLES_LARGE);
    if (enough ||
        tables_missing(space->root, at, bytes, large ? TABLES_LARGE : PAGE_SIZE) <= plan->tables.count) {
        tables_map(space->root, at, physical, bytes, leaf, flags, &plan->tables);
        *leaves += leaves_for(at, physical.value, bytes, leaf);
        if (UNLIKELY(leaf == TABLES_HUGE) && tables_has_huge()) {
            count_huge(at, physical, bytes);
        }
    }
    return bytes;
}

/* How much is populated at once, from there on: a huge leaf, if there is one; and steps end where one could
 * begin. The object is locked. */
static uint64_t step_bytes(struct mapping *m, uint64_t done)
{
    pfn_t frame;
    bool writable;
    uint64_t at = mapping_start(m) + done, left = TABLES_HUGE - at % TABLES_HUGE;
    if (LIKELY((m->mode & MAP_MODE_HUGE) == 0) || !tables_has_huge()) {
        return FILL_BYTES;
    }
    uint64_t page = (m->offset + done) >> PAGE_SHIFT, pages = TABLES_HUGE >> PAGE_SHIFT;
    if (left == TABLES_HUGE && memory_run(m->memory, page, pages, &frame, &writable) == pages &&
        is_aligned(frame.value, pages)) {
        return TABLES_HUGE;
    }
    return left < FILL_BYTES ? left : FILL_BYTES;
}

/* Populate up to a step; returns where to go on: there, if that is veiled. The space is locked. */
static uint64_t fill_step(struct map_plan *plan, uint64_t done, uint64_t end)
{
    struct mapping *m = plan->mapping;
    spin_lock_ranked(&m->memory->lock, LOCK_MEMORY);
    uint64_t most = step_bytes(m, done), stop = end - done > most ? done + most : end;
    if (UNLIKELY(
            memory_is_veiled(m->memory, (m->offset + done) >> PAGE_SHIFT, (stop - done) >> PAGE_SHIFT))) {
        spin_unlock_ranked(&m->memory->lock, LOCK_MEMORY);
        return done;
    }
    spin_lock_ranked(&plan->space->tables_lock, LOCK_TABLES);
    /* Others that take pages of neighbours away can have taken a table away since it was counted. */
    bool enough = tables_missing(plan->space->root, mapping_start(m) + done, stop - done, PAGE_SIZE) <=
                  plan->tables.count;
    uint64_t leaves = 0;
    while (done < stop) {
        done += fill_run(plan, done, stop, end, enough, &leaves);
    }
    step_work(STEP_FILL, leaves);
    spin_unlock_ranked(&plan->space->tables_lock, LOCK_TABLES);
    spin_unlock_ranked(&m->memory->lock, LOCK_MEMORY);
    return done;
}

/* The space is locked, and still is on return, if it is not closed. */
static void populate(struct map_plan *plan, uint64_t bytes)
{
    struct aspace *space = plan->space;
    step_begin();
    mapping_note_shown(plan->mapping);
    uint64_t before = 0, done = fill_step(plan, 0, bytes);
    bool given_up = false;
    while (done < bytes && !space->closed && !given_up) {
        rw_unlock_write(&space->lock);
        enum error killed =
            done > before ? thread_preemption_point() : memory_await_sight(plan->mapping->memory);
        given_up = killed != ERR_NONE && done == before; /* else there is no harm in going on */
        rw_lock_write(&space->lock);
        before = done;
        if (!space->closed && !given_up) { /* else whoever closes it has the mapping */
            done = fill_step(plan, done, bytes);
        }
    }
    step_over();
}

uint64_t aspace_map_commit(struct map_plan *plan)
{
    struct aspace *space = plan->space;
    struct mapping *m = plan->mapping;
    uint64_t start = mapping_start(m), bytes = populated_bytes(m);
    if (UNLIKELY(bytes > 0)) {
        m->mode = (m->mode & ~MAP_MODE_POPULATE) | MAPPING_COMING;
    }
    if (m->memory != NULL) {
        memory_retain(m->memory);
    }
    mapping_insert(m, plan->below);
    space->last = m; /* it will be touched, or removed */
    if (UNLIKELY(bytes > 0)) {
        if (bytes >= TABLES_HUGE && (m->mode & MAP_MODE_HUGE) != 0) {
            __atomic_fetch_add(&huge_asked, bytes / TABLES_HUGE, __ATOMIC_RELAXED);
        }
        populate(plan, bytes);
        if (!space->closed) {
            m->mode &= ~MAPPING_COMING;
            mapping_derive_rights(m);
        }
    }
    if (LIKELY(!space->closed)) {
        mapping_merge(m);
    }
    rw_unlock_write_ranked(&space->lock, LOCK_ASPACE);
    if (UNLIKELY(plan->tables.count > 0)) {
        stock_give_back(space, &plan->tables);
    }
    return start;
}
