/*
 * Leaf nodes: made, copied when they are shared, and put in the place of blocks; see memory_tree.h.
 */
#include "kernel/mm/contents.h"
#include "kernel/mm/memory_tree.h"
#include "lib/text.h"

static uint64_t promoted, demoted; /* atomic */

void note_promoted(void)
{
    __atomic_fetch_add(&promoted, 1, __ATOMIC_RELAXED);
}

void note_demoted(void)
{
    __atomic_fetch_add(&demoted, 1, __ATOMIC_RELAXED);
}

void memory_count_changes(uint64_t *promoted_out, uint64_t *demoted_out)
{
    *promoted_out = __atomic_load_n(&promoted, __ATOMIC_RELAXED);
    *demoted_out = __atomic_load_n(&demoted, __ATOMIC_RELAXED);
}

uint64_t leaf_resident(const struct memory_node *leaf)
{
    if (!leaf->has_under) {
        return leaf->filled; /* there are no holes */
    }
    uint64_t count = 0;
    for (uint32_t i = 0; i < leaf->capacity; i++) {
        count += leaf_has(leaf, i);
    }
    return count;
}

/* --- copies -----------------------------------------------------------------------------------------------
 */

/* A frame with the same contents, for a slot. */
static enum error copy_of(const struct memory *memory, pfn_t frame, uint64_t *slot)
{
    pfn_t copy;
    enum error error = uncharged_frame(memory->object.account, FRAME_USER_ANONYMOUS, &copy);
    if (error == ERR_NONE) {
        contents_copy(copy, frame);
        *slot = copy.value | SLOT_PRESENT;
    }
    return error;
}

/* The slot of the copy: the same frame with one holder more, or another one when that cannot be counted. So
 * it is also for the block under the node, without which there are no holes. */
static enum error slot_copy(const struct memory *memory, const struct memory_node *old, uint32_t index,
                            bool without_under, uint64_t *out)
{
    uint64_t slot = old->slots[index];
    *out = slot;
    if ((slot & SLOT_PRESENT) != 0) {
        return frame_share(slot_frame(slot)) ? ERR_NONE : copy_of(memory, slot_frame(slot), out);
    }
    if (without_under) {
        *out = 0;
    }
    return without_under && slot == 0 ? copy_of(memory, pfn(old->under.value + index), out) : ERR_NONE;
}

/* The slots of the copy from this one on, one by one. Are they all the same? On failure what there is in the
 * copy is all that it holds. */
static bool slots_copy(const struct memory *memory, const struct memory_node *old, struct memory_node *copy,
                       size_t first, enum error *error)
{
    bool same = true, without_under = old->has_under && !copy->has_under;
    copy->filled = 0;
    for (uint32_t i = 0; *error == ERR_NONE && i < old->capacity; i++) {
        uint64_t slot = copy->slots[i];
        *error = i < first ? ERR_NONE : slot_copy(memory, old, i, without_under, &slot);
        same = same && slot == old->slots[i];
        copy->slots[i] = *error == ERR_NONE ? slot : 0;
        copy->filled += copy->slots[i] != 0;
    }
    return same;
}

/* The usual case at once: the copy has all frames of the old one, with one holder more each. Returns how many
 * slots it has. */
static size_t slots_share(const struct memory_node *old, struct memory_node *copy)
{
    if (old->has_under && !copy->has_under) {
        return 0;
    }
    size_t done = frame_share_row(old->slots, old->capacity, SLOT_FRAME, SLOT_PRESENT);
    memcpy(copy->slots, old->slots, done * sizeof(uint64_t));
    copy->filled = old->filled;
    return done;
}

/*
 * A node of the object's own with the same pages as one that it shares, for the 2 MiB around this page. The
 * old one is as before. Views stay right: they show what both have, and nobody can write to what is shared.
 * Only where another frame had to be taken they are hidden.
 */
static enum error leaf_copy(struct memory *memory, uint64_t page, struct memory_node *old, uint32_t capacity,
                            struct memory_node **out)
{
    struct memory_node *copy;
    enum error error = node_make(memory, capacity, &copy);
    if (error != ERR_NONE) {
        return error;
    }
    /* Whoever gets the old one for himself alone must know of the frames' other holders by then. */
    __atomic_store_n(&old->counted, true, __ATOMIC_RELAXED);
    copy->counted = true;
    copy->has_under = old->has_under && frame_share(old->under);
    copy->under = old->under;
    size_t shared = slots_share(old, copy);
    bool same = shared == old->capacity || slots_copy(memory, old, copy, shared, &error);
    if (error != ERR_NONE) {
        link_release(node_link(copy));
        return error;
    }
    arch_this_cpu()->faults.nodes++;
    if (!same) {
        views_hide(memory, align_down(page, MEMORY_LEAF_PAGES), MEMORY_LEAF_PAGES);
    }
    *out = copy;
    return ERR_NONE;
}

/* In place of a shared leaf node, one of the object's own. */
static enum error leaf_unshare(struct memory *memory, uint64_t page, uint64_t *link, struct memory_node **out)
{
    struct memory_node *old = link_node(*link);
    enum error error = leaf_copy(memory, page, old, old->capacity, out);
    if (error == ERR_NONE) {
        *link = node_link(*out);
        link_release(node_link(old)); /* the copy holds all that it held, so nothing is freed that is seen */
    }
    return error;
}

static enum error leaf_make(struct memory *memory, uint64_t page, uint64_t *link, struct memory_node **out)
{
    enum error error = level_make(memory, 0, out);
    if (error == ERR_NONE) {
        link_set(memory, page, link, node_link(*out));
    }
    return error;
}

enum error leaf_own(struct memory *memory, uint64_t page, struct memory_node **out)
{
    uint64_t *link;
    enum error error = link_make(memory, page, &link);
    if (error == ERR_NONE && *link == 0) {
        error = leaf_make(memory, page, link, out);
    } else if (error == ERR_NONE && node_is_shared(link_node(*link))) {
        error = leaf_unshare(memory, page, link, out);
    } else if (error == ERR_NONE) {
        *out = link_node(*link);
    }
    if (error != ERR_NONE && link_at(memory, page) == 0) {
        link_clear(memory, page); /* the nodes that were made in vain */
    }
    return error;
}

enum error leaf_widen_root(struct memory *memory, uint32_t capacity)
{
    struct memory_node *old = link_node(memory->root), *copy;
    if (!node_is_shared(old)) {
        return node_widen(memory, old, capacity);
    }
    enum error error = leaf_copy(memory, 0, old, capacity, &copy);
    if (error == ERR_NONE) {
        memory->root = node_link(copy);
        link_release(node_link(old));
    }
    return error;
}

/* --- blocks -----------------------------------------------------------------------------------------------
 */

/* The frames of the block that the node has alone go into its slots; those that are covered are freed. */
static void take_apart(struct memory_node *leaf)
{
    enum error error = frame_split(leaf->under, BLOCK_ORDER, 0);
    ASSERT(error == ERR_NONE);
    for (uint32_t i = 0; i < NODE_SLOTS; i++) {
        pfn_t frame = pfn(leaf->under.value + i);
        if (leaf->slots[i] == 0) {
            leaf->slots[i] = frame.value | SLOT_PRESENT;
            leaf->filled++;
        } else {
            frame_release(frame, 0);
            bool hole = leaf->slots[i] == SLOT_HOLE;
            leaf->filled -= hole;
            leaf->slots[i] = hole ? 0 : leaf->slots[i];
        }
    }
    leaf->has_under = false;
}

enum error leaf_from_block(struct memory *memory, uint64_t page, struct memory_node **out)
{
    uint64_t *link = link_find(memory, page);
    enum error error = node_make(memory, NODE_SLOTS, out); /* paid with the block */
    if (error != ERR_NONE) {
        return error;
    }
    (*out)->has_under = true;
    (*out)->under = link_block(*link);
    *link = node_link(*out);
    memory->large -= MEMORY_LEAF_PAGES;
    note_demoted();
    if (!frame_is_shared((*out)->under)) {
        take_apart(*out);
    } else {
        views_hide(memory, align_down(page, MEMORY_LEAF_PAGES), MEMORY_LEAF_PAGES);
    }
    return ERR_NONE;
}

void leaf_absorb(struct memory *memory, uint64_t page, struct memory_node *leaf)
{
    if (leaf->has_under && !frame_is_shared(leaf->under)) {
        /* Who has covered a page a moment ago may not have flushed yet. */
        views_flush(memory, align_down(page, MEMORY_LEAF_PAGES), MEMORY_LEAF_PAGES);
        take_apart(leaf);
    }
}

void leaf_drop_under(struct memory *memory, uint64_t page, struct memory_node *leaf)
{
    if (!leaf->has_under || leaf->filled < NODE_SLOTS) {
        return;
    }
    views_hide(memory, align_down(page, MEMORY_LEAF_PAGES), MEMORY_LEAF_PAGES);
    leaf->has_under = false;
    for (uint32_t i = 0; i < NODE_SLOTS; i++) {
        if (leaf->slots[i] == SLOT_HOLE) {
            leaf->slots[i] = 0;
            leaf->filled--;
        }
    }
    if (frame_drop(leaf->under)) {
        frame_release(leaf->under, BLOCK_ORDER);
    }
}
