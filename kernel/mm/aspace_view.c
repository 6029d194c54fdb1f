/*
 * From an object back to the tables that show it; see memory.h. All that is called here holds the object's
 * lock, so the mapping stays what it is.
 */
#include "kernel/mm/aspace_parts.h"

/* Where pages of the view are in the space. */
static uint64_t address_of(const struct mapping *m, uint64_t page)
{
    return mapping_start(m) + ((page - m->view.first) << PAGE_SHIFT);
}

static struct mapping *mapping_of_view(struct memory_view *view)
{
    return LIST_ENTRY(view, struct mapping, view);
}

/* Make the range as large as the large leaves that its ends cut: nothing can be split here. */
static void widen(const struct aspace *space, uint64_t *start, uint64_t *end)
{
    for (uint64_t size = TABLES_LARGE; size <= TABLES_HUGE; size *= TABLES_HUGE / TABLES_LARGE) {
        if (tables_split_cost(space->root, *start) > 0) {
            *start = align_down(*start, size);
        }
        if (tables_split_cost(space->root, *end) > 0) {
            *end = align_up(*end, size);
        }
    }
}

static uint64_t view_hide(struct memory_view *view, uint64_t first, uint64_t count)
{
    struct mapping *m = mapping_of_view(view);
    struct aspace *space = m->space;
    struct table_gather gather = {0};
    uint64_t start = address_of(m, first), end = start + (count << PAGE_SHIFT), asked = end - start;
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    widen(space, &start, &end);
    tables_unmap(space->root, start, end - start, &gather);
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    if (gather.tables > 0 || (gather.leaves > 0 && end - start > asked)) {
        tlb_flush_later(&space->tlb, start, end - start);
        gather_retire(space, &gather);
    } else if (gather.leaves > 0) {
        m->stale = true;
    }
    return gather.leaves;
}

static uint64_t view_restrict(struct memory_view *view, uint64_t first, uint64_t count)
{
    struct mapping *m = mapping_of_view(view);
    struct aspace *space = m->space;
    struct table_gather gather = {0};
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    tables_restrict(space->root, address_of(m, first), count << PAGE_SHIFT, &gather);
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    m->stale |= gather.leaves > 0;
    return gather.leaves;
}

/* Faults flush before they let go of the object, so there is nothing else that may be remembered, but what a
 * call in the space has changed and not flushed yet. */
static void view_flush(struct memory_view *view, uint64_t first, uint64_t count)
{
    struct mapping *m = mapping_of_view(view);
    if (m->stale || __atomic_load_n(&m->space->unflushed, __ATOMIC_ACQUIRE) != 0) {
        tlb_flush_later(&m->space->tlb, address_of(m, first), count << PAGE_SHIFT);
        m->stale = false;
    }
}

static void view_wait(struct memory_view *view)
{
    tlb_wait(&mapping_of_view(view)->space->tlb);
}

const struct memory_view_kind aspace_view_kind = {view_hide, view_restrict, view_flush, view_wait};
