/*
 * Making pages be there ahead of time, and giving them back; see memory.h.
 */
#include "kernel/mm/memory_touch.h"
#include "kernel/mm/memory_tree.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

/* --- commit -----------------------------------------------------------------------------------------------
 */

/* Put a block around the page. */
static enum error commit_block(struct memory *memory, uint64_t page)
{
    pfn_t first;
    enum error error = memory_make_block(memory->object.account->number, &first);
    error = error == ERR_NONE ? memory_put_block(memory, page, first) : error;
    if (error == ERR_NONE) {
        memory_fault_unlock(memory);
    }
    return error;
}

/* Make one page be there, with `large` the block around it if that can be. How many are there with it, from
 * it on. */
static enum error commit_page(struct memory *memory, uint64_t page, bool large, uint64_t *count)
{
    struct memory_page found = {.large = false};
    enum error error = ERR_NONE;
    if (!large && memory_touch_is_likely(memory) && memory_touch(memory, page, &found.frame)) {
        memory_fault_unlock(memory);
        *count = 1;
        return ERR_NONE;
    }
    if (large && memory_wants_block(memory, page)) {
        error = commit_block(memory, page);
        *count = MEMORY_LEAF_PAGES;
        if (error == ERR_NONE || error == ERR_CANCELLED) {
            return error;
        } /* else a single page may do */
    }
    while ((error = memory_fault(memory, page, false, large, &found)) == ERR_NOT_READY) {
        error = memory_await(memory, page, &found);
        if (error != ERR_NONE) {
            return error;
        }
    }
    if (error == ERR_NONE) {
        memory_fault_unlock(memory);
        *count = found.large ? MEMORY_LEAF_PAGES : 1;
    }
    return error;
}

enum error memory_commit_pages(struct memory *memory, uint64_t first, uint64_t count)
{
    if (!memory_covers(memory, first, count)) {
        return ERR_BAD_ARGUMENT;
    }
    if (!memory_has_tree(memory)) {
        return ERR_NONE;
    }
    enum error error = ERR_NONE;
    uint64_t since = 0;
    for (uint64_t page = first, end = first + count; error == ERR_NONE && page < end;) {
        if (is_aligned(page, MEMORY_HUGE_PAGES) && end - page >= MEMORY_HUGE_PAGES) {
            memory_fill_huge(memory, page);
        }
        bool large = is_aligned(page, MEMORY_LEAF_PAGES) && end - page >= MEMORY_LEAF_PAGES;
        uint64_t made = 0;
        error = commit_page(memory, page, large, &made);
        page += made;
        if (error == ERR_NONE && ++since % STEP_PAGES == 0) {
            step_work(STEP_COMMIT, STEP_PAGES);
            error = thread_preemption_point();
        }
    }
    step_work(STEP_COMMIT, since % STEP_PAGES);
    return error;
}

/* --- giving back ------------------------------------------------------------------------------------------
 */

/* Does the range cover all that there can be in this leaf? */
static bool covers_leaf(const struct memory *memory, uint64_t leaf, uint64_t first, uint64_t end)
{
    uint64_t start = leaf << NODE_SHIFT, stop = start + MEMORY_LEAF_PAGES;
    return first <= start && (end >= stop || end >= memory->pages.value);
}

static enum error prepare_leaf(struct memory *memory, uint64_t page)
{
    struct memory_node *leaf;
    uint64_t link = link_at(memory, page);
    if (link == 0) {
        return ERR_NONE;
    }
    if (link_is_block(link)) {
        return leaf_from_block(memory, page, &leaf);
    }
    return node_is_shared(link_node(link)) ? leaf_own(memory, page, &leaf) : ERR_NONE;
}

enum error memory_prepare_edges(struct memory *memory, uint64_t first, uint64_t count)
{
    uint64_t end = first + count, first_leaf = first >> NODE_SHIFT, last_leaf = (end - 1) >> NODE_SHIFT;
    enum error error = ERR_NONE;
    if (count > 0 && !covers_leaf(memory, first_leaf, first, end)) {
        error = prepare_leaf(memory, first);
    }
    if (error == ERR_NONE && count > 0 && last_leaf != first_leaf &&
        !covers_leaf(memory, last_leaf, first, end)) {
        error = prepare_leaf(memory, end - 1);
    }
    return error;
}

/* Take a leaf out that has nothing left. */
static void remove_if_empty(struct memory *memory, uint64_t page, struct memory_node *leaf)
{
    if (leaf->filled == 0 && !leaf->has_under) {
        struct memory_cost cost = node_cost(leaf->capacity);
        link_clear(memory, page);
        node_free(leaf);
        sparse_refund(memory, cost);
    }
}

/* Take one page out of a leaf node that is the object's alone; views have been hidden. */
static void remove_page(struct memory *memory, struct memory_node *leaf, uint64_t index)
{
    uint64_t slot = leaf->slots[index];
    if ((slot & SLOT_PINS) != 0 || !leaf_has(leaf, index)) {
        return;
    }
    leaf->slots[index] = leaf->has_under ? SLOT_HOLE : 0;
    leaf->filled = (uint16_t)(leaf->filled + (leaf->slots[index] != 0) - (slot != 0));
    memory->resident--;
    sparse_refund(memory, (struct memory_cost){1, 0});
    if ((slot & SLOT_PRESENT) != 0) {
        pfn_t frame = slot_frame(slot);
        if (!leaf->counted || frame_drop(frame)) {
            frame_release(frame, 0);
        }
    }
}

/* Give back these pages of one leaf node, which is the object's alone. */
static void remove_part(struct memory *memory, uint64_t first, uint64_t end)
{
    uint64_t link = link_at(memory, first);
    if (link == 0) {
        return;
    }
    struct memory_node *leaf = link_node(link);
    leaf_absorb(memory, first, leaf);
    uint64_t from = first & (MEMORY_LEAF_PAGES - 1), to = from + (end - first);
    to = to < leaf->capacity ? to : leaf->capacity;
    views_hide(memory, first, end - first);
    uint64_t before = memory->resident;
    for (uint64_t i = from; i < to; i++) {
        remove_page(memory, leaf, i);
    }
    step_work(STEP_RELEASE, before - memory->resident);
    leaf_drop_under(memory, first, leaf);
    remove_if_empty(memory, first, leaf);
}

/* The tree may be that of a smaller object by now, whose root has no link for this leaf. */
static bool leaf_is_there(struct memory *memory, uint64_t leaf)
{
    bool more;
    return leaf_next(memory, leaf, leaf + 1, &more) == leaf;
}

/* What there is in a leaf or block goes out of the books, and the link out of the tree. */
static void unlink_leaf(struct memory *memory, uint64_t page, uint64_t link)
{
    struct memory_cost cost;
    uint64_t resident;
    if (link_is_block(link)) {
        cost = block_cost();
        resident = MEMORY_LEAF_PAGES;
        memory->large -= MEMORY_LEAF_PAGES;
    } else {
        resident = leaf_resident(link_node(link));
        cost = node_cost(link_node(link)->capacity);
        cost.frames += resident;
    }
    link_clear(memory, page);
    memory->resident -= resident;
    sparse_refund(memory, cost);
}

/* Take one leaf out that is at the end of the range, and of the object. Returns its link, to be released; or
 * 0. */
static uint64_t take_leaf(struct memory *memory, uint64_t leaf)
{
    uint64_t page = leaf << NODE_SHIFT, link = leaf_is_there(memory, leaf) ? link_at(memory, page) : 0;
    if (link != 0 && !link_is_block(link) && link_node(link)->pinned > 0) {
        remove_part(memory, page, page + MEMORY_LEAF_PAGES);
        return 0;
    }
    if (link != 0) {
        views_hide(memory, page, MEMORY_LEAF_PAGES);
        unlink_leaf(memory, page, link);
    }
    return link;
}

/* Some leaves that the step has found: `most` of them. */
struct batch {
    uint64_t leaves[STEP_LEAVES];
    uint64_t links[STEP_LEAVES];
    unsigned count;
    bool more; /* behind `next` there may be others */
    uint64_t next;
};

/* Find leaves, so many at most, in [from, end) that have something; the first with pins is done at once, page
 * by page, and ends it. */
static void collect(struct memory *memory, uint64_t from, uint64_t end, unsigned most, struct batch *batch)
{
    *batch = (struct batch){.next = from};
    for (unsigned looks = 0; looks < most; looks++) {
        bool stopped;
        batch->next = leaf_next(memory, batch->next, end, &stopped);
        batch->more = batch->next < end;
        if (!batch->more || stopped) {
            return;
        }
        uint64_t leaf = batch->next++, page = leaf << NODE_SHIFT, link = link_at(memory, page);
        if (!link_is_block(link) && link_node(link)->pinned > 0) {
            remove_part(memory, page, page + MEMORY_LEAF_PAGES);
            return;
        } else {
            batch->leaves[batch->count] = leaf;
            batch->links[batch->count++] = link;
        }
    }
}

/* Take up to STEP_LEAVES whole leaves away, from this one on. Returns where to go on; `end` at the end. */
static uint64_t remove_leaves(struct memory *memory, uint64_t from, uint64_t end)
{
    struct batch batch;
    spin_lock(&memory->lock);
    uint64_t first = from << NODE_SHIFT, count = (end - from) << NODE_SHIFT;
    if (!views_are_ready(memory, first, count)) { /* they have become many since */
        veil_draw(memory, first, count, true);
    }
    collect(memory, from, end, views_leaves(memory, first, count), &batch);
    if (batch.count > 0) {
        uint64_t low = batch.leaves[0], high = batch.leaves[batch.count - 1] + 1;
        views_hide(memory, low << NODE_SHIFT, (high - low) << NODE_SHIFT);
    }
    for (unsigned i = 0; i < batch.count; i++) {
        unlink_leaf(memory, batch.leaves[i] << NODE_SHIFT, batch.links[i]);
    }
    spin_unlock(&memory->lock);
    for (unsigned i = 0; i < batch.count; i++) {
        step_work(STEP_RELEASE, link_release(batch.links[i]));
        enum error killed = thread_preemption_point();
        (void)killed; /* giving back goes on to the end in any case */
    }
    return batch.more ? batch.next : end;
}

/* The edges of the range, while the object is still locked. Moves the leaves that are left to do to [*leaf,
 * *leaf_end); returns a link to be released, or 0. */
static uint64_t remove_edges(struct memory *memory, uint64_t first, uint64_t end, uint64_t *leaf,
                             uint64_t *leaf_end)
{
    if (!covers_leaf(memory, *leaf, first, end)) {
        uint64_t stop = (*leaf + 1) << NODE_SHIFT;
        remove_part(memory, first, end < stop ? end : stop);
        ++*leaf;
    }
    if (*leaf == *leaf_end) {
        return 0;
    }
    if (!covers_leaf(memory, *leaf_end - 1, first, end)) {
        --*leaf_end;
        remove_part(memory, *leaf_end << NODE_SHIFT, end);
    } else if (!is_aligned(end, MEMORY_LEAF_PAGES)) {
        /* At the end of the object: at once, before it can grow and have more in this leaf. */
        --*leaf_end;
        return take_leaf(memory, *leaf_end);
    }
    return 0;
}

void memory_remove(struct memory *memory, uint64_t first, uint64_t count)
{
    uint64_t end = first + count, leaf = first >> NODE_SHIFT, leaf_end = pages_leaves(end);
    uint64_t last = count > 0 ? remove_edges(memory, first, end, &leaf, &leaf_end) : 0;
    spin_unlock(&memory->lock);
    if (last != 0) {
        step_work(STEP_RELEASE, link_release(last));
    }
    while (count > 0 && leaf < leaf_end) {
        enum error killed = thread_preemption_point();
        (void)killed; /* giving back goes on to the end in any case */
        leaf = remove_leaves(memory, leaf, leaf_end);
    }
    veil_end(memory);
}

/* Is a page of the range pinned? In steps: who pins meanwhile comes later. Holds no lock. */
static bool any_pinned(struct memory *memory, uint64_t first, uint64_t count)
{
    uint64_t end = first + count, leaf = first >> NODE_SHIFT, leaf_end = pages_leaves(end);
    bool pinned = false, more;
    while (!pinned && leaf < leaf_end) {
        spin_lock(&memory->lock);
        leaf = memory->pins == 0 ? leaf_end : leaf_next(memory, leaf, leaf_end, &more);
        uint64_t link = leaf < leaf_end ? link_at(memory, leaf << NODE_SHIFT) : 0;
        if (link != 0 && !link_is_block(link) && link_node(link)->pinned > 0) {
            const struct memory_node *node = link_node(link);
            for (uint32_t i = 0; i < node->capacity; i++) {
                uint64_t page = (leaf << NODE_SHIFT) + i;
                pinned = pinned || (page >= first && page < end && (node->slots[i] & SLOT_PINS) != 0);
            }
        }
        leaf += link != 0;
        spin_unlock(&memory->lock);
        enum error killed = thread_preemption_point();
        (void)killed; /* it is told by who does the rest */
    }
    return pinned;
}

static enum error lock_unpinned(struct memory *memory, uint64_t first, uint64_t count)
{
    uint64_t seen;
    spin_lock(&memory->lock);
    do {
        if (memory->pins == 0) {
            return ERR_NONE;
        }
        seen = memory->ever_pinned;
        spin_unlock(&memory->lock);
        if (any_pinned(memory, first, count)) {
            return ERR_NOT_READY;
        }
        spin_lock(&memory->lock);
    } while (memory->ever_pinned != seen);
    return ERR_NONE;
}

/* What the locked object still needs for it, others run in between: true when that was something. */
static bool prepare_views(struct memory *memory, uint64_t first, uint64_t count, enum error *error)
{
    uint64_t low = align_down(first, MEMORY_LEAF_PAGES);
    uint64_t pages = align_up(first + count, MEMORY_LEAF_PAGES) - low;
    bool ready = count == 0 || views_are_ready(memory, low, pages);
    bool mine = count < MEMORY_LEAF_PAGES || veil_is_mine(memory); /* less is done at once */
    if (ready && mine) {
        return false;
    }
    if (!veil_is_mine(memory)) {
        *error = veil_take(memory);
    }
    if (*error == ERR_NONE) {
        if (!views_are_ready(memory, low, pages)) {
            veil_draw(memory, first, count, true);
        }
        spin_unlock(&memory->lock);
    }
    return true;
}

enum error memory_lock_for_removal(struct memory *memory, uint64_t first, uint64_t count)
{
    enum error error = lock_unpinned(memory, first, count);
    while (error == ERR_NONE && prepare_views(memory, first, count, &error)) {
        error = error == ERR_NONE ? lock_unpinned(memory, first, count) : error;
    }
    if (error != ERR_NONE) {
        veil_end(memory);
    }
    return error;
}

enum error memory_decommit_prepare(struct memory *memory, uint64_t first, uint64_t count,
                                   struct memory_decommit_plan *plan)
{
    if (!memory_has_tree(memory)) {
        return ERR_UNSUPPORTED;
    }
    if (!memory_covers(memory, first, count)) {
        return ERR_BAD_ARGUMENT;
    }
    enum error error = memory_lock_for_removal(memory, first, count);
    if (error != ERR_NONE) {
        return error;
    }
    error =
        memory_covers(memory, first, count) ? memory_prepare_edges(memory, first, count) : ERR_BAD_ARGUMENT;
    if (error != ERR_NONE) {
        veil_lift(memory);
        spin_unlock(&memory->lock);
        return error;
    }
    *plan = (struct memory_decommit_plan){memory, first, count};
    return ERR_NONE;
}

void memory_decommit_commit(struct memory_decommit_plan *plan)
{
    memory_remove(plan->memory, plan->first, plan->count);
}

void memory_decommit_cancel(struct memory_decommit_plan *plan)
{
    veil_lift(plan->memory);
    spin_unlock(&plan->memory->lock);
}
