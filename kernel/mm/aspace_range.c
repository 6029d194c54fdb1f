/*
 * Cutting mappings at the ends of a range, and removing what is in one; see aspace.h.
 *
 * Removal goes in steps. First all mappings of the range are marked as going and their tables emptied; from
 * then on nothing is there for faults and for other calls, but their places are taken. Then all CPUs are
 * asked to forget the range, at once, whatever its size. Only then the records go. If the space is closed in
 * between, whoever closes it has the records.
 *
 * Nobody waits for the CPUs here. Until they have answered, the object keeps an afterimage of the view
 * (memory.h), so that no page of it goes to somebody else; tables are in quarantine; and the space knows of
 * the range, so that who maps something else there waits.
 */
#include "kernel/mm/aspace_parts.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

/* The mapping that an end of a range cuts, or NULL. */
static struct mapping *cut_by(const struct aspace *space, uint64_t address)
{
    struct mapping *m = mapping_of(avl_at_or_below(&space->mappings, address));
    bool cut = m != NULL && mapping_start(m) < address && mapping_end(m) > address && !mapping_is_busy(m);
    return cut ? m : NULL;
}

enum error range_take(struct range_plan *plan)
{
    struct aspace *space = plan->space;
    const uint64_t ends[2] = {plan->start, plan->end};
    uint64_t tables = 0;
    enum error error = ERR_NONE;
    for (unsigned i = 0; error == ERR_NONE && i < 2; i++) {
        const struct mapping *m = cut_by(space, ends[i]);
        if (m != NULL) {
            error = mapping_make(space, &plan->spare[i]);
        }
        if (m != NULL && m->memory != NULL) { /* no leaf reaches over the end of a mapping */
            spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
            tables += tables_split_cost(space->root, ends[i]);
            spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
        }
    }
    if (error == ERR_NONE) {
        error = stock_take(space, &plan->tables, tables);
    }
    if (error != ERR_NONE) {
        range_give_back(plan);
    }
    return error;
}

void range_cut(struct range_plan *plan)
{
    struct aspace *space = plan->space;
    const uint64_t ends[2] = {plan->start, plan->end};
    for (unsigned i = 0; i < 2; i++) {
        if (plan->spare[i] == NULL) {
            continue;
        }
        if (plan->tables.count > 0) {
            spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
            if (tables_split_cost(space->root, ends[i]) <= plan->tables.count) {
                tables_split(space->root, ends[i], &plan->tables);
            }
            spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
        }
        mapping_cut(cut_by(space, ends[i]), ends[i], plan->spare[i]);
        plan->spare[i] = NULL;
    }
}

void range_give_back(struct range_plan *plan)
{
    for (unsigned i = 0; i < 2; i++) {
        if (plan->spare[i] != NULL) {
            mapping_free(plan->space, plan->spare[i]);
            plan->spare[i] = NULL;
        }
    }
    stock_give_back(plan->space, &plan->tables);
}

/* --- removing --------------------------------------------------------------------------------------------
 */

/* The mapping that begins at the address, when the range is all of it and it is removed in one step. */
static inline struct mapping *whole_of(const struct aspace *space, uint64_t address, uint64_t bytes)
{
    struct mapping *m = mapping_at_or_below(space, address);
    bool whole = m != NULL && mapping_start(m) == address && (bytes == 0 || m->bytes == bytes);
    return whole && m->bytes - 1 < ASPACE_STEP_BYTES && !mapping_is_busy(m) ? m : NULL;
}

/* Any range. The space is locked; not on failure. */
static __attribute__((noinline)) enum error prepare_range(struct aspace *space, uint64_t address,
                                                          uint64_t bytes, struct range_plan *plan)
{
    enum error error = space->closed ? ERR_DEAD : ERR_NONE;
    if (error == ERR_NONE) {
        const struct mapping *m = mapping_from(space, address);
        bool begins = m != NULL && mapping_start(m) == address;
        bool found = bytes == 0 ? begins : m != NULL && mapping_start(m) < address + bytes;
        while (found && mapping_is_busy(m)) {
            m = mapping_from(space, mapping_end(m));
            found = bytes != 0 && m != NULL && mapping_start(m) < address + bytes;
        }
        error = found ? ERR_NONE : ERR_NOT_FOUND;
        *plan = (struct range_plan){.space = space, .start = address, .end = address + bytes};
        if (found && bytes == 0) {
            plan->end = mapping_end(m);
        }
    }
    if (error == ERR_NONE) {
        error = range_take(plan);
    }
    if (error != ERR_NONE) {
        rw_unlock_write(&space->lock);
    }
    return error;
}

enum error aspace_unmap_prepare(struct aspace *space, uint64_t address, uint64_t bytes,
                                struct range_plan *plan)
{
    rw_lock_write_ranked(&space->lock, LOCK_ASPACE);
    plan->space = space;
    plan->whole = whole_of(space, address, bytes); /* not in a space that is closed */
    return LIKELY(plan->whole != NULL) ? ERR_NONE : prepare_range(space, address, bytes, plan);
}

/* How far a removal has come. */
struct removal {
    uint64_t at, end;
    struct mapping *current;       /* whose tables are being emptied */
    struct mapping *first, **last; /* those that are going */
    struct table_gather gather;
    uint64_t request; /* to forget them */
};

/* The next mapping that is wholly in the range: others are new there, or being removed by others. */
static struct mapping *next_inside(const struct aspace *space, uint64_t at, uint64_t end)
{
    struct mapping *m = mapping_from(space, at);
    while (m != NULL && mapping_end(m) <= end && (mapping_start(m) < at || mapping_is_busy(m))) {
        m = mapping_of(avl_next(&m->node));
    }
    return m != NULL && mapping_end(m) <= end ? m : NULL;
}

static void mark(struct removal *r, struct mapping *m)
{
    m->mode |= MAPPING_GOING;
    m->access = 0;
    m->going = NULL;
    *r->last = m;
    r->last = &m->going;
    r->current = m;
    r->at = mapping_start(m);
}

/* A huge leaf is the one that reaches over where a large one could end. The space is locked for writing. */
static bool huge_reaches(struct aspace *space, uint64_t boundary)
{
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    bool reaches = tables_split_cost(space->root, boundary) > 0;
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    return reaches;
}

uint64_t mapping_step_end(const struct mapping *m, uint64_t at, uint64_t most)
{
    uint64_t end = align_down(at + most, TABLES_LARGE);
    if (UNLIKELY((m->mode & MAP_MODE_HUGE) != 0) && end < mapping_end(m) && huge_reaches(m->space, end)) {
        end = align_down(end, TABLES_HUGE) + TABLES_HUGE;
    }
    return end < mapping_end(m) && end > at ? end : mapping_end(m);
}

/* Mark and empty some; false when there is more. The space is locked for writing. */
static bool empty_some(struct aspace *space, struct removal *r)
{
    uint64_t left = ASPACE_STEP_BYTES;
    for (unsigned i = 0; i < ASPACE_STEP_MAPPINGS && left >= TABLES_LARGE; i++) {
        if (r->current == NULL) {
            struct mapping *m = next_inside(space, r->at, r->end);
            if (m == NULL) {
                return true;
            }
            mark(r, m);
        }
        const struct mapping *m = r->current;
        uint64_t end = mapping_end(m);
        if (m->memory != NULL) {
            end = mapping_step_end(m, r->at, left);
            spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
            uint64_t before = r->gather.leaves;
            tables_unmap(space->root, r->at, end - r->at, &r->gather);
            spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
            step_work(STEP_UNMAP, r->gather.leaves - before);
            left -= end - r->at < left ? end - r->at : left;
        }
        r->at = end;
        r->current = end < mapping_end(m) ? r->current : NULL;
    }
    return r->at >= r->end;
}

/* Ask all CPUs to forget what was in the range; 0: they have. Also what others have just taken out of it and
 * not flushed yet (aspace_protect.c): no leaf of that was left to be found. The space is locked. */
static uint64_t ask_to_forget(struct aspace *space, uint64_t start, uint64_t end, uint64_t leaves)
{
    bool others = __atomic_load_n(&space->unflushed, __ATOMIC_SEQ_CST) > 1;
    uint64_t request = leaves > 0 || others ? mapping_flush_later(space, start, end - start) : 0;
    if (UNLIKELY(request != 0)) {
        place_remembered(space, start, end, request);
    }
    return request;
}

/* Whoever takes memory away from another task goes on as if that could not reach it any more. */
static void wait_for_strangers(const struct aspace *space, uint64_t request)
{
    if (UNLIKELY(request != 0) && arch_this_cpu()->space != space) {
        tlb_wait_for(request);
    }
}

/* Take some records out; false when there is more. The space is locked for writing, and not on return. */
static bool remove_some(struct aspace *space, struct removal *r)
{
    struct mapping *gone = r->first, *m;
    for (unsigned i = 0; i < ASPACE_STEP_MAPPINGS && r->first != NULL; i++) {
        m = r->first;
        r->first = m->going;
        if (r->request != 0 && m->shown && m->memory != NULL) {
            memory_view_lingers(m->memory, r->request);
        }
        mapping_remove(m);
        step_work(STEP_RECORDS, 1);
    }
    rw_unlock_write(&space->lock);
    while (gone != r->first) {
        m = gone;
        gone = m->going;
        if (m->memory != NULL) {
            memory_release(m->memory);
        }
        mapping_free(space, m);
    }
    return r->first == NULL;
}

/* Let others run. False when the space was closed meanwhile. */
static bool breathe(struct aspace *space)
{
    enum error killed = thread_preemption_point();
    (void)killed; /* what has begun goes on to the end */
    rw_lock_write(&space->lock);
    if (space->closed) {
        rw_unlock_write(&space->lock);
        return false;
    }
    return true;
}

static __attribute__((noinline)) void remove_range(struct range_plan *plan)
{
    struct aspace *space = plan->space;
    struct removal r = {.at = plan->start, .end = plan->end};
    r.last = &r.first;
    step_begin();
    range_cut(plan);
    __atomic_fetch_add(&space->unflushed, 1, __ATOMIC_SEQ_CST);
    bool open = true;
    while (open && !empty_some(space, &r)) {
        rw_unlock_write(&space->lock);
        open = breathe(space);
    }
    if (open) { /* else no CPU has it loaded when the records go */
        r.request = ask_to_forget(space, plan->start, plan->end, r.gather.leaves);
    } else if (r.gather.leaves > 0) {
        tlb_flush_later(&space->tlb, plan->start, plan->end - plan->start);
    }
    __atomic_fetch_sub(&space->unflushed, 1, __ATOMIC_RELEASE);
    gather_retire(space, &r.gather);
    while (open && !remove_some(space, &r)) {
        open = breathe(space);
    }
    range_give_back(plan);
    wait_for_strangers(space, r.request);
    step_over();
}

/* Take the record out, and give it back. The space is locked for writing, and not on return. */
static inline void remove_record(struct aspace *space, struct mapping *m)
{
    struct memory *memory = m->memory;
    mapping_remove(m);
    rw_unlock_write_ranked(&space->lock, LOCK_ASPACE);
    if (LIKELY(memory != NULL)) {
        memory_release(memory);
    }
    mapping_free(space, m);
}

/* At once, where leaves may be in the tables: nobody sees anything of it half done. */
static __attribute__((noinline)) void remove_shown(struct aspace *space, struct mapping *m)
{
    struct table_gather gather = {0};
    step_begin();
    __atomic_fetch_add(&space->unflushed, 1, __ATOMIC_SEQ_CST);
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    tables_unmap(space->root, mapping_start(m), m->bytes, &gather);
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    uint64_t request = ask_to_forget(space, mapping_start(m), mapping_end(m), gather.leaves);
    if (gather.leaves > 0) {
        step_work(STEP_UNMAP, gather.leaves);
        step_over();
    }
    if (UNLIKELY(request != 0)) {
        memory_view_lingers(m->memory, request);
    }
    __atomic_fetch_sub(&space->unflushed, 1, __ATOMIC_RELEASE);
    if (UNLIKELY(gather.tables > 0)) {
        gather_retire(space, &gather);
    }
    remove_record(space, m);
    wait_for_strangers(space, request);
}

static void remove_whole(struct aspace *space, struct mapping *m)
{
    if (m->shown) {
        remove_shown(space, m);
    } else {
        remove_record(space, m);
    }
}

void aspace_unmap_commit(struct range_plan *plan)
{
    if (LIKELY(plan->whole != NULL)) {
        remove_whole(plan->space, plan->whole);
    } else {
        remove_range(plan);
    }
}
