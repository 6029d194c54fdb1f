/*
 * Keeping the kernel's chunks apart from all others, where the platform asks for it (frame_keep_apart): then
 * no chunk has frames of the kernel and of somebody else, and the platform is told when a chunk becomes the
 * kernel's and when it stops being so, to show it to the kernel and to hide it.
 *
 * Hiding takes long, since all CPUs have to forget the chunk. So what the kernel has no frames in any more
 * goes into the stock first, from where the kernel takes it back for nothing; the stock is given up as a
 * whole, in idle time (frame_drain), or when memory is short. While that is under way its chunks are nowhere;
 * so it is done by whoever has the drain lock, which everybody passes before he is refused.
 */
#include "kernel/mm/frame_state.h"

bool frame_groups_mix(unsigned a, unsigned b)
{
    return !frames.watch || (a != GROUP_KERNEL && b != GROUP_KERNEL);
}

void frame_whole_assign(uint64_t index, uint64_t chunks, unsigned group)
{
    for (uint64_t k = 0; k < chunks; k++)
        frame_chunk_assign(index + k * CHUNK_FRAMES, group);
    if (frame_is_apart(group))
        frames.watch->enter(frame_at(index), (pages_t){chunks * CHUNK_FRAMES});
}

/* Where the frames that a group can use end. */
static uint64_t group_end(unsigned group)
{
    return frame_is_apart(group) ? frames.kernel_end : UINT64_MAX;
}

static bool take_stock(uint64_t *index)
{
    uint64_t c = frame_set_lowest(&frames.chunk_shape, frames.stock);
    if (c == FRAME_SET_NONE)
        return false;
    frame_set_remove(&frames.chunk_shape, frames.stock, c);
    frames.stocked--;
    *index = c * CHUNK_FRAMES;
    return true;
}

bool frame_is_for(uint64_t index, unsigned group)
{
    uint64_t frame = frame_at(index).value;
    unsigned chunks = frame_group_at(index);
    return frame < group_end(group) &&
           (chunks == group || frame_groups_mix(chunks, group) || frame_blocks_order_at(frame) >= 0);
}

bool frame_whole_take(unsigned order, unsigned group, uint64_t *index)
{
    uint64_t first, end = group_end(group);
    if (frame_is_apart(group) && order == CHUNK_ORDER && take_stock(index))
        return true;
    if (end < frames.mapped << SECTION_ORDER ? !frame_blocks_take_within(order, 0, end, &first)
                                             : !frame_blocks_take(order, &first))
        return false;
    *index = frame_index_mapped(first);
    if (frame_is_apart(group))
        frame_whole_assign(*index, (uint64_t)1 << (order - CHUNK_ORDER), group);
    return true;
}

bool frame_whole_take_within(unsigned order, unsigned group, uint64_t low, uint64_t high, uint64_t *first)
{
    uint64_t end = group_end(group);
    if (!frame_blocks_take_within(order, low, high < end ? high : end, first))
        return false;
    if (frame_is_apart(group))
        frame_whole_assign(frame_index_mapped(*first), (uint64_t)1 << (order - CHUNK_ORDER), group);
    return true;
}

void frame_whole_give(uint64_t index, unsigned order, unsigned group)
{
    if (!frame_is_apart(group)) {
        frame_blocks_give(frame_at(index).value, order);
        return;
    }
    for (uint64_t c = index / CHUNK_FRAMES, end = c + ((uint64_t)1 << (order - CHUNK_ORDER)); c < end; c++) {
        frame_set_add(&frames.chunk_shape, frames.stock, c);
        frames.stocked++;
    }
}

/* All of the stock leaves the kernel, some at a time. With the drain lock, without the pool's. */
void frame_stock_give_up(void)
{
    uint32_t indices[STOCK_BATCH];
    uint64_t index;
    unsigned count;
    do {
        frame_pool_lock();
        for (count = 0; count < STOCK_BATCH && take_stock(&index); count++)
            indices[count] = (uint32_t)index;
        frame_pool_unlock();
        for (unsigned k = 0; k < count; k++)
            frames.watch->leave(frame_at(indices[k]), (pages_t){CHUNK_FRAMES});
        if (count == 0)
            return;
        frames.watch->left();
        frame_pool_lock();
        for (unsigned k = 0; k < count; k++) {
            frame_chunk_assign(indices[k], GROUP_USER);
            frame_blocks_give(frame_at(indices[k]).value, CHUNK_ORDER);
        }
        frame_pool_unlock();
    } while (count == STOCK_BATCH);
}

void frame_keep_apart(const struct frame_watch *watch, pfn_t kernel_end)
{
    frames.watch = watch;
    frames.kernel_end = kernel_end.value;
}

bool frame_is_kernels(pfn_t frame)
{
    uint64_t index = frame_index(frame);
    return frames.watch && index != NO_INDEX && index >= SECTION_FRAMES &&
           frame_group_at(index) == GROUP_KERNEL;
}

bool frame_tidy(void)
{
    if (__atomic_load_n(&frames.stocked, __ATOMIC_RELAXED) == 0)
        return false;
    if (__atomic_exchange_n(&frames.drain, 1, __ATOMIC_ACQUIRE))
        return false; /* somebody else does it, or something larger */
    frame_stock_give_up();
    frame_unlock(&frames.drain);
    return true;
}
