/*
 * Chunks: blocks below 2 MiB. A chunk's map has a bit for each free frame; blocks of order 0 to 8 are found
 * in it by arithmetic, so nothing else has to be kept when they split and merge.
 *
 * Which chunk to take from is what keeps memory in shape: the fullest that has such a block, so that the
 * emptier ones get time to become whole. Chunks with free frames are in one of 14 x 9 sets for their group:
 * by the number of free frames, and by the order of the largest free block. `nonempty` has a bit for each
 * set, the fullest first, so the set to use is one bit scan, and the lowest chunk in it a few more.
 *
 * Giving frames back does not look for the largest block: the order on file is a lower bound, the chunk is
 * called stale, and stale chunks are looked at when a block is wanted that none is known to have.
 */
#include "kernel/mm/frame_state.h"

#define REFRESH_SOME 8u

/* By free frames / 8: fine where chunks are nearly full or nearly empty. */
static const uint8_t bucket_of[CHUNK_FRAMES / 8] = {
    0,  1,  2,  2,  3,  3,  3,  3,  4,  4,  4,  4,  5,  5,  5,  5,  6,  6,  6,  6,  7,  7,
    7,  7,  8,  8,  8,  8,  8,  8,  8,  8,  9,  9,  9,  9,  9,  9,  9,  9,  10, 10, 10, 10,
    10, 10, 10, 10, 11, 11, 11, 11, 11, 11, 11, 11, 12, 12, 12, 12, 12, 12, 13, 13,
};

/* The fewest free frames in a chunk of the next bucket; all, after the last. */
static const uint16_t bucket_end[BUCKETS] = {8,   16,  32,  64,  96,  128, 160,
                                             192, 256, 320, 384, 448, 496, CHUNK_FRAMES};

/* The bits, of the 7 x 9 in a word of `nonempty`, of the sets with at least this order. */
static uint64_t order_sets(unsigned order)
{
    const uint64_t each_bucket = 0x0040201008040201;
    return (0x1ffu << order & 0x1ffu) * each_bucket;
}

static uint64_t *chunk_set(unsigned group, unsigned set)
{
    return frames.sets + (uint64_t)(group * CHUNK_SETS + set) * frames.chunk_shape.words;
}

static unsigned set_number(const struct frame_chunk *chunk)
{
    return chunk->bucket * CHUNK_ORDER + chunk->order;
}

static void set_free(struct frame_chunk *chunk, unsigned free)
{
    chunk->due = (uint16_t)(free + chunk->left);
}

/* Publish how the chunk is filed. */
static void publish(uint64_t c)
{
    const struct frame_chunk *chunk = &frames.chunk[c];
    unsigned filed = chunk->indexed ? chunk->bucket + 1u : 0;
    __atomic_store_n(&frames.filed[c], (uint8_t)(filed | (unsigned)chunk->group << FILED_GROUP),
                     __ATOMIC_RELAXED);
}

static void unindex(uint64_t c)
{
    struct frame_chunk *chunk = &frames.chunk[c];
    unsigned set = set_number(chunk);
    if (frame_set_remove(&frames.chunk_shape, chunk_set(chunk->group, set), c))
        frames.nonempty[chunk->group][set / SETS_WORD] &= ~((uint64_t)1 << set % SETS_WORD);
    chunk->indexed = false;
}

/* Put a chunk with free frames into the set for its count and this order. */
static void index_chunk(uint64_t c, unsigned order)
{
    struct frame_chunk *chunk = &frames.chunk[c];
    unsigned free = frame_chunk_free(chunk);
    uint8_t bucket = bucket_of[free / 8];
    chunk->left = chunk->stale ? (uint16_t)(bucket_end[bucket] - 1 - free) : 0;
    set_free(chunk, free);
    if (chunk->indexed) {
        if (chunk->bucket == bucket && chunk->order == order)
            return;
        unindex(c);
    }
    chunk->bucket = bucket;
    chunk->order = (uint8_t)order;
    chunk->indexed = true;
    unsigned set = set_number(chunk);
    if (frame_set_add(&frames.chunk_shape, chunk_set(chunk->group, set), c))
        frames.nonempty[chunk->group][set / SETS_WORD] |= (uint64_t)1 << set % SETS_WORD;
    publish(c);
}

static void make_stale(uint64_t c)
{
    frames.chunk[c].stale = true;
    frame_set_add(&frames.chunk_shape, frames.stale, c);
}

static void clear_stale(uint64_t c)
{
    if (!frames.chunk[c].stale)
        return;
    frames.chunk[c].stale = false;
    frame_set_remove(&frames.chunk_shape, frames.stale, c);
}

/* The chunk has no free frames any more, or is about to be whole: out of all sets. */
static void forget(uint64_t c)
{
    struct frame_chunk *chunk = &frames.chunk[c];
    if (chunk->indexed) {
        unindex(c);
        publish(c);
    }
    clear_stale(c);
    chunk->order = 0;
    chunk->left = chunk->due = 0;
    for (unsigned w = 0; w < BITS_WORDS; w++)
        frames.map[c][w] = 0;
}

/* Sort a chunk in anew after its map changed so that `order` is what is known of its largest block. */
static void update(uint64_t c, unsigned order)
{
    if (frame_chunk_free(&frames.chunk[c]) < CHUNK_FRAMES) {
        index_chunk(c, order);
        return;
    }
    forget(c);
    frame_whole_give(c * CHUNK_FRAMES, CHUNK_ORDER, frames.chunk[c].group);
}

/* Look at up to `limit` stale chunks until one of the group turns out to have a block of this order. */
static uint64_t refresh(unsigned order, unsigned group, uint64_t limit)
{
    for (; limit > 0; limit--) {
        uint64_t c = frame_set_lowest(&frames.chunk_shape, frames.stale);
        if (c == FRAME_SET_NONE)
            break;
        clear_stale(c);
        index_chunk(c, bits_largest(frames.map[c]));
        if (frames.chunk[c].order >= order && frames.chunk[c].group == group)
            return c;
    }
    return FRAME_SET_NONE;
}

/* The lowest of the fullest chunks known to have a block of the order. */
static uint64_t fullest(unsigned order, unsigned group)
{
    for (unsigned n = 0; n < NONEMPTY; n++) {
        uint64_t sets = frames.nonempty[group][n] & order_sets(order);
        if (sets) {
            unsigned set = n * SETS_WORD + (unsigned)__builtin_ctzll(sets);
            return frame_set_lowest(&frames.chunk_shape, chunk_set(group, set));
        }
    }
    return FRAME_SET_NONE;
}

/* Take the block of the order at bit `first` of the chunk's map, where it is free. */
static void take_bits(uint64_t c, unsigned first, unsigned order)
{
    bits_set(frames.map[c], first, order, false);
    unsigned free = frame_chunk_free(&frames.chunk[c]) - (1u << order);
    if (free == 0) {
        forget(c);
        return;
    }
    set_free(&frames.chunk[c], free);
    clear_stale(c);
    index_chunk(c, bits_largest(frames.map[c]));
}

bool frame_chunk_take(unsigned order, unsigned group, bool thorough, uint64_t *index)
{
    uint64_t c = fullest(order, group);
    if (c == FRAME_SET_NONE)
        c = refresh(order, group, thorough ? UINT64_MAX : REFRESH_SOME);
    if (c == FRAME_SET_NONE)
        return false;
    unsigned first = (unsigned)bits_find(frames.map[c], order, 0);
    *index = c * CHUNK_FRAMES + first;
    take_bits(c, first, order);
    return true;
}

unsigned frame_chunk_borrow(unsigned group, uint64_t map[BITS_WORDS], uint64_t *index)
{
    uint64_t c = fullest(0, group);
    if (c == FRAME_SET_NONE)
        return 0;
    unsigned free = frame_chunk_free(&frames.chunk[c]);
    for (unsigned w = 0; w < BITS_WORDS; w++)
        map[w] = frames.map[c][w];
    *index = c * CHUNK_FRAMES;
    forget(c);
    return free;
}

void frame_chunk_assign(uint64_t index, unsigned group)
{
    frames.chunk[index / CHUNK_FRAMES].group = (uint8_t)group;
    publish(index / CHUNK_FRAMES);
}

/* Make a whole chunk one that is all free. */
static uint64_t open_chunk(uint64_t index, unsigned group)
{
    uint64_t c = index / CHUNK_FRAMES;
    for (unsigned w = 0; w < BITS_WORDS; w++)
        frames.map[c][w] = ~(uint64_t)0;
    frame_chunk_assign(index, group);
    set_free(&frames.chunk[c], CHUNK_FRAMES);
    return c;
}

bool frame_chunk_open(unsigned order, unsigned group, uint64_t *index)
{
    if (!frame_whole_take(CHUNK_ORDER, group, index))
        return false;
    take_bits(open_chunk(*index, group), 0, order);
    return true;
}

void frame_chunk_give(uint64_t index, unsigned order)
{
    uint64_t c = index / CHUNK_FRAMES;
    struct frame_chunk *chunk = &frames.chunk[c];
    unsigned first = (unsigned)(index % CHUNK_FRAMES);
    if (!bits_all(frames.map[c], first, order, false)) {
        frames.damaged++;
        return;
    }
    bits_set(frames.map[c], first, order, true);
    set_free(chunk, frame_chunk_free(chunk) + (1u << order));
    if (!chunk->stale)
        make_stale(c);
    update(c, chunk->order > order ? chunk->order : order);
}

/* A chunk's count has grown: it may be new to its set, or belong in another. */
static __attribute__((noinline)) void recount(uint64_t c)
{
    if (!frames.chunk[c].stale)
        make_stale(c);
    update(c, frames.chunk[c].order);
}

void frame_chunk_give_frames(const uint32_t *indices, uint32_t count)
{
    uint64_t *words = (uint64_t *)frames.map;
    struct frame_chunk *chunks = frames.chunk;
#pragma clang loop unroll_count(4)
    for (uint32_t k = 0; k < count; k++) {
        uint64_t i = indices[k], word = words[i / 64];
        if (bit_test_set(&word, i)) {
            frames.damaged++;
            continue;
        }
        words[i / 64] = word;
        if (chunks[i / CHUNK_FRAMES].left-- == 0)
            recount(i / CHUNK_FRAMES);
    }
}

void frame_chunk_give_map(uint64_t first, const uint64_t map[BITS_WORDS])
{
    uint64_t c = first / CHUNK_FRAMES;
    struct frame_chunk *chunk = &frames.chunk[c];
    unsigned given = 0, order = chunk->order;
    for (unsigned w = 0; w < BITS_WORDS; w++) {
        frames.damaged += bits_count(frames.map[c][w] & map[w]);
        given += bits_count(map[w] & ~frames.map[c][w]);
        frames.map[c][w] |= map[w];
    }
    if (given == 0)
        return;
    set_free(chunk, frame_chunk_free(chunk) + given);
    if (!chunk->stale)
        make_stale(c);
    update(c, order);
}

void frame_chunk_update_keep(void)
{
    for (unsigned group = 0; group < CACHED_GROUPS; group++) {
        unsigned keep = FILED_MOST;
        for (unsigned n = NONEMPTY; n-- > 0;) {
            uint64_t sets = frames.nonempty[group][n];
            if (sets)
                keep = (n * SETS_WORD + (unsigned)__builtin_ctzll(sets)) / CHUNK_ORDER + 1;
        }
        if (keep != frames.keep[group])
            __atomic_store_n(&frames.keep[group], keep, __ATOMIC_RELAXED);
    }
}

/* The first chunk that has frames at or above this one. */
static uint64_t first_chunk(uint64_t frame)
{
    uint64_t low = 1, high = frames.sections;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (frame_at(middle << SECTION_ORDER).value + SECTION_FRAMES <= frame)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t begin = low < frames.sections ? frame_at(low << SECTION_ORDER).value : frame;
    return ((low << SECTION_ORDER) + (frame > begin ? frame - begin : 0)) / CHUNK_FRAMES;
}

unsigned frame_chunk_free_run(uint64_t index)
{
    uint64_t word =
        __atomic_load_n(&frames.map[index / CHUNK_FRAMES][index % CHUNK_FRAMES / 64], __ATOMIC_RELAXED);
    unsigned most = 64 - (unsigned)(index % 64);
    uint64_t held = ~(word >> index % 64); /* what is shifted in counts as held */
    unsigned run = held != 0 ? (unsigned)__builtin_ctzll(held) : 64;
    return run < most ? run : most;
}

/* Take a block of the order in the part of the chunk that lies in [low, high), frame numbers. */
static bool take_in_part(uint64_t c, unsigned order, uint64_t low, uint64_t high, uint64_t *index)
{
    uint64_t begin = frame_at(c * CHUNK_FRAMES).value;
    if (low >= begin + CHUNK_FRAMES)
        return false;
    int first = bits_find(frames.map[c], order, low > begin ? (unsigned)(low - begin) : 0);
    if (first < 0 || begin + (unsigned)first + (1u << order) > high)
        return false;
    *index = c * CHUNK_FRAMES + (unsigned)first;
    take_bits(c, (unsigned)first, order);
    return true;
}

/* The same, in any chunk of one set. */
static bool take_in_set(const uint64_t *set, unsigned order, uint64_t low, uint64_t high, uint64_t *index)
{
    uint64_t c = first_chunk(low);
    for (;; c++) {
        c = frame_set_next(&frames.chunk_shape, set, c);
        if (c == FRAME_SET_NONE || frame_at(c * CHUNK_FRAMES).value >= high)
            return false;
        if (take_in_part(c, order, low, high, index))
            return true;
    }
}

/* The same, in the chunk that holds this frame when it is free as a whole. */
static bool take_in_whole(uint64_t frame, unsigned order, unsigned group, uint64_t low, uint64_t high,
                          uint64_t *index)
{
    uint64_t begin = align_down(frame, CHUNK_FRAMES), at = align_up(low > begin ? low : begin, 1u << order);
    uint64_t end = begin + CHUNK_FRAMES < high ? begin + CHUNK_FRAMES : high;
    if (frame_index_mapped(frame) < SECTION_FRAMES || at >= end || end - at < 1u << order ||
        frame_blocks_order_at(frame) < 0)
        return false;
    if (!frame_whole_take_within(CHUNK_ORDER, group, begin, begin + CHUNK_FRAMES, &begin))
        return false;
    *index = frame_index_mapped(at);
    take_bits(open_chunk(frame_index_mapped(begin), group), (unsigned)(at - begin), order);
    return true;
}

bool frame_chunk_take_within(unsigned order, unsigned group, uint64_t low, uint64_t high, uint64_t *index)
{
    refresh(CHUNK_ORDER, group, UINT64_MAX);
    for (unsigned n = 0; n < NONEMPTY * GROUPS; n++) {
        unsigned g = (group + n / NONEMPTY) % GROUPS; /* its own group first */
        uint64_t sets = frames.nonempty[g][n % NONEMPTY] & order_sets(order);
        if (sets == 0 || (g != group && !frame_groups_mix(g, group)))
            continue;
        for (; sets != 0; sets &= sets - 1) {
            unsigned set = n % NONEMPTY * SETS_WORD + (unsigned)__builtin_ctzll(sets);
            if (take_in_set(chunk_set(g, set), order, low, high, index))
                return true;
        }
    }
    uint64_t frame;
    if (frame_whole_take_within(CHUNK_ORDER, group, low, high, &frame)) {
        *index = frame_index_mapped(frame);
        take_bits(open_chunk(*index, group), 0, order);
        return true;
    }
    return take_in_whole(low, order, group, low, high, index) ||
           take_in_whole(high - 1, order, group, low, high, index);
}
