/*
 * Taking and giving back blocks: the fast paths, which touch the CPU's own cache and the record of the block, and
 * what they fall back to. Up to order 9 there is a cache; larger blocks come straight from the pool.
 */
#include "kernel/mm/frame_state.h"

#define CLASS_CAN_HOLD(class) ((unsigned)(class) - FRAME_KERNEL <= FRAME_RESERVED - FRAME_KERNEL)

/* What is asked for, in one piece, for the slow paths. */
struct request {
    unsigned order;
    enum frame_class class;
    uint32_t account;
};

/* Note a block that the pool gave. Under the lock. */
static void hold(struct request request, unsigned group, uint64_t index, pfn_t *out)
{
    frame_set_record(index, frame_held_record(request.order, request.class, group, request.account));
    frames.classes[request.class] += (int64_t)1 << request.order;
    *out = frame_at(index);
}

/* The last resort: bring everything together, then look everywhere. No other CPU can take anything meanwhile. */
static enum error take_exhaustively(struct request request, pfn_t *out)
{
    uint64_t index;
    unsigned group = frame_class_group(request.class);
    frame_cache_quiesce();
    frame_lock(&frames.lock);
    for (uint32_t n = 0; n < frames.cpus; n++)
        frame_cache_empty(&frames.cpu[n]);
    bool taken = frame_pool_take_mixed(request.order, &group, &index);
    if (taken)
        hold(request, group, index, out);
    frame_unlock(&frames.lock);
    frame_cache_resume();
    return taken ? ERR_NONE : ERR_NO_MEMORY;
}

/* Without a cache: large blocks, and CPUs that have none. */
static enum error take_from_pool(struct request request, pfn_t *out)
{
    uint64_t index;
    unsigned group = frame_class_group(request.class);
    frame_lock(&frames.lock);
    bool taken = frame_pool_take(request.order, group, &index);
    if (taken)
        hold(request, group, index, out);
    frame_unlock(&frames.lock);
    return taken ? ERR_NONE : take_exhaustively(request, out);
}

/* A block was in a cache and yet held: it was given back by two CPUs at the same moment. It is left alone. */
static void __attribute__((noinline)) note_damage(void)
{
    __atomic_fetch_add(&frames.damaged, 1, __ATOMIC_RELAXED);
}

/* Take a block out of a cache that the caller is in; false when the cache and the pool's own chunks have none. */
static inline bool take_cached(struct frame_cpu *cpu, struct request request, pfn_t *out)
{
    unsigned group = frame_class_group(request.class);
    struct frame_stack *stack = &cpu->stack[group][request.order];
    for (;;) {
        uint32_t count = stack->count;
        if (__builtin_expect(count == 0, 0)) {
            if (!frame_cache_refill(cpu, group, request.order))
                return false;
            count = stack->count;
        }
        uint64_t index = stack->item[--count];
        stack->count = count;
        if (__builtin_expect(frame_record(index) != 0, 0)) {
            note_damage();
            continue;
        }
        frame_set_record(index, frame_held_record(request.order, request.class, group, request.account));
        cpu->classes[request.class] += (int64_t)1 << request.order;
        *out = frame_at(index);
        return true;
    }
}

static inline enum error take(struct request request, pfn_t *out)
{
    if (__builtin_expect(!CLASS_CAN_HOLD(request.class) || request.order >= CACHED_ORDERS, 0)) {
        if (!CLASS_CAN_HOLD(request.class) || request.order >= FRAME_ORDERS)
            return ERR_BAD_ARGUMENT;
        return take_from_pool(request, out);
    }
    struct frame_cpu *cpu = frame_cache_enter();
    if (__builtin_expect(cpu == NULL, 0))
        return take_from_pool(request, out);
    bool taken = take_cached(cpu, request, out);
    frame_cache_leave(cpu);
    return __builtin_expect(taken, 1) ? ERR_NONE : take_exhaustively(request, out);
}

enum error frame_alloc(unsigned order, enum frame_class class, pfn_t *out)
{
    return take((struct request){order, class, 0}, out);
}

enum error frame_alloc_for(unsigned order, enum frame_class class, uint32_t account, pfn_t *out)
{
    if (account >= FRAME_ACCOUNTS)
        return ERR_BAD_ARGUMENT;
    return take((struct request){order, class, account}, out);
}

size_t frame_alloc_batch(unsigned order, enum frame_class class, pfn_t *out, size_t count)
{
    size_t taken = 0;
    while (taken < count && take((struct request){order, class, 0}, &out[taken]) == ERR_NONE)
        taken++;
    return taken;
}

/* Part of a held block with bad frames in it comes back: the good ones are free, the bad ones never again. */
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
    if (order >= FRAME_ORDERS)
        return ERR_BAD_FREE;
    frame_lock(&frames.lock);
    uint32_t record = frame_record(index);
    bool held = (record & RECORD_SHAPE_MASK & ~RECORD_RETIRE) == (RECORD_HELD | order);
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

/* Put a block that was just given back into the cache that the caller is in. */
static inline void give_cached(struct frame_cpu *cpu, uint64_t index, unsigned order, unsigned group)
{
    struct frame_stack *stack = &cpu->stack[group][order];
    if (order == 0) {
        uint32_t free = __atomic_load_n(&frames.chunk[index / CHUNK_FRAMES].free, __ATOMIC_RELAXED);
        if (free >= cpu->keep[group]) {
            cpu->returns[group][cpu->returned[group]++] = (uint32_t)index;
            if (__builtin_expect(cpu->returned[group] == RETURNS, 0))
                frame_cache_return(cpu, group);
            return;
        }
    }
    if (__builtin_expect(stack->count == stack->capacity, 0))
        frame_cache_spill(cpu, group, order);
    stack->item[stack->count++] = (uint32_t)index;
}

static inline enum error give(pfn_t first, unsigned order)
{
    if (__builtin_expect(first.value >> SECTION_ORDER >= frames.mapped, 0))
        return ERR_BAD_FREE;
    uint64_t index = frame_index_mapped(first.value);
    struct frame_cpu *cpu = order < CACHED_ORDERS ? frame_cache_enter() : NULL;
    if (__builtin_expect(cpu == NULL, 0))
        return give_to_pool(index, order);
    uint32_t record = frame_record(index);
    if (__builtin_expect((record & RECORD_SHAPE_MASK) != (RECORD_HELD | order), 0)) {
        frame_cache_leave(cpu);
        return give_to_pool(index, order);
    }
    frame_set_record(index, 0);
    cpu->classes[frame_record_class(record)] -= (int64_t)1 << order;
    give_cached(cpu, index, order, frame_record_group(record));
    frame_cache_leave(cpu);
    return ERR_NONE;
}

enum error frame_free(pfn_t first, unsigned order)
{
    return give(first, order);
}

size_t frame_free_batch(unsigned order, const pfn_t *blocks, size_t count)
{
    size_t given = 0;
    while (given < count && give(blocks[given], order) == ERR_NONE)
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
