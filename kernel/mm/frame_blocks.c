/*
 * The buddy system over whole chunks: blocks of 2 MiB x 2^k up to 1 GiB. Per order one set of the free
 * blocks, which is at once the map of which blocks are free and the way to the lowest one. A taken block is
 * the lowest of the smallest order that will do; what it has too much is split off by halves. A block given
 * back merges with its buddy as long as that is free.
 *
 * Members of the sets are "places": the existing 1 GiB regions are numbered, and a frame's place is the
 * number of its region x 2^18 + the frame in the region; so a buddy is found by flipping one bit.
 */
#include "kernel/mm/frame_state.h"

static uint64_t place_of(uint64_t frame)
{
    return ((uint64_t)frames.region_of[frame >> REGION_ORDER] << REGION_ORDER) |
           (frame & (REGION_FRAMES - 1));
}

static uint64_t frame_at_place(uint64_t place)
{
    return ((uint64_t)frames.region_frame[place >> REGION_ORDER] << REGION_ORDER) |
           (place & (REGION_FRAMES - 1));
}

static void add_block(unsigned order, uint64_t place)
{
    unsigned k = order - CHUNK_ORDER;
    if (frame_set_add(&frames.block_shape[k], frames.blocks[k], place >> order))
        frames.block_orders |= 1u << k;
    frames.block_counts[k]++;
}

static void remove_block(unsigned order, uint64_t place)
{
    unsigned k = order - CHUNK_ORDER;
    if (frame_set_remove(&frames.block_shape[k], frames.blocks[k], place >> order))
        frames.block_orders &= ~(1u << k);
    frames.block_counts[k]--;
}

/* Take [place, + 2^order) out of the free block of order `from` at `block`, and add back what is left of it.
 */
static void carve(unsigned from, uint64_t block, unsigned order, uint64_t place)
{
    remove_block(from, block);
    while (from-- > order) {
        uint64_t half = (uint64_t)1 << from;
        bool upper = (place & half) != 0;
        add_block(from, upper ? block : block + half);
        block += upper ? half : 0;
    }
}

unsigned frame_blocks_smallest(unsigned order)
{
    uint32_t orders = frames.block_orders >> (order - CHUNK_ORDER);
    return orders ? order + (unsigned)__builtin_ctz(orders) : FRAME_ORDERS;
}

bool frame_blocks_take(unsigned order, uint64_t *first)
{
    uint32_t orders = frames.block_orders >> (order - CHUNK_ORDER);
    if (orders == 0)
        return false;
    unsigned found = order + (unsigned)__builtin_ctz(orders), k = found - CHUNK_ORDER;
    uint64_t place = frame_set_lowest(&frames.block_shape[k], frames.blocks[k]) << found;
    carve(found, place, order, place);
    *first = frame_at_place(place);
    return true;
}

uint32_t frame_blocks_take_some(unsigned order, uint32_t most, uint64_t *first)
{
    unsigned k = order - CHUNK_ORDER;
    uint64_t *set = frames.blocks[k], member = frame_set_lowest(&frames.block_shape[k], set);
    uint64_t base = align_down(member, 64), bits = set[base / 64];
    uint32_t got = 0;
    for (; got < most && bits != 0; bits &= bits - 1) {
        member = base + bit_lowest(bits);
        first[got++] = frame_at_place(member << order);
    }
    set[base / 64] = bits | (uint64_t)1 << member % 64; /* the last one goes the usual way */
    remove_block(order, member << order);
    frames.block_counts[k] -= got - 1;
    return got;
}

void frame_blocks_give(uint64_t first, unsigned order)
{
    uint64_t place = place_of(first);
    for (; order < REGION_ORDER; order++) {
        uint64_t buddy = place ^ (uint64_t)1 << order;
        if (!frame_set_has(frames.blocks[order - CHUNK_ORDER], buddy >> order))
            break;
        remove_block(order, buddy);
        place &= ~((uint64_t)1 << order);
    }
    add_block(order, place);
}

int frame_blocks_order_at(uint64_t frame)
{
    uint64_t place = place_of(frame);
    for (unsigned order = CHUNK_ORDER; order <= REGION_ORDER; order++)
        if (frame_set_has(frames.blocks[order - CHUNK_ORDER], place >> order))
            return (int)order;
    return -1;
}

/* The first place whose frame is at least `frame`. */
static uint64_t first_place(uint64_t frame)
{
    uint64_t low = 0, high = frames.regions;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (frames.region_frame[middle] < frame >> REGION_ORDER)
            low = middle + 1;
        else
            high = middle;
    }
    bool inside = low < frames.regions && frames.region_frame[low] == frame >> REGION_ORDER;
    return (low << REGION_ORDER) + (inside ? frame & (REGION_FRAMES - 1) : 0);
}

/* In the free blocks of order `from`: the lowest block of `order` within [low, high). */
static bool take_from_order(unsigned from, unsigned order, uint64_t low, uint64_t high, uint64_t *first)
{
    unsigned k = from - CHUNK_ORDER;
    uint64_t member = first_place(low) >> from;
    for (;; member++) {
        member = frame_set_next(&frames.block_shape[k], frames.blocks[k], member);
        if (member == FRAME_SET_NONE)
            return false;
        uint64_t begin = frame_at_place(member << from), end = begin + ((uint64_t)1 << from);
        uint64_t at = align_up(begin > low ? begin : low, (uint64_t)1 << order);
        if (at >= high)
            return false;
        uint64_t limit = end < high ? end : high;
        if (at < limit && limit - at >= (uint64_t)1 << order) {
            carve(from, member << from, order, place_of(at));
            *first = at;
            return true;
        }
    }
}

bool frame_blocks_take_within(unsigned order, uint64_t low, uint64_t high, uint64_t *first)
{
    for (unsigned from = order; from < FRAME_ORDERS; from++)
        if (frames.block_orders >> (from - CHUNK_ORDER) & 1 && take_from_order(from, order, low, high, first))
            return true;
    return false;
}
