/*
 * Page faults; see aspace.h. The way that most take is written down straight, in fault_once: the mapping of
 * the fault before, a new page from the object, its leaf into a table that is there. All others are apart.
 */
#include "kernel/mm/aspace_parts.h"
#include "kernel/mm/memory_touch.h"
#include "kernel/sched/thread.h"

/* Not inlined, out of the way of what is frequent. */
#define ASIDE __attribute__((noinline, cold))

/* Atomic. */
static uint64_t large_given, large_refused, huge_asked, huge_given;

void aspace_large_count(struct large_figures *out)
{
    out->given = __atomic_load_n(&large_given, __ATOMIC_RELAXED);
    out->asked = out->given + __atomic_load_n(&large_refused, __ATOMIC_RELAXED);
    aspace_huge_count(&out->huge_asked, &out->huge_given); /* by populating */
    out->huge_asked += __atomic_load_n(&huge_asked, __ATOMIC_RELAXED);
    out->huge_given += __atomic_load_n(&huge_given, __ATOMIC_RELAXED);
    memory_count_changes(&out->promoted, &out->demoted);
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
    struct mapping *below;
    if (more == 0 || m->offset < more || page < USER_LOWEST + GROW_GUARD ||
        !place_is_free(m->space, page - GROW_GUARD, more + GROW_GUARD, &below)) {
        return false;
    }
    place_forget(m->space, page, more);
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

/* The object has not given the page. The space is locked for reading; not on return. ERR_NOT_READY: again. */
static ASIDE enum error failed(struct aspace *space, struct memory *memory, uint64_t page,
                               const struct memory_page *found, enum error error)
{
    if (error == ERR_NOT_READY) {
        memory_retain(memory);
        rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
        error = memory_await(memory, page, found);
        memory_release(memory);
        error = error == ERR_NONE ? ERR_NOT_READY : error;
    } else {
        rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
    }
    return error == ERR_BAD_ARGUMENT ? ERR_BAD_ADDRESS : error;
}

/* A physical object may be shown in huge leaves, where all fits. */
static ASIDE bool fits_huge(const struct mapping *m, uint64_t address, const struct memory_page *found)
{
    uint64_t start = align_down(address, TABLES_HUGE), offset = start - mapping_start(m) + m->offset;
    uint64_t first = m->memory->first.value << PAGE_SHIFT;
    bool fits = m->memory->kind == MEMORY_PHYSICAL && tables_has_huge() && start >= mapping_start(m) &&
                start + TABLES_HUGE <= mapping_end(m) && is_aligned(first + offset, TABLES_HUGE) &&
                found->frame.value != 0 && offset + TABLES_HUGE <= m->memory->pages.value << PAGE_SHIFT;
    __atomic_fetch_add(&huge_asked, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&huge_given, fits, __ATOMIC_RELAXED);
    return fits;
}

/* The leaf could not be entered, so nothing is to be there: what was may be another page. */
static ASIDE void hide_old(struct mapping *m, uint64_t address)
{
    uint64_t page = mapping_page(m, address);
    m->view.kind->hide(&m->view, page, 1);
    m->view.kind->flush(&m->view, page, 1);
    m->view.kind->wait(&m->view);
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

static struct leaf leaf_for(const struct mapping *m, uint64_t address, const struct memory_page *found)
{
    struct leaf leaf = {.at = align_down(address, PAGE_SIZE), .size = PAGE_SIZE};
    leaf.physical = pfn_to_paddr(found->frame);
    leaf.flags = m->flags & ~(found->writable ? 0 : MAP_WRITE);
    if (found->large) {
        leaf.size = TABLES_LARGE;
        leaf.at = align_down(address, TABLES_LARGE);
    }
    if ((m->mode & MAP_MODE_HUGE) != 0 && fits_huge(m, address, found)) {
        leaf.size = TABLES_HUGE;
        leaf.at = align_down(address, TABLES_HUGE);
        leaf.physical =
            paddr((m->memory->first.value << PAGE_SHIFT) + leaf.at - mapping_start(m) + m->offset);
    }
    return leaf;
}

/* Put the leaf in. The object is locked, and stays so until the CPUs have forgotten what was there before. */
static enum error enter(struct aspace *space, const struct leaf *leaf)
{
    struct table_stock stock = {0};
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    uint64_t missing = tables_missing(space->root, leaf->at, leaf->size, leaf->size);
    enum error error = LIKELY(missing == 0) ? ERR_NONE : stock_take(space, &stock, missing);
    bool replaced = LIKELY(error == ERR_NONE) &&
                    tables_enter(space->root, leaf->at, leaf->physical, leaf->size, leaf->flags, &stock);
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    if (UNLIKELY(stock.count > 0)) {
        stock_give_back(space, &stock);
    }
    if (replaced) {
        tlb_flush(&space->tlb, leaf->at, leaf->size);
    }
    return error;
}

static void count_large(const struct memory_page *found)
{
    __atomic_fetch_add(found->large ? &large_given : &large_refused, 1, __ATOMIC_RELAXED);
}

/* The object has found its page, and is locked: to the tables with it, and unlock. */
static enum error show(struct aspace *space, struct mapping *m, uint64_t address, bool large,
                       const struct memory_page *found)
{
    struct memory *memory = m->memory;
    struct leaf leaf = leaf_for(m, address, found);
    mapping_note_shown(m);
    enum error error = enter(space, &leaf);
    if (UNLIKELY(error != ERR_NONE)) {
        hide_old(m, address);
    }
    memory_fault_unlock(memory);
    memory_page_drop(found);
    if (large) {
        count_large(found);
    }
    if (UNLIKELY(found->full) && large) {
        promote(space, memory, mapping_page(m, address), (m->mode & MAP_MODE_LARGE) != 0);
        return error;
    }
    rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
    return error;
}

/* The locks of a fault, at once. */
static inline void unlock_all(struct aspace *space, struct memory *memory)
{
    uint64_t all = (uint64_t)1 << LOCK_TABLES | (uint64_t)1 << LOCK_MEMORY | (uint64_t)1 << LOCK_ASPACE;
    uint64_t held = arch_locks_held() & ~all;
    if (UNLIKELY((int64_t)held < 0)) { /* lock=debug */
        spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
        memory_fault_unlock(memory);
        rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
        return;
    }
    arch_set_locks_held(held);
    spin_let_go(&space->tables_lock);
    spin_let_go(&memory->lock);
    rw_let_go_read(&space->lock);
}

/* A copy that does not just take the place of one leaf. The tables are locked. */
static ASIDE enum error show_copy(struct aspace *space, struct mapping *m, uint64_t address, pfn_t copy,
                                  pfn_t old)
{
    const struct memory_page found = {.frame = copy, .writable = true, .dropped = true, .old = old};
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    return show(space, m, address, false, &found);
}

/*
 * A write to a page that is shared: nearly always its copy takes the place of one leaf. The space is locked
 * for reading; not on return, but for ERR_NOT_READY: then nothing has changed.
 */
static inline enum error copy_shared(struct aspace *space, struct mapping *m, uint64_t address)
{
    pfn_t copy, old;
    struct memory *memory = m->memory;
    if (!memory_unshare(memory, mapping_page(m, address), &copy, &old)) {
        return ERR_NOT_READY;
    }
    mapping_note_shown(m);
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    if (UNLIKELY(!tables_replace(space->root, address, pfn_to_paddr(copy), m->flags))) {
        return show_copy(space, m, address, copy, old);
    }
    tlb_flush_page(&space->tlb, align_down(address, PAGE_SIZE));
    unlock_all(space, memory);
    if (UNLIKELY(frame_drop(old))) {
        frame_release(old, 0);
    }
    return ERR_NONE;
}

/* Any page of the mapping. The space is locked for reading; not on return. ERR_NOT_READY: again. */
static __attribute__((noinline)) enum error bring(struct aspace *space, struct mapping *m, uint64_t address,
                                                  uint32_t access)
{
    struct memory_page found;
    uint64_t page = mapping_page(m, address);
    bool large = mapping_large(m, address);
    enum error error = memory_fault(m->memory, page, access == ACCESS_WRITE, large, &found);
    if (UNLIKELY(error != ERR_NONE)) {
        return failed(space, m->memory, page, &found, error);
    }
    return show(space, m, address, large, &found);
}

/* Any page, alone. As bring. */
static ASIDE enum error bring_single(struct aspace *space, struct mapping *m, uint64_t address,
                                     uint32_t access)
{
    struct memory_page found;
    uint64_t page = mapping_page(m, address);
    enum error error = memory_fault(m->memory, page, access == ACCESS_WRITE, false, &found);
    return error == ERR_NONE ? show(space, m, address, false, &found)
                             : failed(space, m->memory, page, &found, error);
}

/* A block that is not needed here any more. As bring. */
static ASIDE enum error drop_block(struct aspace *space, pfn_t block)
{
    rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
    frame_release(block, BLOCK_ORDER);
    return ERR_NOT_READY;
}

/* memory_touch_block, or what it leaves to others. ERR_NONE: the object is locked, and has the block. Else as
 * bring. */
static ASIDE enum error put_slowly(struct aspace *space, struct mapping *m, pfn_t block, uint64_t address,
                                   uint32_t access)
{
    enum error error = memory_put_block(m->memory, mapping_page(m, address), block);
    if (error == ERR_EXISTS) {
        rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
        return ERR_NOT_READY;
    }
    if (error != ERR_NONE) {
        return bring_single(space, m, address, access);
    }
    const struct memory_page found = {.frame = block, .writable = true, .large = true};
    return show(space, m, address, true, &found);
}

/* A block that was put, where its leaf needs tables. The tables are locked; as bring. */
static ASIDE enum error show_put(struct aspace *space, struct mapping *m, pfn_t block, uint64_t address)
{
    const struct memory_page found = {.frame = block, .writable = true, .large = true};
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    return show(space, m, address, true, &found);
}

/* Put the block, which was made for an object of this account, into the one that is shown here now, and show
 * it. It is given away. As bring, but the space is not locked before either. */
static inline enum error show_block(struct aspace *space, pfn_t block, uint32_t account, uint64_t address,
                                    uint32_t access)
{
    rw_lock_read_ranked(&space->lock, LOCK_ASPACE);
    struct mapping *m = __atomic_load_n(&space->last, __ATOMIC_RELAXED);
    if ((UNLIKELY(!mapping_has(m, address)) && (m = find(space, address)) == NULL) ||
        UNLIKELY((access & ~m->access) != 0) || UNLIKELY(!mapping_large(m, address)) ||
        UNLIKELY(m->memory->object.account->number != account)) {
        return drop_block(space, block);
    }
    struct memory *memory = m->memory;
    if (UNLIKELY(!memory_touch_block(memory, mapping_page(m, address), block))) {
        return put_slowly(space, m, block, address, access);
    }
    mapping_note_shown(m);
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    if (UNLIKELY(!tables_enter_new_large(space->root, align_down(address, TABLES_LARGE), pfn_to_paddr(block),
                                         m->flags))) {
        return show_put(space, m, block, address);
    }
    unlock_all(space, memory);
    __atomic_fetch_add(&large_given, 1, __ATOMIC_RELAXED);
    return ERR_NONE;
}

/* Where a large page can be. As bring; no lock is held while a block is cleared, and what is here then need
 * not be what was: it is looked at again. */
static __attribute__((noinline)) enum error touch_large(struct aspace *space, struct mapping *m,
                                                        uint64_t address, uint32_t access)
{
    pfn_t block;
    uint32_t account = m->memory->object.account->number;
    if (UNLIKELY(!memory_wants_block(m->memory, mapping_page(m, address)))) {
        return bring(space, m, address, access);
    }
    rw_unlock_read_ranked(&space->lock, LOCK_ASPACE);
    enum error error = memory_make_block(account, &block);
    if (UNLIKELY(error != ERR_NONE)) { /* without memory none is wanted now: a single page will do */
        return error == ERR_NO_MEMORY ? ERR_NOT_READY : error;
    }
    return show_block(space, block, account, address, access);
}

/* To be written: as bring. */
static __attribute__((noinline)) enum error write(struct aspace *space, struct mapping *m, uint64_t address)
{
    enum error error = copy_shared(space, m, address);
    return LIKELY(error != ERR_NOT_READY) ? error : bring(space, m, address, ACCESS_WRITE);
}

/* A page that was touched before, but whose table is missing, or where something else is. As bring. */
static ASIDE enum error show_touched(struct aspace *space, struct mapping *m, uint64_t address, pfn_t frame)
{
    const struct memory_page found = {.frame = frame, .writable = true};
    spin_unlock_ranked(&space->tables_lock, LOCK_TABLES);
    return show(space, m, address, false, &found);
}

/* Once. ERR_NOT_READY: again. */
static inline enum error fault_once(struct aspace *space, uint64_t address, uint32_t access)
{
    rw_lock_read_ranked(&space->lock, LOCK_ASPACE);
    struct mapping *m = __atomic_load_n(&space->last, __ATOMIC_RELAXED);
    if (UNLIKELY(!mapping_has(m, address)) && (m = find(space, address)) == NULL) {
        return grow_below(space, address) ? ERR_NOT_READY : ERR_BAD_ADDRESS;
    }
    if (UNLIKELY((access & ~m->access) != 0)) {
        return refuse(space, m);
    }
    struct memory *memory = m->memory;
    if (UNLIKELY(mapping_large(m, address))) {
        return touch_large(space, m, address, access);
    }
    if (!memory_touch_is_likely(memory)) {
        return access == ACCESS_WRITE ? write(space, m, address) : bring(space, m, address, access);
    }
    pfn_t frame;
    if (UNLIKELY(!memory_touch(memory, mapping_page(m, address), &frame))) {
        return bring(space, m, address, access);
    }
    mapping_note_shown(m);
    spin_lock_ranked(&space->tables_lock, LOCK_TABLES);
    if (UNLIKELY(!tables_enter_new(space->root, address, pfn_to_paddr(frame), m->flags))) {
        return show_touched(space, m, address, frame);
    }
    unlock_all(space, memory);
    return ERR_NONE;
}

enum error aspace_fault(struct aspace *space, uint64_t address, uint32_t access)
{
    enum error error;
    do {
        error = fault_once(space, address, access);
    } while (UNLIKELY(error == ERR_NOT_READY));
    return error;
}
