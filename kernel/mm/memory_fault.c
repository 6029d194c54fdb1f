/*
 * Making one page be there: at a page fault, and for who asks for it; see memory.h.
 *
 * What is cleared is taken before the object's lock; nodes, and frames for copies, under it: they are needed
 * seldom, and taking them waits for nobody.
 */
#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/contents.h"
#include "kernel/mm/memory_pager.h"
#include "kernel/mm/memory_touch.h"
#include "kernel/mm/memory_tree.h"
#include "kernel/mm/zeroed.h"

#define UNLIKELY(condition) __builtin_expect((condition), 0)
#define LIKELY(condition)   __builtin_expect((condition), 1)

/* After a block was not to be had, none is tried for so long, in ns. */
#define BLOCK_PAUSE 10000000u

uint64_t memory_no_blocks_until;

/* What the fault is about. `inside`: the caller is one of the views. */
struct want {
    uint64_t page;
    bool write, large, inside;
};

static uint64_t index_of(uint64_t page)
{
    return page & (MEMORY_LEAF_PAGES - 1);
}

static uint64_t base_of(uint64_t page)
{
    return page & ~(uint64_t)(MEMORY_LEAF_PAGES - 1);
}

/* --- what is there already --------------------------------------------------------------------------------
 */

/* Nobody is to see the old page by another way than the caller's own entry, which he replaces. */
static void hide_others(struct memory *memory, const struct want *want)
{
    if (!want->inside || views_are_many(memory)) {
        views_hide(memory, want->page, 1);
    }
}

/* The object's alone from now on, also by what is recorded of it. */
static void take_over(const struct memory *memory, pfn_t first, unsigned order)
{
    uint32_t account = memory->object.account->number;
    if (frame_account_of(first) != account) {
        enum error error = frame_assign(first, order, FRAME_USER_ANONYMOUS, account);
        (void)error; /* of a frame that is to be retired it stays as it is */
    }
}

/* Can what is shown of the page be hidden? Else nothing may change, and it takes a veil. */
static inline bool can_hide(const struct memory *memory, const struct want *want, struct memory_page *out)
{
    bool can = views_are_ready(memory, base_of(want->page), MEMORY_LEAF_PAGES);
    out->lacks = can ? 0 : LACKS_VEIL;
    return can;
}

/* A page that is not below `open`: is it outside of the object, or behind somebody else's veil? */
static __attribute__((noinline, cold)) enum error not_open(const struct memory *memory, uint64_t page,
                                                           struct memory_page *out)
{
    if (page >= memory->pages.value) {
        return ERR_BAD_ARGUMENT;
    }
    out->lacks = LACKS_SIGHT;
    return !veil_is_mine(memory) && memory_is_veiled(memory, page, 1) ? ERR_NOT_READY : ERR_NONE;
}

/* A copy of this frame becomes the page, in a leaf node that is the object's alone. */
static enum error copy_into(struct memory *memory, const struct want *want, struct memory_node *leaf,
                            pfn_t from, struct memory_page *out)
{
    pfn_t copy;
    enum error error = uncharged_frame(memory->object.account, FRAME_USER_ANONYMOUS, &copy);
    if (error != ERR_NONE) {
        return error;
    }
    uint64_t *slot = &leaf->slots[index_of(want->page)];
    hide_others(memory, want);
    contents_copy(copy, from);
    arch_this_cpu()->faults.copied++;
    leaf->filled += *slot == 0;
    *slot = copy.value | SLOT_PRESENT;
    out->frame = copy;
    out->writable = true;
    return ERR_NONE;
}

/* The page found, which others share, is copied. */
static enum error copy_page(struct memory *memory, const struct want *want, struct memory_node *leaf,
                            struct memory_page *out)
{
    out->old = out->frame;
    enum error error = copy_into(memory, want, leaf, out->old, out);
    out->dropped = error == ERR_NONE;
    return error;
}

/* To be written, and in a leaf node that is shared, or has pages that are. */
static enum error break_leaf(struct memory *memory, const struct want *want, struct memory_page *out)
{
    struct memory_node *leaf;
    enum error error = leaf_own(memory, want->page, &leaf);
    if (error != ERR_NONE) {
        return error;
    }
    leaf_absorb(memory, want->page, leaf);
    uint64_t slot = leaf->slots[index_of(want->page)];
    if (slot == 0) { /* of the block under it */
        error = copy_into(memory, want, leaf, pfn(leaf->under.value + index_of(want->page)), out);
        leaf_drop_under(memory, want->page, leaf);
        return error;
    }
    out->frame = slot_frame(slot);
    out->writable = true;
    if (node_shares_frame(leaf, out->frame)) {
        return copy_page(memory, want, leaf, out);
    }
    take_over(memory, out->frame, 0);
    return ERR_NONE;
}

static enum error found_in_block(struct memory *memory, const struct want *want, pfn_t first,
                                 struct memory_page *out)
{
    out->writable = !frame_is_shared(first);
    if (want->write && !out->writable) {
        struct memory_node *leaf;
        if (!can_hide(memory, want, out)) {
            return ERR_NOT_READY;
        }
        enum error error = leaf_from_block(memory, want->page, &leaf);
        return error == ERR_NONE ? break_leaf(memory, want, out) : error;
    }
    if (want->write) {
        take_over(memory, first, BLOCK_ORDER);
    }
    out->large = want->large;
    out->frame = want->large ? first : pfn(first.value + index_of(want->page));
    return ERR_NONE;
}

/* Is the page there? Then `*error` says whether it can be had as it is wanted. */
static inline bool find(struct memory *memory, const struct want *want, uint64_t link,
                        struct memory_page *out, enum error *error)
{
    if (link == 0) {
        return false;
    }
    if (UNLIKELY(link_is_block(link))) {
        *error = found_in_block(memory, want, link_block(link), out);
        return true;
    }
    struct memory_node *leaf = link_node(link);
    uint64_t slot = leaf->slots[index_of(want->page)];
    bool under = leaf->has_under && slot == 0;
    if ((slot & SLOT_PRESENT) == 0 && !under) {
        return false;
    }
    out->frame = under ? pfn(leaf->under.value + index_of(want->page)) : slot_frame(slot);
    bool own = !under && !node_is_shared(leaf);
    out->writable = own && !node_shares_frame(leaf, out->frame);
    *error = ERR_NONE;
    if (want->write && !out->writable && !can_hide(memory, want, out)) {
        *error = ERR_NOT_READY;
    } else if (want->write && !out->writable) {
        *error = own ? copy_page(memory, want, leaf, out) : break_leaf(memory, want, out);
    } else if (want->write && leaf->counted) {
        take_over(memory, out->frame, 0);
    }
    return true;
}

/* --- what is not ------------------------------------------------------------------------------------------
 */

/* Put a zeroed page where there is none. */
static enum error put(struct memory *memory, const struct want *want, uint64_t link, pfn_t frame,
                      struct memory_page *out)
{
    struct memory_node *leaf = link_node(link);
    bool hides = link != 0 && (node_is_shared(leaf) || (leaf->has_under && leaf->filled == NODE_SLOTS - 1));
    if (UNLIKELY(hides) && !can_hide(memory, want, out)) {
        return ERR_NOT_READY;
    }
    if (UNLIKELY(link == 0 || node_is_shared(leaf))) {
        enum error error = leaf_own(memory, want->page, &leaf);
        if (error != ERR_NONE) {
            return error;
        }
    }
    leaf_put(memory, leaf, index_of(want->page), frame);
    if (UNLIKELY(leaf->filled == MEMORY_LEAF_PAGES)) {
        leaf_drop_under(memory, want->page, leaf);
        out->full = leaf->filled == MEMORY_LEAF_PAGES && memory->height > 0;
    }
    out->frame = frame;
    out->writable = true;
    return ERR_NONE;
}

/* Can a block be here? */
static inline bool block_has_place(const struct memory *memory, uint64_t page)
{
    return memory->kind == MEMORY_ANONYMOUS && memory->height > 0 &&
           (page | (MEMORY_LEAF_PAGES - 1)) < memory->open;
}

/* Could one be put here? */
static inline bool block_fits(struct memory *memory, uint64_t page)
{
    return block_has_place(memory, page) && link_at(memory, page) == 0;
}

static bool blocks_are_short(void)
{
    uint64_t until = __atomic_load_n(&memory_no_blocks_until, __ATOMIC_RELAXED);
    return UNLIKELY(until != 0) && arch_clock() < until;
}

void memory_has_no_blocks(void)
{
    __atomic_store_n(&memory_no_blocks_until, arch_clock() + BLOCK_PAUSE, __ATOMIC_RELAXED);
}

/* It is not as with the last ones: the next is looked for. The object is locked. */
static void row_ends(struct memory *memory)
{
    __atomic_store_n(&memory->blocks_in_row, 0, __ATOMIC_RELAXED);
}

enum error block_put(struct memory *memory, uint64_t page, pfn_t first)
{
    uint64_t *link = block_has_place(memory, page) ? link_find(memory, page) : NULL;
    bool fits = link != NULL ? *link == 0 : block_has_place(memory, page);
    enum error error = UNLIKELY(!fits)            ? ERR_EXISTS
                       : UNLIKELY(memory->sparse) ? memory_charge(memory, block_cost())
                                                  : ERR_NONE;
    if (UNLIKELY(error != ERR_NONE)) {
        return error;
    }
    if (UNLIKELY(link == NULL) && (error = link_make(memory, page, &link)) != ERR_NONE) {
        sparse_refund(memory, block_cost());
        link_clear(memory, page);
        return error;
    }
    link_set(memory, page, link, block_link(first));
    blocks_note_put(memory);
    return ERR_NONE;
}

bool memory_looks_for_block(struct memory *memory, uint64_t page)
{
    if (blocks_are_short()) {
        return false;
    }
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    bool wants = block_fits(memory, page);
    if (!wants) {
        row_ends(memory);
    }
    spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
    return wants;
}

enum error memory_put_block(struct memory *memory, uint64_t page, pfn_t first)
{
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    enum error error = block_put(memory, page, first);
    if (UNLIKELY(error != ERR_NONE)) {
        row_ends(memory);
        spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
        frame_release(first, BLOCK_ORDER);
    }
    return error;
}

/* A zeroed frame, charged if the object is sparse; or both given back. */
static inline enum error take_zeroed(struct memory *memory, pfn_t *frame)
{
    struct account *account = memory->object.account;
    enum error error = memory->sparse ? account_charge(account, RESOURCE_FRAMES, 1) : ERR_NONE;
    if (error == ERR_NONE) {
        error = uncharged_zeroed_frame(account, FRAME_USER_ANONYMOUS, frame);
        ASSERT(error == ERR_NONE || error == ERR_NO_MEMORY);
        if (UNLIKELY(error != ERR_NONE) && memory->sparse) {
            account_refund(account, RESOURCE_FRAMES, 1);
        }
    }
    return error;
}

static void give_zeroed(struct memory *memory, pfn_t frame)
{
    frame_release(frame, 0);
    if (memory->sparse) {
        account_refund(memory->object.account, RESOURCE_FRAMES, 1);
    }
}

/* The page is not there; the lock is not held, and is held again on success. */
static enum error bring(struct memory *memory, const struct want *want, struct memory_page *out)
{
    pfn_t frame;
    enum error error = take_zeroed(memory, &frame);
    if (UNLIKELY(error != ERR_NONE)) {
        return error;
    }
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    error = LIKELY(want->page < memory->open) ? ERR_NONE : not_open(memory, want->page, out);
    bool inside = error == ERR_NONE;
    uint64_t link = inside ? link_at(memory, want->page) : 0;
    if (LIKELY(inside) && LIKELY(!find(memory, want, link, out, &error))) {
        error = put(memory, want, link, frame, out);
        if (LIKELY(error == ERR_NONE)) {
            memory->paid_frames += memory->sparse;
            return ERR_NONE;
        }
    }
    /* Somebody else came first, or it went wrong. */
    if (error != ERR_NONE) {
        spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
    }
    give_zeroed(memory, frame);
    return error;
}

static enum error get_physical(struct memory *memory, const struct want *want, struct memory_page *out)
{
    uint64_t base = base_of(want->page), first = memory->first.value;
    spin_lock(&memory->lock);
    if (want->page >= memory->pages.value) {
        spin_unlock(&memory->lock);
        return ERR_BAD_ARGUMENT;
    }
    out->large = want->large && is_aligned(first, MEMORY_LEAF_PAGES) &&
                 base + MEMORY_LEAF_PAGES <= memory->pages.value;
    out->frame = pfn(first + (out->large ? base : want->page));
    out->writable = true;
    return ERR_NONE;
}

/* Look first, and take what is missing then. */
static enum error look(struct memory *memory, const struct want *want, struct memory_page *out)
{
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    enum error error = LIKELY(want->page < memory->open) ? ERR_NONE : not_open(memory, want->page, out);
    if (LIKELY(error == ERR_NONE)) {
        uint64_t link = link_at(memory, want->page);
        if (find(memory, want, link, out, &error)) {
            if (UNLIKELY(error != ERR_NONE)) {
                spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
            }
            return error;
        }
        bool plain = memory->kind == MEMORY_ANONYMOUS && !memory->sparse;
        __atomic_store_n(&memory->absent, plain, __ATOMIC_RELAXED);
        spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
        if (UNLIKELY(memory->kind == MEMORY_PAGED)) {
            out->lacks = LACKS_CONTENTS;
            return ERR_NOT_READY;
        }
        return bring(memory, want, out);
    }
    spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
    return error;
}

static enum error get(struct memory *memory, const struct want *want, struct memory_page *out)
{
    *out = (struct memory_page){0};
    return memory->kind == MEMORY_PHYSICAL ? get_physical(memory, want, out) : look(memory, want, out);
}

void memory_touch_refused(enum error error)
{
    ASSERT(error == ERR_NO_MEMORY); /* a stock keeps only frames that are held */
}

void memory_touch_failed(struct memory *memory, pfn_t frame)
{
    __atomic_store_n(&memory->absent, false, __ATOMIC_RELAXED);
    spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
    give_zeroed(memory, frame);
}

/* Where the page's frame is, if a copy is all that it takes; or NULL. */
static inline uint64_t *slot_to_copy(struct memory *memory, uint64_t page)
{
    uint64_t link = LIKELY(page < memory->open) ? link_at(memory, page) : 0;
    if (UNLIKELY(link == 0) || link_is_block(link) || views_are_many(memory)) {
        return NULL;
    }
    struct memory_node *leaf = link_node(link);
    uint64_t *slot = &leaf->slots[index_of(page)];
    bool own = !node_is_shared(leaf) && (*slot & SLOT_PRESENT) != 0;
    return own && node_shares_frame(leaf, slot_frame(*slot)) ? slot : NULL;
}

bool memory_unshare(struct memory *memory, uint64_t page, pfn_t *copy, pfn_t *old)
{
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    uint64_t *slot = slot_to_copy(memory, page);
    if (slot == NULL || uncharged_frame(memory->object.account, FRAME_USER_ANONYMOUS, copy) != ERR_NONE) {
        spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
        return false;
    }
    *old = slot_frame(*slot);
    contents_copy(*copy, *old);
    *slot = copy->value | SLOT_PRESENT;
    return true;
}

enum error memory_fault(struct memory *memory, uint64_t page, bool write, bool large, struct memory_page *out)
{
    const struct want want = {page, write, large, true};
    return get(memory, &want, out);
}

/* --- for who can wait, or is no view ----------------------------------------------------------------------
 */

enum error memory_get(struct memory *memory, uint64_t page, bool write, struct memory_page *out)
{
    const struct want want = {page, write, false, false};
    enum error error;
    while ((error = get(memory, &want, out)) == ERR_NOT_READY) {
        ASSERT(!veil_is_mine(memory));
        error = out->lacks == LACKS_VEIL ? veil_leaf(memory, page) : memory_await(memory, page, out);
        if (error != ERR_NONE) {
            return error;
        }
    }
    if (error == ERR_NONE) {
        veil_lift(memory); /* the object is locked: nobody comes in between */
    } else {
        veil_end(memory);
    }
    return error;
}

enum error memory_await(struct memory *memory, uint64_t page, const struct memory_page *found)
{
    struct memory_page private;
    if (found->lacks != LACKS_VEIL) {
        return found->lacks == LACKS_SIGHT ? memory_await_sight(memory) : pager_ask(memory, page);
    }
    enum error error = memory_get(memory, page, true, &private);
    if (error == ERR_NONE) {
        memory_fault_unlock(memory);
        memory_page_drop(&private);
    }
    return error;
}

enum error memory_frame(struct memory *memory, uint64_t page, pfn_t *out)
{
    struct memory_page found;
    enum error error = memory_get(memory, page, true, &found);
    if (error == ERR_NONE) {
        *out = found.frame;
        memory_fault_unlock(memory);
        memory_page_drop(&found);
    }
    return error;
}
