/*
 * Giving blocks back: the fast paths and what they fall back to, as in frame.c.
 */
#include "kernel/mm/frame_state.h"

/* A held block with bad frames in it comes back: the good ones are free, the bad ones never again. */
static void give_around_bad(uint64_t index, unsigned order, unsigned group, bool first_bad)
{
    for (uint64_t i = index; i < index + ((uint64_t)1 << order); i++) {
        if (i == index ? first_bad : record_shape(frame_record(i)) == SHAPE_BAD) {
            frame_set_record(i, RECORD_RETIRED);
            frames.classes[FRAME_BAD]++;
            continue;
        }
        if (order >= CHUNK_ORDER && i % CHUNK_FRAMES == 0)
            frame_chunk_assign(i, group); /* shown already, if it is the kernel's */
        frame_set_record(i, 0);
        frame_chunk_give(i, 0);
    }
}

/* Give back without a cache: large blocks, blocks with bad frames, CPUs without a cache. */
static enum error give_to_pool(uint64_t index, unsigned order)
{
    if (frames.inspector && order < FRAME_ORDERS && frame_is_held(index, order)) {
        if (frame_shares(index) != 0)
            return ERR_BAD_FREE;
        frames.inspector->given(frame_at(index), order, record_class(frame_record(index)),
                                record_account(frame_record(index), frame_note(index)));
    }
    frame_pool_lock();
    uint8_t record = frame_record(index);
    bool held = order < FRAME_ORDERS && frame_is_held(index, order) && record_class(record) != FRAME_RESERVED;
    if (held) {
        enum frame_class class = record_class(record);
        frames.classes[class] -= (int64_t)1 << order;
        frame_set_record(index, 0);
        if (record_shape(record) == SHAPE_RETIRE)
            give_around_bad(index, order, CLASS_GROUP(class), (frame_note(index) & NOTE_FIRST_BAD) != 0);
        else
            frame_pool_give(index, order, CLASS_GROUP(class));
    }
    frame_pool_unlock();
    return held ? ERR_NONE : ERR_BAD_FREE;
}

/* A free frame, whose record is cleared. In the cache; leaves it. */
static inline enum error put_frame(uint64_t index, struct frame_cpu *cpu, struct frame_hand *hand)
{
    if ((uint32_t)(index / 64) == hand->open) {
        uint64_t word = __atomic_load_n(&hand->word, __ATOMIC_RELAXED);
        bit_test_set(&word, index);
        __atomic_store_n(&hand->word, word, __ATOMIC_RELAXED);
        frame_cache_leave(cpu);
        return ERR_NONE;
    }
    hand->item[FREED + hand->freed] = (uint32_t)index;
    if (RARELY(++hand->freed == 0))
        return frame_cache_make_room(index, cpu, hand);
    frame_cache_leave(cpu);
    return ERR_NONE;
}

/* Every case: any order, no cache, misuse. */
static SLOW enum error give(uint64_t index, unsigned order)
{
    struct frame_cpu *cpu = order < CACHED_ORDERS ? frame_cache_enter() : NULL;
    if (cpu == NULL)
        return give_to_pool(index, order);
    uint8_t record = frame_record(index);
    unsigned group = frame_group_at(index);
    /* A block for users can lie among pinned ones, when there was no other. */
    if (record_shape(record) != SHAPE_HELD(order) ||
        (order != 0 && order < CHUNK_ORDER && group >= CACHED_GROUPS)) {
        frame_cache_leave(cpu);
        return give_to_pool(index, order);
    }
    unsigned kind = record & RECORD_KIND_MASK;
    frame_set_record(index, 0);
    cpu->given[kind] += (uint64_t)1 << order;
    if (order == 0)
        return put_frame(index, cpu, &cpu->hand[CLASS_GROUP(record_class(record))]);
    frame_stack_put(cpu, index, order, group);
    frame_cache_leave(cpu);
    return ERR_NONE;
}

/* The fast path for blocks of order 1 and up, as give_frame below. */
static inline enum error give_top(struct frame_cpu *cpu, struct frame_stack *stack, uint64_t index,
                                  unsigned order)
{
    uint8_t record;
    uint32_t count;
    if (RARELY(!frame_cache_try(cpu)) ||
        RARELY(record_shape(record = frame_record(index)) + order != SHAPE_HELD(0)) ||
        RARELY((count = stack->count) == stack->capacity)) {
        frame_cache_leave(cpu);
        return give(index, order);
    }
    frame_set_record(index, 0);
    cpu->given[record & RECORD_KIND_MASK] += (uint64_t)1 << order;
    stack->item[count] = (uint32_t)index;
    stack->count = count + 1;
    frame_cache_leave(cpu);
    return ERR_NONE;
}

/* Blocks of order 1 to 8. */
static SLOW enum error give_piece(uint64_t index, unsigned order)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    return give_top(cpu, &cpu->stack[order - 1][frame_group_at(index)], index, order);
}

static SLOW enum error give_block(uint64_t index, unsigned order)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    if (order == CHUNK_ORDER)
        return give_top(cpu, frame_cpu_stack(cpu, CHUNK_ORDER, 0), index, CHUNK_ORDER);
    return order < CHUNK_ORDER ? give_piece(index, order) : give_to_pool(index, order);
}

/*
 * The fast path for single frames: what is not plain sailing is left to the functions above. The record is
 * looked at when it is known that nobody drains the cache: from then on nobody writes it while it is held.
 */
static inline enum error give_frame(uint64_t index)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    __atomic_store_n(&cpu->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    uint32_t least = __atomic_load_n(&cpu->least, __ATOMIC_ACQUIRE);
    uint64_t record = frame_record(index);
    if (RARELY(record < least)) {
        frame_cache_leave(cpu);
        return give(index, 0);
    }
    frame_set_record(index, 0);
    cpu->given[record - RECORD_SINGLE]++;
    /* Not an address computed from the record, for which the next allocation would have to wait. */
    if (RARELY(record < RECORD_USER))
        return put_frame(index, cpu, &cpu->hand[GROUP_KERNEL]);
    return put_frame(index, cpu, &cpu->hand[GROUP_USER]);
}

enum error frame_free(pfn_t first, unsigned order)
{
    if (RARELY(first.value >> SECTION_ORDER >= frames.mapped))
        return ERR_BAD_FREE;
    uint64_t index = frame_index_mapped(first.value);
    return RARELY(order != 0) ? give_block(index, order) : give_frame(index);
}

size_t frame_free_batch(unsigned order, const pfn_t *blocks, size_t count)
{
    size_t given = 0;
    while (given < count && frame_free(blocks[given], order) == ERR_NONE)
        given++;
    return given;
}
