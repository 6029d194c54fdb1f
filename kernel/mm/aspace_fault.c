/*
 * Page faults; see aspace.h. The way that most take is written down straight: the mapping of the fault
 * before, the page from the object, the leaf into the tables. What is seldom is apart.
 */
#include "kernel/mm/aspace_parts.h"
#include "kernel/sched/thread.h"

/* Not inlined, out of the way of what is frequent. */
#define ASIDE __attribute__((noinline, cold))

/* Atomic. */
static uint64_t large_asked, large_given;

void aspace_large_count(struct large_figures *out)
{
    out->asked = __atomic_load_n(&large_asked, __ATOMIC_RELAXED);
    out->given = __atomic_load_n(&large_given, __ATOMIC_RELAXED);
    memory_count_changes(&out->promoted, &out->demoted);
    aspace_huge_count(&out->huge_asked, &out->huge_given);
}

/* --- stacks ----------------------------------------------------------------------------------------------
 */

/* The mapping above the address that would grow down to it, if it may. */
static struct mapping *grows_to(const struct aspace *space, uint64_t address)
{
    struct mapping *m = mapping_of(avl_at_or_above(&space->mappings, address));
    bool near = m != NULL && (m->mode & MAP_MODE_GROWS) != 0 && !mapping_is_busy(m) &&
                mapping_start(m) - address <= GROW_REACH;
    return near ? m : NULL;
}

/* Make it longer down to the page, if the object has pages for that and what is below is far enough. */
static bool grow(struct mapping *m, uint64_t page)
{
    uint64_t more = mapping_start(m) - page;
    if (more == 0 || m->offset < more || page < USER_LOWEST + GROW_GUARD ||
        !place_is_free(m->space, page - GROW_GUARD, more + GROW_GUARD)) {
        return false;
    }
    spin_lock(&m->memory->lock);
    m->node.key = page;
    m->bytes += more;
    m->offset -= more;
    mapping_derive(m);
    spin_unlock(&m->memory->lock);
    m->space->mapped_bytes += more;
    return true;
}

/* Nothing is there. The space is locked for reading; not on return. True: look again. */
static ASIDE bool grow_below(struct aspace *space, uint64_t address)
{
    bool near = grows_to(space, address) != NULL;
    rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
    if (!near) {
        return false;
    }
    rw_lock_write(&space->lock);
    struct mapping *m = space->closed ? NULL : mapping_from(space, address);
    bool done = m != NULL && mapping_has(m, address); /* somebody else was quicker */
    if (!done && m != NULL && (m = grows_to(space, address)) != NULL) {
        done = grow(m, align_down(address, PAGE_SIZE));
    }
    rw_unlock_write(&space->lock);
    return done;
}

/* --- what is seldom --------------------------------------------------------------------------------------
 */

/* The mapping of the address, for the hint; NULL when there is none. The space is locked. */
static ASIDE struct mapping *find(struct aspace *space, uint64_t address)
{
    struct mapping *m = mapping_of(avl_at_or_below(&space->mappings, address));
    if (m == NULL || !mapping_has(m, address)) {
        return NULL;
    }
    __atomic_store_n(&space->last, m, __ATOMIC_RELAXED);
    return m;
}

/* The mapping does not allow it. The space is locked for reading; not on return. */
static ASIDE enum error refuse(struct aspace *space, const struct mapping *m)
{
    bool none = m->memory == NULL || mapping_is_busy(m);
    rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
    return none ? ERR_BAD_ADDRESS : ERR_NO_RIGHT;
}

/* The object has not given the page. The space is locked for reading; not on return. ERR_NONE: try again. */
static ASIDE enum error failed(struct aspace *space, struct memory *memory, uint64_t page, bool large,
                               enum error error)
{
    if (error != ERR_NOT_READY) {
        rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
        return error == ERR_BAD_ARGUMENT ? ERR_BAD_ADDRESS : error;
    }
    memory_retain(memory);
    rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
    error = memory_fault_slowly(memory, page, large);
    memory_release(memory);
    return error == ERR_BAD_ARGUMENT ? ERR_BAD_ADDRESS : error;
}

/* Tables are missing: take them, with the locks held that the fault holds. */
static ASIDE enum error take_tables(struct aspace *space, struct table_stock *stock, uint64_t missing)
{
    return stock_take(space, stock, missing);
}

/* A physical object may be shown in huge leaves, where all fits. */
static ASIDE bool fits_huge(const struct mapping *m, uint64_t address, const struct memory_page *found)
{
    uint64_t start = align_down(address, TABLES_HUGE), offset = start - mapping_start(m) + m->offset;
    uint64_t first = m->memory->first.value << PAGE_SHIFT;
    return m->memory->kind == MEMORY_PHYSICAL && tables_has_huge() && start >= mapping_start(m) &&
           start + TABLES_HUGE <= mapping_end(m) && is_aligned(first + offset, TABLES_HUGE) &&
           found->frame.value != 0 && offset + TABLES_HUGE <= m->memory->pages.value << PAGE_SHIFT;
}

/* The leaf could not be entered, so nothing is to be there: what was may be another page. */
static ASIDE void hide_old(struct mapping *m, uint64_t address)
{
    uint64_t page = (address - mapping_start(m) + m->offset) >> PAGE_SHIFT;
    m->view.kind->hide(&m->view, page, 1);
    m->view.kind->flush(&m->view, page, 1);
}

/* 512 pages are there in a row: make one large page of them, perhaps. */
static ASIDE void promote(struct aspace *space, struct memory *memory, uint64_t page, bool copy)
{
    memory_retain(memory);
    rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
    (void)memory_promote(memory, page, copy);
    memory_release(memory);
}

/* --- the fault -------------------------------------------------------------------------------------------
 */

/* A leaf, as it is to be entered. */
struct leaf {
    uint64_t at, size;
    paddr_t physical;
    unsigned flags;
};

static inline struct leaf leaf_for(const struct mapping *m, uint64_t address, const struct memory_page *found)
{
    struct leaf leaf = {.at = align_down(address, PAGE_SIZE), .size = PAGE_SIZE};
    leaf.physical = pfn_to_paddr(found->frame);
    leaf.flags = mapping_flags(m) & ~(found->writable ? 0 : MAP_WRITE);
    if (UNLIKELY(found->large)) {
        leaf.size = TABLES_LARGE;
        leaf.at = align_down(address, TABLES_LARGE);
    }
    if (UNLIKELY((m->mode & MAP_MODE_HUGE) != 0) && fits_huge(m, address, found)) {
        leaf.size = TABLES_HUGE;
        leaf.at = align_down(address, TABLES_HUGE);
        leaf.physical =
            paddr((m->memory->first.value << PAGE_SHIFT) + leaf.at - mapping_start(m) + m->offset);
    }
    return leaf;
}

/* Put the leaf in. The object is locked, and stays so until the CPUs have forgotten what was there before. */
static inline enum error enter(struct aspace *space, const struct leaf *leaf)
{
    struct table_stock stock = {0};
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    uint64_t missing = tables_missing(space->root, leaf->at, leaf->size, leaf->size);
    enum error error = LIKELY(missing == 0) ? ERR_NONE : take_tables(space, &stock, missing);
    bool replaced = LIKELY(error == ERR_NONE) &&
                    tables_enter(space->root, leaf->at, leaf->physical, leaf->size, leaf->flags, &stock);
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    if (UNLIKELY(stock.count > 0)) {
        stock_give_back(space, &stock);
    }
    if (UNLIKELY(replaced)) {
        tlb_flush(&space->tlb, leaf->at, leaf->size);
    }
    return error;
}

/* Once. ERR_NOT_READY: again. */
static inline enum error fault_once(struct aspace *space, uint64_t address, uint32_t access)
{
    rw_lock_read_ranked(&space->lock, LOCK_ASPACE);
    struct mapping *m = __atomic_load_n(&space->last, __ATOMIC_RELAXED);
    if ((UNLIKELY(m == NULL) || UNLIKELY(!mapping_has(m, address))) && (m = find(space, address)) == NULL) {
        return grow_below(space, address) ? ERR_NOT_READY : ERR_BAD_ADDRESS;
    }
    if (UNLIKELY((access & ~m->access) != 0)) {
        return refuse(space, m);
    }
    struct memory *memory = m->memory;
    uint64_t page = (address - mapping_start(m) + m->offset) >> PAGE_SHIFT;
    bool large = address - m->large_start < m->large_bytes;
    struct memory_page found;
    enum error error = memory_fault(memory, page, access == ACCESS_WRITE, large, &found);
    if (UNLIKELY(error != ERR_NONE)) {
        error = failed(space, memory, page, large, error);
        return error == ERR_NONE ? ERR_NOT_READY : error;
    }
    struct leaf leaf = leaf_for(m, address, &found);
    error = enter(space, &leaf);
    if (UNLIKELY(error != ERR_NONE)) {
        hide_old(m, address);
    }
    memory_fault_unlock(memory);
    memory_page_drop(&found);
    if (large) {
        __atomic_fetch_add(&large_asked, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&large_given, found.large, __ATOMIC_RELAXED);
    }
    if (UNLIKELY(found.full) && large) {
        promote(space, memory, page, (m->mode & MAP_MODE_LARGE) != 0);
        return error;
    }
    rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
    return error;
}

enum error aspace_fault(struct aspace *space, uint64_t address, uint32_t access)
{
    enum error error;
    do {
        error = fault_once(space, address, access);
    } while (UNLIKELY(error == ERR_NOT_READY));
    return error;
}
