/*
 * Another size for an object; see memory.h.
 */
#include "kernel/mm/memory_tree.h"

enum error memory_begin(struct memory *memory)
{
    spin_lock(&memory->lock);
    while (memory->busy) {
        enum error error = wait_on(&memory->waiting, &memory->lock, "memory object", DEADLINE_NEVER, 0);
        if (error != ERR_NONE) {
            return error;
        }
        spin_lock(&memory->lock);
    }
    memory->busy = 1;
    spin_unlock(&memory->lock);
    return ERR_NONE;
}

void memory_end(struct memory *memory)
{
    spin_lock(&memory->lock);
    memory->busy = 0;
    wait_wake_all(&memory->waiting, ERR_NONE);
    spin_unlock(&memory->lock);
}

/* The shape that the tree has, or is to get. */
struct shape {
    uint64_t pages;
    uint32_t height, capacity;
};

static struct shape shape_for(const struct memory *memory, uint64_t pages)
{
    uint32_t height = height_for(pages) > memory->height ? height_for(pages) : memory->height;
    uint32_t capacity = root_capacity_for(pages, height);
    bool wider = height > memory->height || capacity > memory->root_capacity;
    return (struct shape){pages, height, wider ? capacity : memory->root_capacity};
}

static uint64_t more_than(uint64_t value, uint64_t other)
{
    return value > other ? value - other : 0;
}

/* What an object that pays for all has not paid yet when it gets this shape; or what it has paid too much. */
static struct memory_cost cost_missing(const struct memory *memory, struct shape shape)
{
    struct memory_cost cost = object_cost(shape.pages, shape.height, shape.capacity);
    return (struct memory_cost){more_than(cost.frames, memory->paid_frames),
                                more_than(cost.bytes, memory->paid_bytes)};
}

static struct memory_cost cost_left_over(const struct memory *memory, struct shape shape)
{
    struct memory_cost cost = object_cost(shape.pages, shape.height, shape.capacity);
    return (struct memory_cost){more_than(memory->paid_frames, cost.frames),
                                more_than(memory->paid_bytes, cost.bytes)};
}

/* --- the tree becomes wider or taller
 * ----------------------------------------------------------------------- */

static enum error widen_root(struct memory *memory, uint32_t capacity)
{
    struct memory_node *root = link_node(memory->root);
    struct memory_cost old = node_cost(root->capacity), new = node_cost(capacity);
    if (root->capacity >= capacity) {
        return ERR_NONE;
    }
    enum error error = sparse_charge(memory, new);
    if (error != ERR_NONE) {
        return error;
    }
    error = memory->height == 0 ? leaf_widen_root(memory, capacity) : node_widen(memory, root, capacity);
    sparse_refund(memory, error == ERR_NONE ? old : new);
    return error;
}

/* Nodes for the levels above the root. On failure none is left. */
static enum error make_levels(struct memory *memory, struct shape shape,
                              struct memory_node *levels[HEIGHT_MOST + 1])
{
    enum error error = ERR_NONE;
    uint32_t level = memory->height + 1;
    for (; error == ERR_NONE && level <= shape.height; level++) {
        uint32_t capacity = level == shape.height ? shape.capacity : NODE_SLOTS;
        error = sparse_charge(memory, node_cost(capacity));
        if (error == ERR_NONE) {
            error = node_make(memory, capacity, &levels[level]);
            if (error != ERR_NONE) {
                sparse_refund(memory, node_cost(capacity));
            }
        }
    }
    for (level = error != ERR_NONE ? level - 1 : 0; level > memory->height + 1; level--) {
        sparse_refund(memory, node_cost(levels[level - 1]->capacity));
        node_free(levels[level - 1]);
    }
    return error;
}

static enum error raise_root(struct memory *memory, struct shape shape)
{
    struct memory_node *levels[HEIGHT_MOST + 1];
    enum error error = make_levels(memory, shape, levels);
    if (error != ERR_NONE) {
        return error;
    }
    error = widen_root(memory, NODE_SLOTS);
    for (uint32_t level = memory->height + 1; level <= shape.height; level++) {
        if (error == ERR_NONE) {
            levels[level]->slots[0] = memory->root;
            levels[level]->filled = 1;
            memory->root = node_link(levels[level]);
        } else {
            sparse_refund(memory, node_cost(levels[level]->capacity));
            node_free(levels[level]);
        }
    }
    return error;
}

static enum error reshape(struct memory *memory, struct shape shape)
{
    enum error error = ERR_NONE;
    if (memory->root != 0) {
        error =
            shape.height > memory->height ? raise_root(memory, shape) : widen_root(memory, shape.capacity);
    }
    if (error == ERR_NONE) {
        memory->height = shape.height;
        memory->root_capacity = shape.capacity;
        memory_set_pages(memory, shape.pages);
    }
    return error;
}

/* The object is locked. */
static enum error grow(struct memory *memory, uint64_t pages)
{
    struct shape shape = shape_for(memory, pages);
    struct memory_cost more = {0};
    if (!memory->sparse) {
        more = cost_missing(memory, shape);
        enum error error = memory_charge(memory, more);
        if (error != ERR_NONE) {
            return error;
        }
    }
    enum error error = reshape(memory, shape);
    if (error != ERR_NONE) {
        memory_refund(memory, more);
    }
    return error;
}

/* A leaf node that is the root and others have, too, may need other frames when it is copied. The object is
 * locked; not on failure. */
static enum error prepare_root(struct memory *memory)
{
    bool copied = memory->height == 0 && memory->root != 0 && node_is_shared(link_node(memory->root));
    if (!copied || views_are_few(memory)) {
        return ERR_NONE;
    }
    enum error error = veil_take(memory);
    if (error == ERR_NONE) {
        veil_draw(memory, 0, MEMORY_LEAF_PAGES, true);
    }
    return error;
}

/* The object is not locked. */
static enum error shrink(struct memory *memory, uint64_t pages)
{
    uint64_t gone = memory->pages.value - pages;
    enum error error = memory_lock_for_removal(memory, pages, gone);
    if (error != ERR_NONE) {
        return error;
    }
    error = memory_prepare_edges(memory, pages, gone);
    if (error != ERR_NONE) {
        veil_lift(memory);
        spin_unlock(&memory->lock);
        return error;
    }
    memory_set_pages(memory, pages);
    memory_remove(memory, pages, gone);
    if (!memory->sparse) {
        spin_lock(&memory->lock);
        memory_refund(memory, cost_left_over(memory, shape_for(memory, pages)));
        spin_unlock(&memory->lock);
    }
    return ERR_NONE;
}

enum error memory_resize(struct memory *memory, pages_t pages)
{
    if (!memory_has_tree(memory)) {
        return ERR_UNSUPPORTED;
    }
    if (pages.value > MEMORY_LARGEST) {
        return ERR_TOO_LARGE;
    }
    enum error error = memory_begin(memory);
    if (error != ERR_NONE) {
        return error;
    }
    if (pages.value < memory->pages.value) {
        error = shrink(memory, pages.value);
    } else {
        spin_lock(&memory->lock);
        error = prepare_root(memory);
        if (error == ERR_NONE) {
            error = grow(memory, pages.value);
            veil_lift(memory);
            spin_unlock(&memory->lock);
        }
    }
    memory_end(memory);
    return error;
}
