/*
 * The blocks of order 1 to 9 that a CPU has at hand: a stack per order, and per group but for whole chunks.
 * What finds no place goes to the pool by halves of a stack, the older half first, and an empty stack gets
 * half of what it can hold; so the pool is met once in so many operations, however they alternate. Whole
 * chunks come from the pool, and go there, in as few and as large blocks as they make, and are taken apart
 * and put together outside of its lock.
 */
#include "kernel/mm/frame_state.h"

/* A free block on its way between a stack and the pool. */
struct piece {
    uint32_t index;
    uint32_t order;
};

static bool refill_blocks(struct frame_stack *stack, unsigned order, unsigned group)
{
    uint32_t pos = stack->capacity / 2, got = 0;
    uint64_t index;
    frame_pool_lock();
    /* So that the lowest, which comes first, is given out first. */
    for (; pos > 0 && frame_pool_take(order, group, &index); got++)
        stack->item[--pos] = (uint32_t)index;
    frame_pool_unlock();
    for (; stack->count < got; stack->count++)
        stack->item[stack->count] = stack->item[pos + stack->count];
    return got != 0;
}

/* The smallest free blocks of whole chunks, those of one order and not more chunks than are wanted, or a part
 * of one. Returns how many; 0 when there are none. */
static uint32_t take_smallest(unsigned *order, uint32_t want, uint64_t *first)
{
    unsigned most = CHUNK_ORDER + 31u - (unsigned)__builtin_clz(want);
    *order = frame_blocks_smallest(CHUNK_ORDER);
    if (*order <= most)
        return frame_blocks_take_some(*order, want >> (*order - CHUNK_ORDER), first);
    *order = most;
    return frame_blocks_take(most, first);
}

/* As few and as small free blocks of whole chunks as make up the number wanted. Returns how many blocks. */
static uint32_t take_pieces(struct piece *pieces, uint32_t want)
{
    uint32_t count = 0, got;
    uint64_t first[HALF_CHUNKS];
    unsigned order;
    frame_pool_lock();
    while (want > 0 && (got = take_smallest(&order, want, first)) > 0) {
        want -= got << (order - CHUNK_ORDER);
        for (uint32_t i = 0; i < got; i++)
            pieces[count++] = (struct piece){(uint32_t)frame_index_mapped(first[i]), order};
    }
    frame_pool_unlock();
    return count;
}

static bool refill_chunks(struct frame_stack *stack)
{
    struct piece pieces[HALF_CHUNKS];
    uint32_t count = take_pieces(pieces, stack->capacity / 2), *top = stack->item + stack->count;
    for (uint32_t p = count; p-- > 0;) {
        uint32_t index = pieces[p].index + (1u << pieces[p].order);
        do
            *top++ = index -= CHUNK_FRAMES;
        while (index > pieces[p].index);
    }
    stack->count = (uint32_t)(top - stack->item);
    return count != 0;
}

bool frame_stack_refill(struct frame_cpu *cpu, unsigned order, unsigned group)
{
    struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
    cpu->trips++;
    return order == CHUNK_ORDER ? refill_chunks(stack) : refill_blocks(stack, order, group);
}

/* Chunks that were taken off a stack come back the other way round: turn the first of them that did. */
static void turn_round(uint32_t *chunks, uint32_t count)
{
    uint32_t low = 0, high = 0;
    while (high + 1 < count && chunks[high + 1] + CHUNK_FRAMES == chunks[high])
        high++;
    for (; low < high; low++, high--) {
        uint32_t chunk = chunks[low];
        chunks[low] = chunks[high];
        chunks[high] = chunk;
    }
}

/*
 * How many of these chunks, from the first on, are the parts of one larger block, in order: a power of two,
 * not more than `most`. Consecutive indices can be on both sides of a hole.
 */
static uint32_t chunks_in_one(const uint32_t *chunks, uint32_t count, uint32_t most)
{
    uint64_t first = frame_at(chunks[0]).value / CHUNK_FRAMES | most;
    uint32_t run = 1, aligned = (uint32_t)(first & -first);
    count = count < aligned ? count : aligned;
    while (run < count && chunks[run] == chunks[0] + run * CHUNK_FRAMES)
        run++;
    run = 1u << (31 - __builtin_clz(run));
    while (frame_at(chunks[run - 1]).value - frame_at(chunks[0]).value != (run - 1ul) * CHUNK_FRAMES)
        run /= 2;
    return run;
}

/* The block that begins at this place of the stack, at most a half. */
static struct piece piece_at(const struct frame_stack *stack, unsigned order, uint32_t at)
{
    uint32_t parts = 1;
    if (order == CHUNK_ORDER) {
        turn_round(stack->item + at, stack->count - at);
        parts = chunks_in_one(stack->item + at, stack->count - at, stack->capacity / 2);
    }
    return (struct piece){stack->item[at], order + (unsigned)__builtin_ctz(parts)};
}

void frame_stack_give_all(struct frame_stack *stack, unsigned order)
{
    for (uint32_t at = 0; at < stack->count;) {
        struct piece piece = piece_at(stack, order, at);
        frame_pool_give(piece.index, piece.order, GROUP_USER);
        at += 1u << (piece.order - order);
    }
    stack->count = 0;
}

/* At least the older half, and what belongs to the last block of it. */
static void give_half(struct frame_stack *stack, unsigned order)
{
    struct piece pieces[HALF_CHUNKS];
    uint32_t half = stack->capacity / 2, given = 0, count = 0;
    for (; given < half; given += 1u << (pieces[count++].order - order))
        pieces[count] = piece_at(stack, order, given);
    frame_pool_lock();
    for (uint32_t p = 0; p < count; p++)
        frame_pool_give(pieces[p].index, pieces[p].order, GROUP_USER);
    frame_pool_unlock();
    stack->count -= given;
    for (uint32_t k = 0; k < stack->count; k++)
        stack->item[k] = stack->item[given + k];
}

void frame_stack_put(struct frame_cpu *cpu, uint64_t index, unsigned order, unsigned group)
{
    struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
    if (stack->count == stack->capacity)
        give_half(stack, order);
    stack->item[stack->count++] = (uint32_t)index;
}
