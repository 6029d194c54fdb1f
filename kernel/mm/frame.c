/*
 * Taking and giving back blocks: the fast paths, which touch the CPU's own cache and the record of the block,
 * and what they fall back to. Up to order 9 there is a cache; larger blocks come straight from the pool.
 *
 * The fast paths are leaf code: where something is not at hand they leave the cache again and start over in a
 * function of its own, so that no register has to be saved for a call that is rarely made.
 */
#include "kernel/mm/frame_state.h"

#define RARELY(condition)     __builtin_expect((condition), 0)
#define CLASS_CAN_HOLD(class) ((unsigned)(class) - FRAME_KERNEL <= FRAME_RESERVED - FRAME_KERNEL)
#define SLOW                  __attribute__((noinline))

/* Where in a cache the hand for the class is. */
#define HAND(class)                                                                                          \
    [class] = offsetof(struct frame_cpu, hand) + CLASS_GROUP(class) * sizeof(struct frame_hand)
static const uint16_t hand_of_class[FRAME_CLASSES] = {
    HAND(FRAME_KERNEL),      HAND(FRAME_PAGE_TABLE), HAND(FRAME_STACK),    HAND(FRAME_USER_ANONYMOUS),
    HAND(FRAME_USER_SHARED), HAND(FRAME_DEVICE),     HAND(FRAME_METADATA), HAND(FRAME_RESERVED),
};

/* The hand at this offset in the cache. */
static inline struct frame_hand *hand_at(struct frame_cpu *cpu, uint64_t offset)
{
    return (struct frame_hand *)((uintptr_t)cpu + offset);
}

/* What is asked for, in one register. */
struct request {
    uint8_t order;
    uint8_t class;
    uint16_t account;
};

/* Note a block that the pool gave. Under the lock. */
static void hold(struct request request, uint64_t index, pfn_t *out)
{
    frame_hold(index, request.order, request.class, request.account, 0);
    frames.classes[request.class] += (int64_t)1 << request.order;
    *out = frame_at(index);
}

/* The last resort: bring everything together, then look everywhere. No other CPU can take anything meanwhile.
 */
static enum error take_exhaustively(struct request request, pfn_t *out)
{
    uint64_t index;
    frame_cache_quiesce();
    frame_lock(&frames.lock);
    for (uint32_t n = 0; n < frames.cpus; n++)
        frame_cache_empty(&frames.cpu[n]);
    bool taken = frame_pool_take_mixed(request.order, CLASS_GROUP(request.class), &index);
    if (taken)
        hold(request, index, out);
    frame_unlock(&frames.lock);
    frame_cache_resume();
    return taken ? ERR_NONE : ERR_NO_MEMORY;
}

/* Without a cache: large blocks, and CPUs that have none. */
static enum error take_from_pool(struct request request, pfn_t *out)
{
    uint64_t index;
    frame_lock(&frames.lock);
    bool taken = frame_pool_take(request.order, CLASS_GROUP(request.class), &index);
    if (taken)
        hold(request, index, out);
    frame_unlock(&frames.lock);
    return taken ? ERR_NONE : take_exhaustively(request, out);
}

/* A block was in a cache and yet held: two CPUs gave it back at the same moment. It is left to its holder. */
static SLOW void note_damage(void)
{
    __atomic_fetch_add(&frames.damaged, 1, __ATOMIC_RELAXED);
}

/* Every case: any order, an account, an empty stack, no cache. */
static SLOW enum error take(struct request request, pfn_t *out)
{
    unsigned order = request.order, group = order < CHUNK_ORDER ? CLASS_GROUP(request.class) : 0;
    struct frame_cpu *cpu = order < CACHED_ORDERS ? frame_cache_enter() : NULL;
    if (cpu == NULL)
        return take_from_pool(request, out);
    struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
    while (stack->count || frame_cache_refill(cpu, group, order)) {
        uint64_t index = stack->item[--stack->count];
        if (RARELY(frame_record(index) != 0)) {
            note_damage();
            continue;
        }
        if (request.account)
            frame_hold(index, order, request.class, request.account, 0);
        else
            frame_set_record(index, record_plain(order, request.class));
        cpu->taken[request.class] += (uint64_t)1 << order;
        frame_cache_leave(cpu);
        *out = frame_at(index);
        return ERR_NONE;
    }
    frame_cache_leave(cpu);
    return take_exhaustively(request, out);
}

/*
 * The fast paths: nothing is changed when they give up. The record is read plainly, for a block in a cache
 * has nobody who would write it.
 */
static inline bool take_top(struct frame_cpu *cpu, struct frame_stack *stack, unsigned order,
                            enum frame_class class, pfn_t *out)
{
    uint32_t count;
    uint64_t index;
    if (RARELY(!frame_cache_try(cpu)) || RARELY((count = stack->count) == 0) ||
        RARELY(frames.record[index = stack->item[count - 1]] != 0)) {
        frame_cache_leave(cpu);
        return false;
    }
    stack->count = count - 1;
    frame_set_record(index, record_plain(order, class));
    cpu->taken[class] += (uint64_t)1 << order;
    frame_cache_leave(cpu);
    *out = frame_at(index);
    return true;
}

static SLOW enum error take_block(unsigned order, enum frame_class class, pfn_t *out)
{
    struct request request = {(uint8_t)order, (uint8_t) class, 0};
    if (order >= CACHED_ORDERS)
        return order < FRAME_ORDERS ? take_from_pool(request, out) : ERR_BAD_ARGUMENT;
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    struct frame_stack *stack = &cpu->stack[order - 1][order < CHUNK_ORDER && CLASS_GROUP(class)];
    return take_top(cpu, stack, order, class, out) ? ERR_NONE : take(request, out);
}

enum error frame_alloc(unsigned order, enum frame_class class, pfn_t *out)
{
    if (RARELY(!CLASS_CAN_HOLD(class)))
        return ERR_BAD_ARGUMENT;
    if (order != 0)
        return take_block(order, class, out);
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    struct frame_stack *stack = &hand_at(cpu, hand_of_class[class])->stack;
    return take_top(cpu, stack, 0, class, out) ? ERR_NONE
                                               : take((struct request){0, (uint8_t) class, 0}, out);
}

enum error frame_alloc_for(unsigned order, enum frame_class class, uint32_t account, pfn_t *out)
{
    if (!CLASS_CAN_HOLD(class) || order >= FRAME_ORDERS || account >= FRAME_ACCOUNTS)
        return ERR_BAD_ARGUMENT;
    return take((struct request){(uint8_t)order, (uint8_t) class, (uint16_t)account}, out);
}

size_t frame_alloc_batch(unsigned order, enum frame_class class, pfn_t *out, size_t count)
{
    size_t taken = 0;
    while (taken < count && frame_alloc(order, class, &out[taken]) == ERR_NONE)
        taken++;
    return taken;
}

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
            frame_chunk_assign(i, group);
        frame_set_record(i, 0);
        frame_chunk_give(i, 0);
    }
}

/* Give back without a cache: large blocks, blocks with bad frames, CPUs without a cache. */
static enum error give_to_pool(uint64_t index, unsigned order)
{
    frame_lock(&frames.lock);
    uint8_t record = frame_record(index);
    bool held = order < FRAME_ORDERS && frame_is_held(index, order);
    if (held) {
        enum frame_class class = record_class(record);
        frames.classes[class] -= (int64_t)1 << order;
        frame_set_record(index, 0);
        if (record_shape(record) == SHAPE_RETIRE)
            give_around_bad(index, order, CLASS_GROUP(class), (frame_note(index) & NOTE_FIRST_BAD) != 0);
        else
            frame_pool_give(index, order);
    }
    frame_unlock(&frames.lock);
    return held ? ERR_NONE : ERR_BAD_FREE;
}

/*
 * A single frame goes onto the stack, or among the returns when its chunk is not among the fullest. False,
 * and nothing is changed, when there is no room, or the frame should go to the pool at once.
 */
static inline bool push_frame(struct frame_hand *hand, const struct frame_chunk *chunk, uint64_t index)
{
    uint32_t free = __atomic_load_n(&chunk->free, __ATOMIC_RELAXED);
    if (free >= __atomic_load_n(&frames.keep[chunk->group], __ATOMIC_RELAXED)) {
        uint64_t returned = hand->returned;
        if (RARELY(returned == RETURNS) || RARELY(free >= NEARLY_WHOLE))
            return false;
        hand->returns[returned] = (uint32_t)index;
        hand->returned = returned + 1;
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
    uint8_t record = frame_record(index);
    if (record_shape(record) != SHAPE_HELD(order)) {
        frame_cache_leave(cpu);
        return give_to_pool(index, order);
    }
    frame_set_record(index, 0);
    cpu->given[record & RECORD_KIND_MASK] += (uint64_t)1 << order;
    return frame_cache_put(cpu, index, order,
                           order < CHUNK_ORDER ? frames.chunk[index / CHUNK_FRAMES].group : 0);
}

/* The fast path for blocks of order 1 and up, as give_frame below. */
static SLOW enum error give_block(uint64_t index, unsigned order)
{
    if (order >= CACHED_ORDERS)
        return give_to_pool(index, order);
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    uint8_t record;
    if (RARELY(!frame_cache_try(cpu)) ||
        RARELY(record_shape(record = frames.record[index]) != SHAPE_HELD(order))) {
        frame_cache_leave(cpu);
        return give(index, order);
    }
    unsigned group = order < CHUNK_ORDER ? frames.chunk[index / CHUNK_FRAMES].group : 0;
    struct frame_stack *stack = &cpu->stack[order - 1][group];
    frame_set_record(index, 0);
    cpu->given[record & RECORD_KIND_MASK] += (uint64_t)1 << order;
    uint32_t count = stack->count;
    if (RARELY(count == stack->capacity))
        return frame_cache_put(cpu, index, order, group);
    stack->item[count] = (uint32_t)index;
    stack->count = count + 1;
    frame_cache_leave(cpu);
    return ERR_NONE;
}

/*
 * The fast path for single frames: what is not plain sailing is left to the functions above. The record and
 * the chunk's group are read plainly: nobody writes them while the frame is held and this CPU is in its
 * cache.
 */
static inline enum error give_frame(uint64_t index)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    const struct frame_chunk *chunk = &frames.chunk[index / CHUNK_FRAMES];
    uint8_t record;
    if (RARELY(!frame_cache_try(cpu)) || RARELY((record = frames.record[index]) < RECORD_SINGLE)) {
        frame_cache_leave(cpu);
        return give(index, 0);
    }
    unsigned group = chunk->group;
    struct frame_hand *hand =
        hand_at(cpu, offsetof(struct frame_cpu, hand) + group * sizeof(struct frame_hand));
    frame_set_record(index, 0);
    cpu->given[record - RECORD_SINGLE]++;
    if (RARELY(!push_frame(hand, chunk, index)))
        return frame_cache_put(cpu, index, 0, group);
    frame_cache_leave(cpu);
    return ERR_NONE;
}

enum error frame_free(pfn_t first, unsigned order)
{
    if (RARELY(first.value >> SECTION_ORDER >= frames.mapped))
        return ERR_BAD_FREE;
    uint64_t index = frame_index_mapped(first.value);
    return order == 0 ? give_frame(index) : give_block(index, order);
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
