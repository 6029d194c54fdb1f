/*
 * Blocks out of single pages; see memory.h.
 *
 * Pages that do not lie in a row are moved, some at a time, to the frames of a block that was split: after
 * each step the object is whole, and if it comes to nothing it has other frames than before, that is all.
 */
#include "kernel/mm/contents.h"
#include "kernel/mm/memory_tree.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

#define MOVE_PAGES 8u /* copied with the lock held */

/* The leaf node of the page, if all its pages are there and nobody else has or pins them; else NULL. */
static struct memory_node *candidate(struct memory *memory, uint64_t page)
{
    uint64_t link = page < memory->pages.value && memory->height > 0 ? link_at(memory, page) : 0;
    if (link == 0 || link_is_block(link)) {
        return NULL;
    }
    struct memory_node *leaf = link_node(link);
    bool fit = leaf->filled == MEMORY_LEAF_PAGES && !leaf->has_under && leaf->pinned == 0 &&
               !node_is_shared(leaf) &&
               align_down(page, MEMORY_LEAF_PAGES) + MEMORY_LEAF_PAGES <= memory->pages.value;
    for (unsigned i = 0; fit && leaf->counted && i < MEMORY_LEAF_PAGES; i++) {
        fit = !frame_is_shared(slot_frame(leaf->slots[i]));
    }
    if (fit) {
        leaf->counted = false;
    }
    return fit ? leaf : NULL;
}

static bool lie_in_a_row(const struct memory_node *leaf)
{
    uint64_t first = slot_frame(leaf->slots[0]).value;
    bool row = is_aligned(first, MEMORY_LEAF_PAGES);
    for (unsigned i = 0; row && i < MEMORY_LEAF_PAGES; i++) {
        row = slot_frame(leaf->slots[i]).value == first + i;
    }
    return row;
}

/* Frames that came from clones may have been others'. */
static bool join_frames(const struct memory *memory, pfn_t first)
{
    uint32_t account = memory->object.account->number;
    if (frame_join(first, BLOCK_ORDER, 0) != ERR_NONE) {
        return false;
    }
    if (frame_account_of(first) != account) {
        enum error error = frame_assign(first, BLOCK_ORDER, FRAME_USER_ANONYMOUS, account);
        ASSERT(error == ERR_NONE);
    }
    return true;
}

/* A block in place of the leaf node, if its frames make one up. The object is locked. */
static bool join(struct memory *memory, uint64_t page, struct memory_node *leaf)
{
    pfn_t first = slot_frame(leaf->slots[0]);
    if (!lie_in_a_row(leaf) || !join_frames(memory, first)) {
        return false;
    }
    views_hide(memory, align_down(page, MEMORY_LEAF_PAGES), MEMORY_LEAF_PAGES);
    *link_find(memory, page) = block_link(first); /* which pays for a node, too */
    node_free(leaf);
    memory->large += MEMORY_LEAF_PAGES;
    note_promoted();
    return true;
}

/* Move some pages to the frames of the block; false, and nothing is moved, when they must stay. */
static bool move_some(struct memory *memory, uint64_t page, pfn_t block, unsigned from)
{
    uint64_t start = align_down(page, MEMORY_LEAF_PAGES) + from;
    pfn_t old[MOVE_PAGES];
    spin_lock(&memory->lock);
    struct memory_node *leaf = views_are_ready(memory, start, MOVE_PAGES) ? candidate(memory, page) : NULL;
    if (leaf != NULL) {
        views_hide(memory, start, MOVE_PAGES);
    }
    for (unsigned i = 0; leaf != NULL && i < MOVE_PAGES; i++) {
        pfn_t to = pfn(block.value + from + i);
        old[i] = slot_frame(leaf->slots[from + i]);
        contents_copy(to, old[i]);
        step_work(STEP_MOVE, 1);
        leaf->slots[from + i] = to.value | SLOT_PRESENT;
    }
    spin_unlock(&memory->lock);
    for (unsigned i = 0; leaf != NULL && i < MOVE_PAGES; i++) {
        frame_release(old[i], 0);
    }
    return leaf != NULL;
}

/* Move all pages to a block; false when that came to nothing. Holds no lock. */
static bool move(struct memory *memory, uint64_t page)
{
    pfn_t block;
    if (uncharged_block(memory->object.account, FRAME_USER_ANONYMOUS, &block) != ERR_NONE) {
        return false;
    }
    if (frame_split(block, BLOCK_ORDER, 0) != ERR_NONE) { /* one of its frames is to be retired */
        frame_release(block, BLOCK_ORDER);
        return false;
    }
    unsigned moved = 0;
    bool go_on = true;
    while (go_on && moved < MEMORY_LEAF_PAGES) {
        go_on = move_some(memory, page, block, moved);
        moved += go_on ? MOVE_PAGES : 0;
        go_on = go_on && thread_preemption_point() == ERR_NONE;
    }
    for (unsigned i = moved; i < MEMORY_LEAF_PAGES; i++) {
        frame_release(pfn(block.value + i), 0);
    }
    return moved == MEMORY_LEAF_PAGES;
}

/* The candidate's views are few, or it is veiled. Holds no lock. */
static bool promote(struct memory *memory, uint64_t page, bool copy)
{
    uint64_t start = align_down(page, MEMORY_LEAF_PAGES);
    for (bool again = copy;; again = false) {
        spin_lock(&memory->lock);
        bool ready = views_are_ready(memory, start, MEMORY_LEAF_PAGES);
        struct memory_node *leaf = ready ? candidate(memory, page) : NULL;
        bool done = leaf != NULL && join(memory, page, leaf);
        spin_unlock(&memory->lock);
        if (done || leaf == NULL || !again || !move(memory, page)) {
            return done;
        }
    }
}

bool memory_promote(struct memory *memory, uint64_t page, bool copy)
{
    if (memory->kind != MEMORY_ANONYMOUS) {
        return false;
    }
    step_begin();
    spin_lock(&memory->lock);
    bool veil = !views_are_few(memory) && candidate(memory, page) != NULL;
    spin_unlock(&memory->lock);
    if (veil && veil_leaf(memory, page) != ERR_NONE) {
        return false;
    }
    bool done = promote(memory, page, copy);
    veil_end(memory);
    return done;
}
