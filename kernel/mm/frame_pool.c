/* The pool: chunks and blocks of whole chunks together, any order, under the one lock. */
#include "kernel/mm/frame_state.h"

/* From the group's own chunks, or a new one. */
static bool take_in_group(unsigned order, unsigned group, uint64_t *index)
{
    return frame_chunk_take(order, group, false, index) || frame_chunk_open(order, group, index) ||
           frame_chunk_take(order, group, true, index);
}

bool frame_pool_take(unsigned order, unsigned group, uint64_t *index)
{
    if (order < CHUNK_ORDER)
        return take_in_group(order, group, index);
    uint64_t first;
    if (!frame_blocks_take(order, &first))
        return false;
    *index = frame_index_mapped(first);
    return true;
}

bool frame_pool_take_mixed(unsigned order, unsigned group, uint64_t *index)
{
    return frame_pool_take(order, group, index) ||
           (order < CHUNK_ORDER && frame_chunk_take(order, !group, true, index));
}

bool frame_pool_take_within(unsigned order, unsigned group, uint64_t low, uint64_t high, uint64_t *index)
{
    uint64_t limit = frames.mapped << SECTION_ORDER, first;
    high = high < limit ? high : limit;
    if (low >= high)
        return false;
    if (order < CHUNK_ORDER)
        return frame_chunk_take_within(order, group, low, high, index);
    if (!frame_blocks_take_within(order, low, high, &first))
        return false;
    *index = frame_index_mapped(first);
    return true;
}

void frame_pool_give(uint64_t index, unsigned order)
{
    if (order >= CHUNK_ORDER)
        frame_blocks_give(frame_at(index).value, order);
    else
        frame_chunk_give(index, order);
}

bool frame_pool_is_free(uint64_t index, unsigned order)
{
    int block = frame_blocks_order_at(frame_at(index).value);
    if (block >= 0)
        return (unsigned)block >= order;
    return order < CHUNK_ORDER &&
           bits_all(frames.map[index / CHUNK_FRAMES], index % CHUNK_FRAMES, order, true);
}
