/*
 * Nodes, links and what they cost; see memory_tree.h.
 */
#include "kernel/mm/memory_tree.h"

#include "kernel/arch/arch.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/tlb.h"
#include "lib/text.h"

/* Links that leaf_next looks at in a row. */
#define LOOKS 512u

static struct slab_cache nodes = SLAB_CACHE_OF("memory node", struct memory_node);

/* --- sizes ------------------------------------------------------------------------------------------------
 */

uint32_t height_for(uint64_t pages)
{
    uint32_t height = pages < MEMORY_LEAF_PAGES ? 0 : 1;
    while (height > 0 && pages > (uint64_t)1 << NODE_SHIFT * (height + 1)) {
        height++;
    }
    return height;
}

/* Nodes of a level that so many pages need. */
static uint64_t nodes_of_level(uint64_t pages, uint32_t level)
{
    uint32_t shift = NODE_SHIFT * (level + 1);
    return (pages >> shift) + ((pages & (((uint64_t)1 << shift) - 1)) != 0);
}

uint32_t root_capacity_for(uint64_t pages, uint32_t height)
{
    uint64_t needed = height == 0 ? pages : nodes_of_level(pages, height - 1);
    uint32_t capacity = NODE_LEAST;
    while (capacity < needed) {
        capacity *= 2;
    }
    return capacity;
}

struct memory_cost node_cost(uint32_t capacity)
{
    bool whole = capacity == NODE_SLOTS;
    return (struct memory_cost){whole,
                                sizeof(struct memory_node) + (whole ? 0 : capacity * sizeof(uint64_t))};
}

struct memory_cost object_cost(uint64_t pages, uint32_t height, uint32_t root_capacity)
{
    struct memory_cost cost = node_cost(root_capacity);
    cost.frames += pages;
    for (uint32_t level = 0; level < height; level++) {
        uint64_t count = nodes_of_level(pages, level);
        cost.frames += count;
        cost.bytes += count * sizeof(struct memory_node);
    }
    return cost;
}

enum error memory_charge(struct memory *memory, struct memory_cost cost)
{
    struct account *account = memory->object.account;
    enum error error = cost.frames > 0 ? account_charge(account, RESOURCE_FRAMES, cost.frames) : ERR_NONE;
    if (error == ERR_NONE && cost.bytes > 0) {
        error = account_charge(account, RESOURCE_BYTES, cost.bytes);
        if (error != ERR_NONE && cost.frames > 0) {
            account_refund(account, RESOURCE_FRAMES, cost.frames);
        }
    }
    if (error == ERR_NONE) {
        memory->paid_frames += cost.frames;
        memory->paid_bytes += cost.bytes;
    }
    return error;
}

void memory_refund(struct memory *memory, struct memory_cost cost)
{
    memory->paid_frames -= cost.frames;
    memory->paid_bytes -= cost.bytes;
    if (cost.frames > 0) {
        account_refund(memory->object.account, RESOURCE_FRAMES, cost.frames);
    }
    if (cost.bytes > 0) {
        account_refund(memory->object.account, RESOURCE_BYTES, cost.bytes);
    }
}

/* --- nodes ------------------------------------------------------------------------------------------------
 */

/* Zeroed. NULL when there is no memory. */
static uint64_t *slots_make(const struct memory *memory, uint32_t capacity)
{
    if (capacity < NODE_SLOTS) {
        return inject_fails() ? NULL : heap_alloc_zeroed(capacity * sizeof(uint64_t));
    }
    pfn_t frame;
    if (uncharged_frame(memory->object.account, FRAME_KERNEL, &frame) != ERR_NONE) {
        return NULL;
    }
    uint64_t *slots = aperture_at(pfn_to_paddr(frame));
    arch_zero_pages(slots, 1);
    return slots;
}

static void slots_free(uint64_t *slots, uint32_t capacity)
{
    if (capacity < NODE_SLOTS) {
        heap_free(slots, capacity * sizeof(uint64_t));
    } else {
        frame_release(aperture_frame(slots), 0);
    }
}

enum error node_make(const struct memory *memory, uint32_t capacity, struct memory_node **out)
{
    struct memory_node *node = inject_fails() ? NULL : slab_alloc_zeroed(&nodes);
    if (node == NULL) {
        return ERR_NO_MEMORY;
    }
    node->slots = slots_make(memory, capacity);
    if (node->slots == NULL) {
        slab_free(&nodes, node);
        return ERR_NO_MEMORY;
    }
    node->capacity = (uint16_t)capacity;
    node->references = 1;
    *out = node;
    return ERR_NONE;
}

void node_free(struct memory_node *node)
{
    slots_free(node->slots, node->capacity);
    slab_free(&nodes, node);
}

enum error node_widen(const struct memory *memory, struct memory_node *node, uint32_t capacity)
{
    uint64_t *slots = slots_make(memory, capacity);
    if (slots == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(slots, node->slots, node->capacity * sizeof(uint64_t));
    slots_free(node->slots, node->capacity);
    node->slots = slots;
    node->capacity = (uint16_t)capacity;
    return ERR_NONE;
}

/* Nobody has the node any more: its pages have one holder less each. */
static __attribute__((noinline)) void leaf_destroy(struct memory_node *leaf)
{
    for (uint32_t i = 0; leaf->filled > 0 && i < leaf->capacity; i++) {
        uint64_t slot = leaf->slots[i];
        leaf->filled -= slot != 0;
        if ((slot & SLOT_PRESENT) != 0 && (!leaf->counted || frame_drop(slot_frame(slot)))) {
            frame_release(slot_frame(slot), 0);
        }
    }
    if (leaf->has_under && frame_drop(leaf->under)) {
        frame_release(leaf->under, BLOCK_ORDER);
    }
    node_free(leaf);
}

uint64_t link_release(uint64_t link)
{
    uint64_t count = 0;
    if (link_is_block(link)) {
        if (frame_drop(link_block(link))) {
            frame_release(link_block(link), BLOCK_ORDER);
            count = MEMORY_LEAF_PAGES;
        }
        return count;
    }
    struct memory_node *leaf = link_node(link);
    if (__atomic_fetch_sub(&leaf->references, 1, __ATOMIC_ACQ_REL) == 1) {
        count = leaf->filled;
        leaf_destroy(leaf);
    }
    return count;
}

/* The same for the slots of a leaf node that the object has alone; the quarantine drops its holders. */
static void leaf_retire(struct memory_node *leaf)
{
    for (uint32_t i = 0; leaf->filled > 0 && i < leaf->capacity; i++) {
        uint64_t slot = leaf->slots[i];
        leaf->filled -= slot != 0;
        if ((slot & SLOT_PRESENT) != 0) {
            tlb_retire_frame(slot_frame(slot), 0);
        }
    }
    if (leaf->has_under) {
        tlb_retire_frame(leaf->under, BLOCK_ORDER);
    }
    node_free(leaf);
}

uint64_t link_retire(uint64_t link, uint64_t request)
{
    if (link_is_block(link)) {
        tlb_retire_frame(link_block(link), BLOCK_ORDER);
        return MEMORY_LEAF_PAGES;
    }
    struct memory_node *leaf = link_node(link);
    if (node_is_shared(leaf)) {
        tlb_wait_for(request);
        return link_release(link);
    }
    uint64_t count = leaf->filled;
    leaf_retire(leaf);
    return count;
}

/* --- links ------------------------------------------------------------------------------------------------
 */

enum error level_make(struct memory *memory, uint32_t level, struct memory_node **out)
{
    uint32_t capacity = level == memory->height ? memory->root_capacity : NODE_SLOTS;
    enum error error = sparse_charge(memory, node_cost(capacity));
    if (error != ERR_NONE) {
        return error;
    }
    error = node_make(memory, capacity, out);
    if (error != ERR_NONE) {
        sparse_refund(memory, node_cost(capacity));
    }
    return error;
}

enum error link_make(struct memory *memory, uint64_t page, uint64_t **out)
{
    uint64_t *link = &memory->root;
    struct memory_node *above = NULL;
    for (uint32_t level = memory->height; level > 0; level--) {
        if (*link == 0) {
            struct memory_node *node;
            enum error error = level_make(memory, level, &node);
            if (error != ERR_NONE) {
                return error;
            }
            *link = node_link(node);
            if (above != NULL) {
                above->filled++;
            }
        }
        above = link_node(*link);
        link = &above->slots[page >> NODE_SHIFT * level & (NODE_SLOTS - 1)];
    }
    *out = link;
    return ERR_NONE;
}

/* The inner node of this level on the way to the page; all of them are there. */
static struct memory_node *inner_at(const struct memory *memory, uint64_t page, uint32_t level)
{
    struct memory_node *node = link_node(memory->root);
    for (uint32_t at = memory->height; at > level; at--) {
        node = link_node(node->slots[page >> NODE_SHIFT * at & (NODE_SLOTS - 1)]);
    }
    return node;
}

void link_set(struct memory *memory, uint64_t page, uint64_t *link, uint64_t value)
{
    *link = value;
    if (memory->height > 0) {
        inner_at(memory, page, 1)->filled++;
    }
}

/* How far down the nodes on the way to the page are there: the lowest level that has one. */
static uint32_t lowest_level(const struct memory *memory, uint64_t page)
{
    uint32_t level = memory->height;
    for (const struct memory_node *node = link_node(memory->root); level > 1; level--) {
        uint64_t below = node->slots[page >> NODE_SHIFT * level & (NODE_SLOTS - 1)];
        if (below == 0) {
            break;
        }
        node = link_node(below);
    }
    return level;
}

void link_clear(struct memory *memory, uint64_t page)
{
    if (memory->height == 0 || memory->root == 0) {
        memory->root = 0;
        return;
    }
    uint32_t level = lowest_level(memory, page);
    bool empty = false; /* the node below has gone */
    for (; level <= memory->height; level++) {
        struct memory_node *node = inner_at(memory, page, level);
        uint64_t *link = &node->slots[page >> NODE_SHIFT * level & (NODE_SLOTS - 1)];
        if (*link != 0 && (level == 1 || empty)) {
            *link = 0;
            node->filled--;
        }
        empty = node->filled == 0;
        if (!empty) {
            return;
        }
        sparse_refund(memory, node_cost(node->capacity));
        node_free(node);
    }
    memory->root = 0;
}

uint64_t leaf_next(struct memory *memory, uint64_t leaf, uint64_t end, bool *more)
{
    *more = false;
    for (unsigned looks = 0; leaf < end; looks++) {
        if (looks == LOOKS) {
            *more = true;
            return leaf;
        }
        uint64_t link = memory->root;
        uint32_t level = memory->height;
        if (level > 0 && link != 0 && leaf >> NODE_SHIFT * (level - 1) >= memory->root_capacity) {
            return end; /* beyond what such an object can have */
        }
        for (; level > 0 && link != 0; level--) {
            link = link_node(link)->slots[leaf >> NODE_SHIFT * (level - 1) & (NODE_SLOTS - 1)];
        }
        if (link != 0) {
            return leaf;
        }
        /* What is missing is a whole subtree: of a node that would have been on `level`. */
        uint32_t shift = NODE_SHIFT * level;
        leaf = ((leaf >> shift) + 1) << shift;
    }
    return end;
}
