/* Trees and books of memory objects; see memory_check.h. */
#include "tests/host/host.h"

#include "tests/host/memory_check.h"

#include "kernel/mm/memory_tree.h"

uint32_t memory_check_account;

struct sums {
    uint64_t resident, large, pinned;
    struct memory_cost nodes;
};

static void add_node(struct sums *sums, const struct memory_node *node)
{
    struct memory_cost cost = node_cost(node->capacity);
    sums->nodes.frames += cost.frames;
    sums->nodes.bytes += cost.bytes;
}

static void check_leaf(const struct memory_node *leaf, struct sums *sums)
{
    uint64_t filled = 0, pinned = 0, holes = 0;
    for (unsigned i = 0; i < leaf->capacity; i++) {
        uint64_t slot = leaf->slots[i];
        filled += slot != 0;
        holes += slot == SLOT_HOLE;
        pinned += (slot & SLOT_PINS) != 0;
        assert_true(slot == 0 || slot == SLOT_HOLE || (slot & SLOT_PRESENT) != 0);
        sums->pinned += slot >> 48;
        if ((slot & SLOT_PRESENT) != 0) {
            assert_int_equal(frame_class_of(slot_frame(slot)), FRAME_USER_ANONYMOUS);
            assert_true(leaf->counted || !frame_is_shared(slot_frame(slot)));
            assert_true(frame_account_of(slot_frame(slot)) <= memory_check_account);
        }
    }
    assert_int_equal(filled, leaf->filled);
    assert_int_equal(pinned, leaf->pinned);
    assert_true(holes == 0 || leaf->has_under);
    assert_true(pinned == 0 || leaf->references == 1);
    assert_true(filled > 0 || leaf->has_under);
    assert_true(!leaf->has_under || filled < NODE_SLOTS);
    sums->resident += leaf_resident(leaf);
}

static void check_link(const struct memory *memory, uint64_t link, uint32_t level, struct sums *sums)
{
    if (link_is_block(link)) {
        assert_int_equal(level, 0);
        sums->resident += MEMORY_LEAF_PAGES;
        sums->large += MEMORY_LEAF_PAGES;
        sums->nodes.frames++;
        sums->nodes.bytes += sizeof(struct memory_node);
        return;
    }
    const struct memory_node *node = link_node(link);
    add_node(sums, node);
    assert_true(link != memory->root || node->capacity == memory->root_capacity);
    if (level == 0) {
        check_leaf(node, sums);
        return;
    }
    uint64_t filled = 0;
    for (unsigned i = 0; i < node->capacity; i++) {
        if (node->slots[i] != 0) {
            filled++;
            check_link(memory, node->slots[i], level - 1, sums);
        }
    }
    assert_true(filled > 0);
    assert_int_equal(filled, node->filled);
}

static void check_books(const struct memory *memory, const struct sums *sums)
{
    if (memory->sparse || memory->kind == MEMORY_PHYSICAL) {
        assert_int_equal(memory->paid_frames, sums->resident + sums->nodes.frames);
        assert_int_equal(memory->paid_bytes, sums->nodes.bytes);
        return;
    }
    struct memory_cost least = object_cost(memory->pages.value, memory->height, memory->root_capacity);
    assert_int_equal(memory->paid_frames, least.frames);
    /* When the slots of a root have become a frame, what was paid for them before stays paid. */
    assert_true(memory->paid_bytes >= least.bytes);
    assert_true(memory->paid_bytes - least.bytes <= NODE_SLOTS / 2 * sizeof(uint64_t));
    assert_true(memory->paid_frames >= sums->resident + sums->nodes.frames);
}

void memory_check(const struct memory *memory)
{
    struct sums sums = {0};
    if (memory->root != 0) {
        check_link(memory, memory->root, memory->height, &sums);
    }
    assert_int_equal(memory->resident, sums.resident);
    assert_int_equal(memory->large, sums.large);
    assert_int_equal(memory->pins, sums.pinned);
    check_books(memory, &sums);
}
