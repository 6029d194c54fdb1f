/*
 * Taking and giving back blocks: the fast paths, which touch the CPU's own cache and the record of the block, and
 * what they fall back to. Up to order 9 there is a cache; larger blocks come straight from the pool.
 *
 * The fast paths are leaf code: where something is not at hand they leave the cache again and start over in a
 * function of its own, so that no register has to be saved for a call that is rarely made.
 */
#include "kernel/mm/frame_state.h"

#define RARELY(condition)     __builtin_expect((condition), 0)
#define CLASS_CAN_HOLD(class) ((unsigned)(class) - FRAME_KERNEL <= FRAME_RESERVED - FRAME_KERNEL)
#define SLOW                  __attribute__((noinline))

/* The record of a held block of order 0 and account 0, by class. */
#define HELD(class)                                                                                          \
    [class] = RECORD_HELD | (class) << RECORD_CLASS_SHIFT | CLASS_GROUP(class) << RECORD_GROUP_SHIFT
static const uint32_t held_record[FRAME_CLASSES] = {
    HELD(FRAME_KERNEL),      HELD(FRAME_PAGE_TABLE),  HELD(FRAME_STACK),    HELD(FRAME_USER_ANONYMOUS),
    HELD(FRAME_USER_SHARED), HELD(FRAME_DEVICE),      HELD(FRAME_METADATA), HELD(FRAME_RESERVED),
};

/* Where in a cache the hand for the class is. */
#define HAND(class) [class] = offsetof(struct frame_cpu, hand) + CLASS_GROUP(class) * sizeof(struct frame_hand)
static const uint16_t hand_of_class[FRAME_CLASSES] = {
    HAND(FRAME_KERNEL),      HAND(FRAME_PAGE_TABLE), HAND(FRAME_STACK),    HAND(FRAME_USER_ANONYMOUS),
    HAND(FRAME_USER_SHARED), HAND(FRAME_DEVICE),     HAND(FRAME_METADATA), HAND(FRAME_RESERVED),
};

/* The hand at this offset; its address is kept in one register, which compilers otherwise compute anew. */
static inline struct frame_hand *hand_at(struct frame_cpu *cpu, uint64_t offset)
{
    uint8_t *hand = (uint8_t *)cpu + offset;
    __asm__("" : "+r"(hand));
    return (struct frame_hand *)(void *)hand;
}

/* The hand for the group in a record: its bit, moved to where it counts in hands. */
static inline struct frame_hand *hand_of_record(struct frame_cpu *cpu, uint32_t record)
{
    _Static_assert(sizeof(struct frame_hand) == 64, "a hand's size is a bit of its own");
    uint64_t offset = record >> (RECORD_GROUP_SHIFT - 6) & sizeof(struct frame_hand);
    return hand_at(cpu, offsetof(struct frame_cpu, hand) + offset);
}

/* Note a block that the pool gave. Under the lock. `shape`: order and account, as in a record. */
static void hold(uint32_t shape, enum frame_class class, unsigned group, uint64_t index, pfn_t *out)
{
    unsigned order = shape & RECORD_ORDER_MASK;
    frame_set_record(index, frame_held_record(order, class, group, shape >> RECORD_ACCOUNT_SHIFT));
    frames.classes[class] += (int64_t)1 << order;
    *out = frame_at(index);
}

/* The last resort: bring everything together, then look everywhere. No other CPU can take anything meanwhile. */
static enum error take_exhaustively(uint32_t shape, enum frame_class class, pfn_t *out)
{
    uint64_t index;
    unsigned group = frame_class_group(class);
    frame_cache_quiesce();
    frame_lock(&frames.lock);
    for (uint32_t n = 0; n < frames.cpus; n++)
        frame_cache_empty(&frames.cpu[n]);
    bool taken = frame_pool_take_mixed(shape & RECORD_ORDER_MASK, &group, &index);
    if (taken)
        hold(shape, class, group, index, out);
    frame_unlock(&frames.lock);
    frame_cache_resume();
    return taken ? ERR_NONE : ERR_NO_MEMORY;
}

/* Without a cache: large blocks, and CPUs that have none. */
static enum error take_from_pool(uint32_t shape, enum frame_class class, pfn_t *out)
{
    uint64_t index;
    unsigned group = frame_class_group(class);
    frame_lock(&frames.lock);
    bool taken = frame_pool_take(shape & RECORD_ORDER_MASK, group, &index);
    if (taken)
        hold(shape, class, group, index, out);
    frame_unlock(&frames.lock);
    return taken ? ERR_NONE : take_exhaustively(shape, class, out);
}

/* A block was in a cache and yet held: two CPUs gave it back at the same moment. It is left to its holder. */
static SLOW void note_damage(void)
{
    __atomic_fetch_add(&frames.damaged, 1, __ATOMIC_RELAXED);
}

/* Every case: any order, an account, an empty stack, no cache. */
static SLOW enum error take(uint32_t shape, enum frame_class class, pfn_t *out)
{
    unsigned order = shape & RECORD_ORDER_MASK, group = frame_class_group(class);
    struct frame_cpu *cpu = order < CACHED_ORDERS ? frame_cache_enter() : NULL;
    if (cpu == NULL)
        return take_from_pool(shape, class, out);
    struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
    while (stack->count || frame_cache_refill(cpu, group, order)) {
        uint64_t index = stack->item[--stack->count];
        if (RARELY(frame_record(index) != 0)) {
            note_damage();
            continue;
        }
        frame_set_record(index, shape | held_record[class]);
        cpu->taken[class] += (uint64_t)1 << order;
        frame_cache_leave(cpu);
        *out = frame_at(index);
        return ERR_NONE;
    }
    frame_cache_leave(cpu);
    return take_exhaustively(shape, class, out);
}

/*
 * The fast path for single frames: nothing is changed when it gives up. The record is read plainly, for a frame
 * in a cache has nobody who would write it.
 */
static inline bool take_frame(enum frame_class class, pfn_t *out)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    struct frame_stack *stack = &hand_at(cpu, hand_of_class[class])->stack;
    uint32_t count;
    uint64_t index;
    if (RARELY(!frame_cache_try(cpu)) || RARELY((count = stack->count) == 0) ||
        RARELY(frames.record[index = stack->item[count - 1]] != 0)) {
        frame_cache_leave(cpu);
        return false;
    }
    stack->count = count - 1;
    frame_set_record(index, held_record[class]);
    cpu->taken[class]++;
    frame_cache_leave(cpu);
    *out = frame_at(index);
    return true;
}

enum error frame_alloc(unsigned order, enum frame_class class, pfn_t *out)
{
    if (RARELY(!CLASS_CAN_HOLD(class)))
        return ERR_BAD_ARGUMENT;
    if (order == 0 && !RARELY(!take_frame(class, out)))
        return ERR_NONE;
    return order < FRAME_ORDERS ? take(order, class, out) : ERR_BAD_ARGUMENT;
}

enum error frame_alloc_for(unsigned order, enum frame_class class, uint32_t account, pfn_t *out)
{
    if (!CLASS_CAN_HOLD(class) || order >= FRAME_ORDERS || account >= FRAME_ACCOUNTS)
        return ERR_BAD_ARGUMENT;
    return take(order | account << RECORD_ACCOUNT_SHIFT, class, out);
}

size_t frame_alloc_batch(unsigned order, enum frame_class class, pfn_t *out, size_t count)
{
    size_t taken = 0;
    while (taken < count && frame_alloc(order, class, &out[taken]) == ERR_NONE)
        taken++;
    return taken;
}

/* A held block with bad frames in it comes back: the good ones are free, the bad ones never again. */
static void give_around_bad(uint64_t index, unsigned order, unsigned group)
{
    uint64_t size = (uint64_t)1 << order;
    for (uint64_t i = index; i < index + size; i++) {
        if (frame_record(i) & RECORD_BAD) {
            frame_set_record(i, RECORD_OUT | (uint32_t)FRAME_BAD << RECORD_CLASS_SHIFT);
            frames.classes[FRAME_BAD]++;
        } else {
            frame_set_record(i, 0);
            frame_chunk_give(i, 0, group);
        }
    }
}

/* Give back without a cache: large blocks, blocks with bad frames, CPUs without a cache. */
static enum error give_to_pool(uint64_t index, unsigned order)
{
    frame_lock(&frames.lock);
    uint32_t record = frame_record(index);
    bool held = order < FRAME_ORDERS &&
                (record & RECORD_SHAPE_MASK & ~RECORD_RETIRE) == (RECORD_HELD | order);
    if (held) {
        frames.classes[frame_record_class(record)] -= (int64_t)1 << order;
        if (record & RECORD_RETIRE) {
            give_around_bad(index, order, frame_record_group(record));
        } else {
            frame_set_record(index, 0);
            frame_pool_give(index, order, frame_record_group(record));
        }
    }
    frame_unlock(&frames.lock);
    return held ? ERR_NONE : ERR_BAD_FREE;
}

/*
 * A single frame goes onto the stack, or among the returns when its chunk is not among the fullest. False, and
 * nothing is changed, when there is no room.
 */
static inline bool push_frame(struct frame_hand *hand, uint64_t index)
{
    uint32_t free = __atomic_load_n(&frames.chunk[index / CHUNK_FRAMES].free, __ATOMIC_RELAXED);
    if (free >= hand->keep) {
        if (RARELY(hand->returned == RETURNS))
            return false;
        hand->returns[hand->returned++] = (uint32_t)index;
        return true;
    }
    uint32_t count = hand->stack.count;
    if (RARELY(count == hand->stack.capacity))
        return false;
    hand->stack.item[count] = (uint32_t)index;
    hand->stack.count = count + 1;
    return true;
}

/* Every case: any order, no room, no cache, misuse. */
static SLOW enum error give(uint64_t index, unsigned order)
{
    struct frame_cpu *cpu = order < CACHED_ORDERS ? frame_cache_enter() : NULL;
    if (cpu == NULL)
        return give_to_pool(index, order);
    uint32_t record = frame_record(index);
    if ((record & RECORD_SHAPE_MASK) != (RECORD_HELD | order)) {
        frame_cache_leave(cpu);
        return give_to_pool(index, order);
    }
    unsigned group = frame_record_group(record);
    frame_set_record(index, 0);
    cpu->given[record >> RECORD_KIND_SHIFT & (KINDS - 1)] += (uint64_t)1 << order;
    struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
    if (order != 0 && stack->count != stack->capacity) {
        stack->item[stack->count++] = (uint32_t)index;
        frame_cache_leave(cpu);
        return ERR_NONE;
    }
    return frame_cache_put(cpu, index, order, group);
}

/* The fast path for single frames: what is not plain sailing is left to the functions above. */
static inline enum error give_frame(uint64_t index)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    uint32_t record;
    if (RARELY(!frame_cache_try(cpu)) ||
        RARELY(((record = frame_record(index)) & RECORD_SHAPE_MASK) != RECORD_HELD)) {
        frame_cache_leave(cpu);
        return give(index, 0);
    }
    frame_set_record(index, 0);
    cpu->given[(uint8_t)(record >> RECORD_KIND_SHIFT)]++; /* BAD is clear, for RETIRE is */
    if (RARELY(!push_frame(hand_of_record(cpu, record), index)))
        return frame_cache_put(cpu, index, 0, frame_record_group(record));
    frame_cache_leave(cpu);
    return ERR_NONE;
}

enum error frame_free(pfn_t first, unsigned order)
{
    if (RARELY(first.value >> SECTION_ORDER >= frames.mapped))
        return ERR_BAD_FREE;
    uint64_t index = frame_index_mapped(first.value);
    return order == 0 ? give_frame(index) : give(index, order);
}

size_t frame_free_batch(unsigned order, const pfn_t *blocks, size_t count)
{
    size_t given = 0;
    while (given < count && frame_free(blocks[given], order) == ERR_NONE)
        given++;
    return given;
}

void frame_drain(void)
{
    frame_cache_quiesce();
    frame_lock(&frames.lock);
    for (uint32_t n = 0; n < frames.cpus; n++)
        frame_cache_empty(&frames.cpu[n]);
    frame_unlock(&frames.lock);
    frame_cache_resume();
}
