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
    return order < CHUNK_ORDER ? take_in_group(order, group, index) : frame_whole_take(order, group, index);
}

bool frame_pool_take_mixed(unsigned order, unsigned group, uint64_t *index)
{
    if (frame_pool_take(order, group, index))
        return true;
    for (unsigned other = 0; other < GROUPS && order < CHUNK_ORDER; other++)
        if (other != group && frame_groups_mix(group, other) && frame_chunk_take(order, other, true, index))
            return true;
    return false;
}

bool frame_pool_take_within(unsigned order, unsigned group, uint64_t low, uint64_t high, uint64_t *index)
{
    uint64_t limit = frames.mapped << SECTION_ORDER, first;
    high = high < limit ? high : limit;
    if (low >= high)
        return false;
    if (order < CHUNK_ORDER)
        return frame_chunk_take_within(order, group, low, high, index);
    if (!frame_whole_take_within(order, group, low, high, &first))
        return false;
    *index = frame_index_mapped(first);
    return true;
}

void frame_pool_give(uint64_t index, unsigned order, unsigned group)
{
    if (order >= CHUNK_ORDER)
        frame_whole_give(index, order, group);
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
