/*
 * Copies of objects, which share leaf nodes and blocks until either side writes; see memory.h.
 *
 * Nobody sees the copy while it is made, so it needs no lock. What is shared may not be written any more: the
 * right to do so is taken from the views of the original in the same step, and all CPUs have forgotten it at
 * its end.
 */
#include "kernel/mm/contents.h"
#include "kernel/mm/memory_tree.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

#define COPY_PAGES 16u /* of a block, at once */

/* The page's leaf node or block hangs in the copy, too. The original is locked. */
static enum error hang(struct memory *copy, uint64_t page, uint64_t link)
{
    bool block = link_is_block(link);
    uint64_t pages = block ? MEMORY_LEAF_PAGES : leaf_resident(link_node(link)), *place;
    struct memory_cost cost = block ? block_cost() : node_cost(link_node(link)->capacity);
    cost.frames += block ? 0 : pages;
    enum error error = sparse_charge(copy, cost);
    if (error != ERR_NONE) {
        return error;
    }
    error = link_make(copy, page, &place);
    if (error != ERR_NONE) {
        sparse_refund(copy, cost);
        link_clear(copy, page);
        return error;
    }
    link_set(copy, page, place, link);
    copy->resident += pages;
    copy->large += block ? pages : 0;
    return ERR_NONE;
}

/* ERR_EXISTS: a block that cannot have one holder more. */
static enum error share(struct memory *copy, uint64_t page, uint64_t link)
{
    if (link_is_block(link) && !frame_share(link_block(link))) {
        return ERR_EXISTS;
    }
    if (!link_is_block(link)) {
        __atomic_fetch_add(&link_node(link)->references, 1, __ATOMIC_RELAXED);
    }
    enum error error = hang(copy, page, link);
    if (error != ERR_NONE) {
        link_release(link); /* the original has it still */
    }
    return error;
}

/*
 * Copy a block that is shared too often. As long as it is shared nobody writes to it. False when the original
 * has something else there by now.
 */
static bool copy_contents(struct memory *memory, uint64_t page, uint64_t link, pfn_t to, enum error *error)
{
    bool same = true;
    for (unsigned done = 0; same && *error == ERR_NONE && done < MEMORY_LEAF_PAGES; done += COPY_PAGES) {
        spin_lock(&memory->lock);
        same = link_at(memory, page) == link && frame_is_shared(link_block(link));
        for (unsigned i = 0; same && i < COPY_PAGES; i++) {
            contents_copy(pfn(to.value + done + i), pfn(link_block(link).value + done + i));
        }
        spin_unlock(&memory->lock);
        *error = thread_preemption_point();
    }
    return same;
}

/* The step stopped at such a block. Afterwards the copy has it, or it is to be looked at anew. */
static enum error copy_block(struct memory *memory, struct memory *copy, uint64_t page)
{
    spin_lock(&memory->lock);
    uint64_t link = link_at(memory, page);
    spin_unlock(&memory->lock);
    if (!link_is_block(link)) {
        return ERR_NONE;
    }
    pfn_t block;
    enum error error = uncharged_block(copy->object.account, FRAME_USER_ANONYMOUS, &block);
    if (error != ERR_NONE) {
        return error;
    }
    bool same = copy_contents(memory, page, link, block, &error);
    if (same && error == ERR_NONE) {
        error = hang(copy, page, block_link(block));
    }
    if (!same || error != ERR_NONE) {
        frame_release(block, BLOCK_ORDER);
    }
    return error;
}

/* Many views lose the right to write before: draw a veil over the leaves of a step from this one on, at the
 * end of which `*end` is then. The object is locked; not on failure. */
static enum error prepare_views(struct memory *memory, uint64_t leaf, uint64_t *end)
{
    if (views_are_few(memory)) {
        return ERR_NONE;
    }
    enum error error = veil_take(memory);
    if (error != ERR_NONE) {
        return error;
    }
    uint64_t at = leaf;
    bool more = false;
    for (unsigned i = 0; !more && at < *end && i < STEP_LEAVES; i++) {
        at = leaf_next(memory, at, *end, &more);
        at += at < *end && !more;
    }
    *end = at;
    if (leaf < at) {
        veil_draw(memory, leaf << NODE_SHIFT, (at - leaf) << NODE_SHIFT, false);
    }
    return ERR_NONE;
}

/* Share some leaves, from this one on. Returns where to go on; with ERR_EXISTS there is a block to be copied.
 */
static enum error step(struct memory *memory, struct memory *copy, uint64_t *leaf, uint64_t end)
{
    bool more = false;
    spin_lock(&memory->lock);
    enum error error = prepare_views(memory, *leaf, &end);
    if (error != ERR_NONE) {
        return error;
    }
    uint64_t low = end, high = *leaf;
    unsigned most = views_leaves(memory, high << NODE_SHIFT, (end - high) << NODE_SHIFT);
    if (memory->pins > 0) {
        error = ERR_NOT_READY;
    }
    for (unsigned i = 0; error == ERR_NONE && !more && i < most; i++) {
        *leaf = leaf_next(memory, *leaf, end, &more);
        if (*leaf == end || more) {
            break;
        }
        uint64_t page = *leaf << NODE_SHIFT;
        error = share(copy, page, link_at(memory, page));
        step_work(STEP_CLONE, MEMORY_LEAF_PAGES);
        if (error == ERR_NONE) {
            low = *leaf < low ? *leaf : low;
            high = ++*leaf;
        }
    }
    if (low < high) {
        views_restrict(memory, low << NODE_SHIFT, (high - low) << NODE_SHIFT);
    }
    veil_lift(memory);
    spin_unlock(&memory->lock);
    return error;
}

static enum error fill(struct memory *memory, struct memory *copy)
{
    enum error error = ERR_NONE;
    uint64_t end = pages_leaves(copy->pages.value);
    for (uint64_t leaf = 0; error == ERR_NONE && leaf < end;) {
        error = step(memory, copy, &leaf, end);
        if (error == ERR_EXISTS) {
            uint64_t page = leaf << NODE_SHIFT;
            error = copy_block(memory, copy, page);
            leaf += link_at(copy, page) != 0;
        }
        if (error == ERR_NONE && leaf < end) {
            error = thread_preemption_point();
        }
    }
    return error;
}

/* The size of the original does not change meanwhile. */
static enum error clone(struct memory *memory, struct account *account, struct memory **out)
{
    struct memory *copy;
    enum error error = memory_new(account, MEMORY_ANONYMOUS, memory->pages, &copy);
    if (error != ERR_NONE) {
        return error;
    }
    spin_lock(&memory->lock);
    copy->sparse = memory->sparse;
    copy->height = memory->height;
    copy->root_capacity = memory->root_capacity;
    spin_unlock(&memory->lock);
    if (!copy->sparse) {
        error = memory_charge(copy, object_cost(copy->pages.value, copy->height, copy->root_capacity));
    }
    if (error == ERR_NONE) {
        error = fill(memory, copy);
    }
    if (error != ERR_NONE) {
        memory_release(copy);
        return error;
    }
    *out = copy;
    return ERR_NONE;
}

enum error memory_clone(struct memory *memory, struct account *account, struct memory **out)
{
    if (memory->kind != MEMORY_ANONYMOUS) {
        return ERR_UNSUPPORTED;
    }
    if (__atomic_load_n(&memory->pins, __ATOMIC_RELAXED) > 0) {
        return ERR_NOT_READY;
    }
    enum error error = memory_begin(memory);
    if (error == ERR_NONE) {
        error = clone(memory, account, out);
        memory_end(memory);
    }
    return error;
}
