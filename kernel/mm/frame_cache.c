/*
 * Per-CPU caches: the single frames that a CPU has at hand, and the lock of the cache. Blocks are in
 * frame_stack.c.
 *
 * Frames are got from the pool a chunk at a time, all its free frames, as maps; the words of these wait to be
 * the open word, out of which the fast path allocates. A frame that is given back goes into a list; it is the
 * next to be allocated when its chunk is fuller than any that the pool would lend, for no better frame could
 * be found. Else it stays for the pool, for its chunk has a chance to become whole. So the cache does not
 * disturb the packing.
 *
 * When the frames given back come out of one chunk, as if much memory is freed in order, the list is cut
 * short and they are gathered in a map, the closing chunk, of which the fast path has one word. The chunk
 * goes to the pool at once when the next one begins, and if it has become whole, on the CPU's stack of whole
 * chunks.
 */
#include "kernel/mm/frame_state.h"

/* So many frames of one chunk in a row are taken for the beginning of many more, and fewer for the end. */
#define RUN (FREED / 2)

bool frame_cache_wait(struct frame_cpu *cpu)
{
    frame_cache_leave(cpu);
    if (cpu == &frame_no_cache)
        return false;
    do {
        frame_cache_leave(cpu);
        while (!__atomic_load_n(&cpu->allowed, __ATOMIC_RELAXED))
            FRAME_PLATFORM_WAIT();
    } while (!frame_cache_try(cpu));
    return true;
}

static void set_word(struct frame_hand *hand, uint64_t word)
{
    __atomic_store_n(&hand->word, word, __ATOMIC_RELAXED);
}

/* Nothing given back, and room for so many frames: FREED, or 1 while there is a closing chunk. */
static void set_room(struct frame_hand *hand, int64_t room)
{
    hand->begin = -room;
    __atomic_store_n(&hand->freed, -room, __ATOMIC_RELAXED);
    __atomic_store_n(&hand->mark, -room, __ATOMIC_RELAXED);
}

static void open_word(struct frame_hand *hand, uint32_t number, uint64_t bits)
{
    uint64_t index = number * 64ul;
    hand->open = number;
    hand->record = &frames.record[index];
    hand->first = frame_at(index).value;
    set_word(hand, bits);
}

/* The free frames of a chunk wait to be opened. */
static void add_map(struct frame_hand *hand, uint64_t first, const uint64_t map[BITS_WORDS])
{
    for (uint32_t w = 0; w < BITS_WORDS; w++)
        if (map[w])
            hand->waiting[hand->words++] = (struct frame_word){map[w], (uint32_t)(first / 64) + w};
}

static void close_word(struct frame_hand *hand)
{
    set_word(hand, 0);
    hand->open = NO_WORD;
}

/* What was given back, to the pool. Under the lock. */
static void give_freed(struct frame_hand *hand)
{
    uint32_t count, *items = frame_hand_freed(hand, &count);
    frame_chunk_give_frames(items, count);
    set_room(hand, FREED);
}

/*
 * Frames of one chunk in a row: what comes next is gathered in a map. An allocation finds a frame in the list
 * that is none, and so ends the run. Under the lock.
 */
static void begin_run(struct frame_hand *hand)
{
    uint64_t map[BITS_WORDS] = {0};
    map[hand->open % BITS_WORDS] = hand->word;
    if (hand->word)
        frame_chunk_give_map(align_down(hand->open, BITS_WORDS) * 64, map);
    close_word(hand);
    set_room(hand, 1);
    hand->item[FREED - 2] = NO_FRAME;
    hand->mark = 0;
}

/* The chunk that is closing is complete, as far as it goes. Returns how many frames were gathered. */
static unsigned close_chunk(struct frame_cpu *cpu, struct frame_hand *hand)
{
    uint64_t first = align_down(hand->open, BITS_WORDS) * 64;
    unsigned count = 0;
    hand->closing[hand->open % BITS_WORDS] = hand->word;
    for (unsigned w = 0; w < BITS_WORDS; w++)
        count += bits_count(hand->closing[w]);
    if (count == CHUNK_FRAMES && !frame_is_apart(hand->group)) {
        frame_stack_put(cpu, first, CHUNK_ORDER, 0);
    } else {
        frame_pool_lock();
        frame_chunk_give_map(first, hand->closing);
        frame_pool_unlock();
    }
    for (unsigned w = 0; w < BITS_WORDS; w++)
        hand->closing[w] = 0;
    close_word(hand);
    return count;
}

static void end_run(struct frame_cpu *cpu, struct frame_hand *hand)
{
    if (hand->open != NO_WORD)
        close_chunk(cpu, hand);
    set_room(hand, FREED);
}

/* In a run, a frame outside of the open word: on to its word, or the run is over. */
static void follow_run(struct frame_cpu *cpu, struct frame_hand *hand, uint32_t index)
{
    uint32_t number = index / 64;
    if (hand->open / BITS_WORDS == number / BITS_WORDS) {
        hand->closing[hand->open % BITS_WORDS] = hand->word;
    } else if (hand->open != NO_WORD && close_chunk(cpu, hand) < RUN) {
        set_room(hand, FREED);
        hand->item[0] = index;
        hand->freed++;
        return;
    }
    hand->freed = -1;
    open_word(hand, number, hand->closing[number % BITS_WORDS] | (uint64_t)1 << index % 64);
}

enum error frame_cache_make_room(uint64_t index, struct frame_cpu *cpu, struct frame_hand *hand)
{
    if (frame_hand_closes(hand)) {
        follow_run(cpu, hand, (uint32_t)index);
    } else {
        frame_pool_lock();
        give_freed(hand);
        if (index / CHUNK_FRAMES == hand->item[FREED - RUN] / CHUNK_FRAMES)
            begin_run(hand);
        frame_pool_unlock();
    }
    frame_cache_leave(cpu);
    return ERR_NONE;
}

static const uint64_t all_free[BITS_WORDS] = {~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul};

/* Open a whole chunk of those at hand. */
static bool open_whole(struct frame_cpu *cpu, struct frame_hand *hand)
{
    struct frame_stack *chunks = frame_cpu_stack(cpu, CHUNK_ORDER, 0);
    if (chunks->count == 0 && !frame_stack_refill(cpu, CHUNK_ORDER, 0))
        return false;
    uint64_t first = chunks->item[--chunks->count];
    frame_whole_assign(first, 1, hand->group);
    add_map(hand, first, all_free);
    return true;
}

/* The best that the pool has: nearly full chunks have few frames each. */
static bool gather(struct frame_cpu *cpu, struct frame_hand *hand)
{
    uint64_t map[BITS_WORDS], first;
    unsigned got = 0, more;
    frame_pool_lock();
    give_freed(hand);
    for (; got < GATHER && (more = frame_chunk_borrow(hand->group, map, &first)) != 0; got += more)
        add_map(hand, first, map);
    frame_pool_unlock();
    return got || open_whole(cpu, hand);
}

/*
 * For a group that is kept apart: so few frames of a chunk that the other CPUs need not break into another
 * one, which would be lost to everybody else. Under the lock.
 */
static unsigned add_some(struct frame_hand *hand, uint64_t first, const uint64_t map[BITS_WORDS])
{
    uint64_t some[BITS_WORDS] = {0}, rest[BITS_WORDS] = {0};
    unsigned got = 0;
    for (unsigned w = 0; w < BITS_WORDS; w++) {
        (got < GATHER ? some : rest)[w] = map[w];
        got += got < GATHER ? bits_count(map[w]) : 0;
    }
    add_map(hand, first, some);
    frame_chunk_give_map(first, rest);
    return got;
}

/* Whole chunks are not at hand then: they are the kernel's, or become so, only when they are needed. */
static bool gather_apart(struct frame_hand *hand)
{
    uint64_t map[BITS_WORDS], first;
    unsigned got = 0;
    frame_pool_lock();
    give_freed(hand);
    while (got < GATHER && frame_chunk_borrow(hand->group, map, &first) != 0)
        got += add_some(hand, first, map);
    if (got == 0 && frame_whole_take(CHUNK_ORDER, hand->group, &first)) {
        frame_whole_assign(first, 1, hand->group);
        got = add_some(hand, first, all_free);
    }
    frame_pool_unlock();
    return got != 0;
}

/* Let free frames wait to be opened; false when there are none. */
static bool fetch(struct frame_cpu *cpu, struct frame_hand *hand)
{
    cpu->trips++;
    if (frame_is_apart(hand->group))
        return gather_apart(hand);
    if (__atomic_load_n(&frames.keep[hand->group], __ATOMIC_RELAXED) == FILED_MOST && open_whole(cpu, hand))
        return true; /* the pool has nothing better */
    return gather(cpu, hand);
}

/*
 * The frame given back last is not the next to be given out: it is for the pool, with those before it. Where
 * a chunk is nearly whole they go there now, so that it does not wait for the last of its frames.
 */
static void pass_over(struct frame_hand *hand)
{
    if (hand->freed == hand->mark)
        return;
    hand->mark = hand->freed;
    uint32_t index = hand->item[FREED + hand->freed - 1];
    if (frame_filed(index, hand) == FILED_NEARLY_WHOLE) {
        frame_pool_lock();
        give_freed(hand);
        frame_pool_unlock();
    }
}

bool frame_cache_prepare(struct frame_cpu *cpu, struct frame_hand *hand)
{
    if (frame_hand_closes(hand))
        end_run(cpu, hand);
    pass_over(hand);
    if (hand->word)
        return true;
    if (hand->next == hand->words) {
        hand->next = hand->words = 0;
        if (!fetch(cpu, hand))
            return false;
    }
    const struct frame_word *word = &hand->waiting[hand->next++];
    open_word(hand, word->number, word->bits);
    return true;
}

struct frame_word frame_cache_word(const struct frame_cpu *cpu, unsigned at)
{
    const struct frame_hand *hand = &cpu->hand[at / HAND_WORDS];
    at %= HAND_WORDS;
    if (at == 0)
        return (struct frame_word){hand->word, hand->open};
    if (at <= WAITING)
        return at > hand->next && at <= hand->words ? hand->waiting[at - 1] : (struct frame_word){0, 0};
    uint32_t number = (uint32_t)align_down(hand->open, BITS_WORDS) + at - 1 - WAITING;
    return (struct frame_word){number == hand->open ? 0 : hand->closing[number % BITS_WORDS], number};
}

void frame_cache_empty(struct frame_cpu *cpu)
{
    for (unsigned at = 0; at < CACHE_WORDS; at++) {
        struct frame_word word = frame_cache_word(cpu, at);
        uint64_t map[BITS_WORDS] = {0};
        map[word.number % BITS_WORDS] = word.bits;
        if (word.bits)
            frame_chunk_give_map(align_down(word.number, BITS_WORDS) * 64, map);
    }
    for (unsigned group = 0; group < CACHED_GROUPS; group++) {
        struct frame_hand *hand = &cpu->hand[group];
        give_freed(hand);
        close_word(hand);
        hand->next = hand->words = 0;
        for (unsigned w = 0; w < BITS_WORDS; w++)
            hand->closing[w] = 0;
        for (unsigned order = 1; order < CACHED_ORDERS; order++)
            frame_stack_give_all(frame_cpu_stack(cpu, order, group), order);
    }
}

void frame_cache_quiesce(void)
{
    while (__atomic_exchange_n(&frames.drain, 1, __ATOMIC_ACQUIRE))
        FRAME_PLATFORM_WAIT();
    for (uint32_t n = 0; n < frames.cpus; n++)
        frame_cache_allow(&frames.cpu[n], false);
    frame_platform_barrier();
    for (uint32_t n = 0; n < frames.cpus; n++)
        while (__atomic_load_n(&frames.cpu[n].busy, __ATOMIC_ACQUIRE))
            __builtin_ia32_pause();
}

void frame_alone_begin(void)
{
    frame_cache_quiesce();
    frame_pool_lock();
    for (;;) {
        for (uint32_t n = 0; n < frames.cpus; n++)
            frame_cache_empty(&frames.cpu[n]);
        if (frames.stocked == 0)
            return;
        frame_pool_unlock();
        frame_stock_give_up();
        frame_pool_lock();
    }
}

void frame_alone_end(void)
{
    frame_pool_unlock();
    frame_cache_resume();
}

void frame_cache_resume(void)
{
    for (uint32_t n = 0; n < frames.cpus; n++)
        frame_cache_allow(&frames.cpu[n], true);
    frame_unlock(&frames.drain);
}

void frame_drain(void)
{
    frame_alone_begin();
    frame_alone_end();
}
