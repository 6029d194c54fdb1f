/*
 * Per-CPU caches. A stack per order and group holds blocks at hand; allocation and freeing are a pop and a
 * push.
 *
 * Single frames come from a chunk that the pool has lent out: all its free frames, as a map, 64 at a time
 * onto the stack in order of address. A frame given back stays on the stack if its chunk is fuller than any
 * that the pool would lend next: no better frame could be found for the next request. Else it goes among the
 * returns, and with them to the pool, for its chunk has a chance to become whole. So the cache does not
 * disturb the packing.
 */
#include "kernel/mm/frame_state.h"

#define REFILL_FRAMES 64u

bool frame_cache_wait(struct frame_cpu *cpu)
{
    frame_cache_leave(cpu);
    if (cpu == &frame_no_cache)
        return false;
    do {
        frame_cache_leave(cpu);
        while (__atomic_load_n(&cpu->stolen, __ATOMIC_RELAXED))
            frame_platform_barrier();
    } while (!frame_cache_try(cpu));
    return true;
}

/* Exchange the halves. */
static void swap_halves(struct frame_stack *stack)
{
    uint32_t *item = stack->item;
    uint32_t count = stack->count;
    stack->item = stack->spare;
    stack->count = (uint32_t)stack->spares;
    stack->spare = item;
    stack->spares = count;
}

/* Push the frames of a word so that they are popped in order of address. */
static void push_word(struct frame_stack *stack, uint64_t first, uint64_t word)
{
    uint32_t *item = stack->item + stack->count;
    if (word == ~(uint64_t)0) {
        for (uint32_t k = 0; k < 64; k++)
            item[k] = (uint32_t)first + 63 - k;
        stack->count += 64;
        return;
    }
    while (word) {
        unsigned bit = 63u - (unsigned)__builtin_clzll(word);
        *item++ = (uint32_t)first + bit;
        word ^= (uint64_t)1 << bit;
    }
    stack->count = (uint32_t)(item - stack->item);
}

/* Push the next word of the chunk that is lent to this CPU; false when it is used up. */
static bool push_open(struct frame_cpu *cpu, unsigned group)
{
    for (unsigned w = 0; w < BITS_WORDS; w++) {
        uint64_t word = cpu->open[group][w];
        if (word) {
            cpu->open[group][w] = 0;
            push_word(&cpu->hand[group].stack, cpu->hand[group].open_first + w * 64ul, word);
            return true;
        }
    }
    return false;
}

/* Borrow the free frames of a chunk: the fullest, else a whole one. Under the lock. */
static bool borrow(struct frame_cpu *cpu, unsigned group, bool whole_too)
{
    uint64_t first;
    if (frame_chunk_borrow(group, cpu->open[group], &first)) {
        cpu->hand[group].open_first = first;
        return true;
    }
    if (!whole_too || !frame_blocks_take(CHUNK_ORDER, &first))
        return false;
    cpu->hand[group].open_first = frame_index_mapped(first);
    frame_chunk_assign(cpu->hand[group].open_first, group);
    for (unsigned w = 0; w < BITS_WORDS; w++)
        cpu->open[group][w] = ~(uint64_t)0;
    return true;
}

static void give_returns(struct frame_cpu *cpu, unsigned group)
{
    frame_chunk_give_frames(cpu->returns[group], (uint32_t)cpu->hand[group].returned);
    cpu->hand[group].returned = 0;
}

/* Nearly full chunks have few frames each: borrow until there is a batch. Under the lock. */
static void gather_frames(struct frame_cpu *cpu, unsigned group)
{
    struct frame_stack *stack = &cpu->hand[group].stack;
    give_returns(cpu, group);
    while (stack->count < REFILL_FRAMES && borrow(cpu, group, stack->count == 0))
        while (stack->count < REFILL_FRAMES && push_open(cpu, group))
            continue;
    frame_chunk_update_keep(group);
}

/* Whole chunks: as few and as small free blocks as make up the number wanted. Under the lock. */
static uint32_t take_chunks(uint32_t *items, uint32_t want)
{
    uint32_t got = 0;
    while (got < want) {
        unsigned order = frame_blocks_smallest(CHUNK_ORDER);
        unsigned most = CHUNK_ORDER + 31u - (unsigned)__builtin_clz(want - got);
        uint64_t first;
        order = order < most ? order : most;
        if (!frame_blocks_take(order, &first))
            break;
        uint64_t index = frame_index_mapped(first), end = index + ((uint64_t)1 << order);
        for (; index < end; index += CHUNK_FRAMES)
            items[got++] = (uint32_t)index;
    }
    return got;
}

static uint32_t take_blocks(uint32_t *items, uint32_t want, unsigned group, unsigned order)
{
    uint64_t index;
    uint32_t got = 0;
    while (got < want && frame_pool_take(order, group, &index))
        items[got++] = (uint32_t)index;
    return got;
}

/* Fill half a stack of blocks of a higher order, the lowest to be given out first. Under the lock. */
static void gather_blocks(struct frame_stack *stack, unsigned group, unsigned order)
{
    uint32_t want = stack->capacity, *items = stack->item;
    uint32_t got = order == CHUNK_ORDER ? take_chunks(items, want) : take_blocks(items, want, group, order);
    for (uint32_t low = 0, high = got; low + 1 < high; low++) {
        uint32_t item = items[low];
        items[low] = items[--high];
        items[high] = item;
    }
    stack->count = got;
}

bool frame_cache_refill(struct frame_cpu *cpu, unsigned group, unsigned order)
{
    struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
    if (stack->spares) {
        swap_halves(stack);
        return true;
    }
    if (order == 0 && push_open(cpu, group))
        return true;
    frame_lock(&frames.lock);
    if (order == 0)
        gather_frames(cpu, group);
    else
        gather_blocks(stack, group, order);
    frame_unlock(&frames.lock);
    return stack->count != 0;
}

/* How many of these chunks, from the first on, are the parts of one larger block, in order: a power of two.
 */
static uint64_t chunks_in_one(const uint32_t *chunks, uint64_t count)
{
    uint64_t run = 1, parts = 1;
    while (run < count && chunks[run] == chunks[0] + run * CHUNK_FRAMES)
        run++;
    while (2 * parts <= run && is_aligned(chunks[0], 2 * parts * CHUNK_FRAMES))
        parts *= 2;
    return parts;
}

/* Give the spare half to the pool. Under the lock. */
static void give_spares(struct frame_stack *stack, unsigned order)
{
    if (order == 0)
        frame_chunk_give_frames(stack->spare, (uint32_t)stack->spares);
    for (uint64_t k = 0, parts = 1; order != 0 && k < stack->spares; k += parts) {
        if (order == CHUNK_ORDER)
            parts = chunks_in_one(stack->spare + k, stack->spares - k);
        frame_pool_give(stack->spare[k], order + (unsigned)__builtin_ctzll(parts));
    }
    stack->spares = 0;
}

static void spill(struct frame_cpu *cpu, unsigned group, unsigned order)
{
    struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
    if (stack->spares) {
        frame_lock(&frames.lock);
        give_spares(stack, order);
        if (order == 0)
            frame_chunk_update_keep(group);
        frame_unlock(&frames.lock);
    }
    swap_halves(stack);
}

/* Have the chunks' maps at hand before the lock is taken: the frames are from everywhere. */
static void fetch_maps(const uint32_t *indices, uint64_t count)
{
    for (uint64_t k = 0; k < count; k++)
        __builtin_prefetch(&frames.map[indices[k] / CHUNK_FRAMES], 1);
}

static void send_returns(struct frame_cpu *cpu, unsigned group)
{
    fetch_maps(cpu->returns[group], cpu->hand[group].returned);
    frame_lock(&frames.lock);
    give_returns(cpu, group);
    frame_chunk_update_keep(group);
    frame_unlock(&frames.lock);
}

/* A frame whose chunk is not among the fullest. */
static void put_return(struct frame_cpu *cpu, uint64_t index, unsigned group, uint32_t free)
{
    struct frame_hand *hand = &cpu->hand[group];
    if (hand->returned == RETURNS)
        send_returns(cpu, group);
    hand->returns[hand->returned++] = (uint32_t)index;
    if (free >= NEARLY_WHOLE)
        send_returns(cpu, group);
}

enum error frame_cache_put(struct frame_cpu *cpu, uint64_t index, unsigned order, unsigned group)
{
    struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
    uint32_t free = __atomic_load_n(&frames.chunk[index / CHUNK_FRAMES].free, __ATOMIC_RELAXED);
    if (order == 0 && free >= __atomic_load_n(&frames.keep[group], __ATOMIC_RELAXED)) {
        put_return(cpu, index, group, free);
    } else {
        if (stack->count == stack->capacity)
            spill(cpu, group, order);
        stack->item[stack->count++] = (uint32_t)index;
    }
    frame_cache_leave(cpu);
    return ERR_NONE;
}

void frame_cache_empty(struct frame_cpu *cpu)
{
    for (unsigned group = 0; group < GROUPS; group++) {
        give_returns(cpu, group);
        for (unsigned order = 0; order < CACHED_ORDERS; order++) {
            struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
            give_spares(stack, order);
            swap_halves(stack);
            give_spares(stack, order);
        }
        frame_chunk_give_map(cpu->hand[group].open_first, cpu->open[group]);
        for (unsigned w = 0; w < BITS_WORDS; w++)
            cpu->open[group][w] = 0;
    }
}

void frame_cache_quiesce(void)
{
    /* Whoever holds the drain lock may wait for this CPU to pass a barrier, so pass barriers while waiting.
     */
    while (__atomic_exchange_n(&frames.drain, 1, __ATOMIC_ACQUIRE))
        frame_platform_barrier();
    for (uint32_t n = 0; n < frames.cpus; n++)
        __atomic_store_n(&frames.cpu[n].stolen, 1, __ATOMIC_RELAXED);
    frame_platform_barrier();
    for (uint32_t n = 0; n < frames.cpus; n++)
        while (__atomic_load_n(&frames.cpu[n].busy, __ATOMIC_ACQUIRE))
            __builtin_ia32_pause();
}

void frame_cache_resume(void)
{
    for (uint32_t n = 0; n < frames.cpus; n++)
        __atomic_store_n(&frames.cpu[n].stolen, 0, __ATOMIC_RELEASE);
    frame_unlock(&frames.drain);
}
