/*
 * Changing what may be done in a range; see aspace.h.
 */
#include "kernel/mm/aspace_parts.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

/* Is what follows from `*at` on mapped, with modes that allow the access? Looks at some mappings, and moves
 * on. */
static enum error check_some(struct range_plan *plan, uint64_t *at)
{
    struct aspace *space = plan->space;
    const struct mapping *m = mapping_from(space, *at);
    for (unsigned i = 0; i < ASPACE_STEP_MAPPINGS && *at < plan->end; i++) {
        if (m == NULL || mapping_start(m) > *at || m->memory == NULL || mapping_is_busy(m)) {
            return ERR_NOT_FOUND;
        }
        if ((plan->access & ~(m->mode >> MAP_MAY_SHIFT)) != 0) {
            return ERR_NO_RIGHT;
        }
        *at = mapping_end(m);
        if (*at < plan->end) {
            m = mapping_of(avl_next(&((struct mapping *)(uintptr_t)m)->node));
        }
    }
    return ERR_NONE;
}

/* Lock the space if the range is all of a mapping that is changed in one step, and may be. */
static inline struct mapping *lock_whole(struct aspace *space, uint64_t address, uint64_t bytes,
                                         uint32_t access)
{
    rw_lock_write_ranked(&space->lock, LOCK_ASPACE);
    struct mapping *m = mapping_at_or_below(space, address);
    if (LIKELY(m != NULL) && LIKELY(mapping_start(m) == address) && LIKELY(m->bytes == bytes) &&
        bytes <= ASPACE_STEP_BYTES && m->memory != NULL && !mapping_is_busy(m) &&
        (access & ~(m->mode >> MAP_MAY_SHIFT)) == 0) {
        return m; /* not in a space that is closed */
    }
    rw_unlock_write_ranked(&space->lock, LOCK_ASPACE);
    return NULL;
}

static __attribute__((noinline)) enum error prepare_range(struct aspace *space, uint64_t address,
                                                          uint64_t bytes, uint32_t access,
                                                          struct range_plan *plan)
{
    uint64_t at = address;
    *plan = (struct range_plan){.space = space, .start = address, .end = address + bytes, .access = access};
    for (;;) {
        rw_lock_write(&space->lock);
        enum error error = space->closed ? ERR_DEAD : check_some(plan, &at);
        if (error == ERR_NONE && at >= plan->end) {
            error = range_take(plan);
            if (error == ERR_NONE) {
                return ERR_NONE;
            }
        }
        rw_unlock_write(&space->lock);
        if (error == ERR_NONE) {
            error = thread_preemption_point();
        }
        if (error != ERR_NONE) {
            return error;
        }
    }
}

enum error aspace_protect_prepare(struct aspace *space, uint64_t address, uint64_t bytes, uint32_t access,
                                  struct range_plan *plan)
{
    plan->space = space;
    plan->access = access;
    plan->whole = lock_whole(space, address, bytes, access);
    return LIKELY(plan->whole != NULL) ? ERR_NONE : prepare_range(space, address, bytes, access, plan);
}

/* The mapping to go on with: one that begins below was begun in the step before, or is none of ours. */
static struct mapping *next_to_change(const struct range_plan *plan, uint64_t at)
{
    struct mapping *m = mapping_from(plan->space, at);
    while (m != NULL && mapping_start(m) < plan->end) {
        bool begun = mapping_start(m) < at && (m->mode & MAP_MODE_ACCESS) == plan->access;
        bool inside = mapping_start(m) >= at && mapping_end(m) <= plan->end;
        if ((begun || inside) && m->memory != NULL && !mapping_is_busy(m)) {
            return m;
        }
        m = mapping_of(avl_next(&m->node));
    }
    return NULL;
}

/* Change some, from `*at` on; false when there is more. The space is locked for writing. */
static bool change_some(struct range_plan *plan, uint64_t *at, struct table_gather *gather)
{
    struct aspace *space = plan->space;
    uint64_t left = ASPACE_STEP_BYTES;
    for (unsigned i = 0; i < ASPACE_STEP_MAPPINGS && left >= TABLES_LARGE; i++) {
        struct mapping *m = next_to_change(plan, *at);
        if (m == NULL) {
            return true;
        }
        uint64_t start = mapping_start(m) > *at ? mapping_start(m) : *at;
        uint64_t end = mapping_step_end(m, start, left);
        end = end < plan->end ? end : plan->end;
        m->mode = (m->mode & ~MAP_MODE_ACCESS) | plan->access;
        mapping_derive_rights(m);
        spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
        uint64_t before = gather->leaves;
        tables_protect(space->root, start, end - start, m->flags, gather);
        spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
        step_work(STEP_RIGHTS, gather->leaves - before);
        left -= end - start < left ? end - start : left;
        *at = end;
        if (end >= mapping_end(m)) {
            struct mapping *previous = mapping_of(avl_previous(&m->node));
            if (previous != NULL && mapping_end(previous) == mapping_start(m)) {
                mapping_merge_next(previous);
            }
        }
    }
    return *at >= plan->end;
}

/* What ends where the range does may now go on as what follows. */
static void merge_end(const struct range_plan *plan)
{
    struct mapping *m = mapping_of(avl_at_or_below(&plan->space->mappings, plan->end - 1));
    if (m != NULL && mapping_end(m) == plan->end) {
        mapping_merge_next(m);
    }
}

static __attribute__((noinline)) void change_range(struct range_plan *plan)
{
    struct aspace *space = plan->space;
    struct table_gather gather = {0};
    uint64_t at = plan->start;
    step_begin();
    range_cut(plan);
    __atomic_fetch_add(&space->unflushed, 1, __ATOMIC_SEQ_CST);
    while (!space->closed && !change_some(plan, &at, &gather)) {
        rw_unlock_write(&space->lock);
        enum error killed = thread_preemption_point();
        (void)killed; /* what has begun goes on to the end */
        rw_lock_write(&space->lock);
    }
    if (!space->closed) {
        merge_end(plan);
    }
    rw_unlock_write(&space->lock);
    if (gather.leaves > 0) {
        tlb_flush(&space->tlb, plan->start, plan->end - plan->start);
    }
    __atomic_fetch_sub(&space->unflushed, 1, __ATOMIC_RELEASE);
    gather_retire(space, &gather);
    range_give_back(plan);
    step_over();
}

/* At once. */
static void change_whole(struct aspace *space, struct mapping *m, uint32_t access)
{
    struct table_gather gather = {0};
    uint64_t start = mapping_start(m), bytes = m->bytes;
    m->mode = (m->mode & ~MAP_MODE_ACCESS) | access;
    mapping_derive_rights(m);
    __atomic_fetch_add(&space->unflushed, 1, __ATOMIC_SEQ_CST);
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    tables_protect(space->root, start, bytes, m->flags, &gather);
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    mapping_merge(m);
    rw_unlock_write_ranked(&space->lock, LOCK_ASPACE);
    if (gather.leaves > 0) {
        step_begin();
        step_work(STEP_RIGHTS, gather.leaves);
        mapping_flush(space, start, bytes);
    }
    __atomic_fetch_sub(&space->unflushed, 1, __ATOMIC_RELEASE);
    if (UNLIKELY(gather.tables > 0)) {
        gather_retire(space, &gather);
    }
}

void aspace_protect_commit(struct range_plan *plan)
{
    if (LIKELY(plan->whole != NULL)) {
        change_whole(plan->space, plan->whole, plan->access);
    } else {
        change_range(plan);
    }
}
