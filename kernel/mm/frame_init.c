/*
 * Start-up: lay the metadata out and enter the free RAM. Zeroed metadata means a section without RAM, an
 * empty set, a chunk that is not in pieces, a frame that is not held; so what is written here is proportional
 * to the gigabytes and to the ragged ends of the ranges, not to the frames.
 */
#include "kernel/mm/frame_state.h"

#define FRAMES_PER_CPU 4096u /* a CPU's cache is worth having when it has this many frames to work on */
#define MAX_CACHES     256u

struct frame_state frames;
struct frame_cpu *frame_cache_of[FRAME_CPUS];
struct frame_cpu frame_no_cache;

static uint64_t range_end(const struct memory_range *range)
{
    uint64_t end = range->first.value + range->count.value;
    return end < FRAME_LIMIT ? end : FRAME_LIMIT;
}

/* Sorted, disjoint, not empty, not wrapping. Returns how many begin below FRAME_LIMIT; SIZE_MAX when not so.
 */
static size_t usable_ranges(const struct memory_range *ram, size_t count)
{
    uint64_t end = 0;
    size_t usable = 0;
    for (size_t i = 0; i < count; i++) {
        if (ram[i].count.value == 0 || ram[i].first.value < end ||
            ram[i].first.value + ram[i].count.value < ram[i].first.value)
            return SIZE_MAX;
        end = ram[i].first.value + ram[i].count.value;
        usable += ram[i].first.value < FRAME_LIMIT;
    }
    return usable;
}

/* Cells of 2^order frames that ranges touch: [first, end), the longest run of them. */
struct cells {
    uint64_t first, end;
};

/* The next run at or after cell `next`, from range `*i` on; false when there is none. */
static bool next_cells(const struct memory_range *ram, size_t count, size_t *i, unsigned order, uint64_t next,
                       struct cells *out)
{
    while (*i < count && (range_end(&ram[*i]) - 1) >> order < next)
        (*i)++;
    if (*i == count)
        return false;
    uint64_t first = ram[*i].first.value >> order;
    *out = (struct cells){first > next ? first : next, ((range_end(&ram[*i]) - 1) >> order) + 1};
    return true;
}

static uint64_t count_cells(const struct memory_range *ram, size_t count, unsigned order)
{
    uint64_t sum = 0;
    size_t i = 0;
    struct cells cells = {0, 0};
    for (; next_cells(ram, count, &i, order, cells.end, &cells); sum += cells.end - cells.first)
        continue;
    return sum;
}

/* Number the sections from 1; all others are section 0. */
static void number_sections(const struct memory_range *ram, size_t count)
{
    uint64_t section = 1, at = 0;
    size_t i = 0;
    struct cells cells;
    while (next_cells(ram, count, &i, SECTION_ORDER, at, &cells)) {
        for (; at < cells.first; at++)
            frames.index_delta[at] = (uint32_t) - (at << SECTION_ORDER);
        uint64_t delta = (section - at) << SECTION_ORDER;
        for (; at < cells.end; at++, section++) {
            frames.index_delta[at] = (uint32_t)delta;
            frames.frame_delta[section] = -(int64_t)delta;
        }
    }
}

static void number_regions(const struct memory_range *ram, size_t count)
{
    uint64_t region = 0;
    size_t i = 0;
    struct cells cells = {0, 0};
    while (next_cells(ram, count, &i, REGION_ORDER, cells.end, &cells))
        for (uint64_t cell = cells.first; cell < cells.end; cell++) {
            frames.region_of[cell] = (uint32_t)region;
            frames.region_frame[region++] = (uint32_t)cell;
        }
}

/* What does not depend on where the metadata is. */
static struct frame_state measure(const struct memory_range *ram, size_t count)
{
    struct frame_state state = {0};
    for (size_t i = 0; i < count; i++)
        state.total += range_end(&ram[i]) - ram[i].first.value;
    state.sections = 1 + count_cells(ram, count, SECTION_ORDER);
    state.regions = count_cells(ram, count, REGION_ORDER);
    state.mapped = count ? ((range_end(&ram[count - 1]) - 1) >> SECTION_ORDER) + 1 : 0;
    state.chunk_shape = frame_set_shape(state.sections << (SECTION_ORDER - CHUNK_ORDER));
    for (unsigned k = 0; k < BLOCK_ORDERS; k++)
        state.block_shape[k] = frame_set_shape(state.regions << (BLOCK_ORDERS - 1 - k));
    uint64_t cpus = state.total / FRAMES_PER_CPU;
    state.cpus = (uint32_t)(cpus < 1 ? 1 : cpus > MAX_CACHES ? MAX_CACHES : cpus);
    return state;
}

static void *carve(uintptr_t *at, uint64_t bytes)
{
    uintptr_t part = *at;
    *at += align_up(bytes, CACHE_LINE);
    return (void *)part;
}

/* Assign the parts of the metadata from address `at` on; returns where they end. */
static uintptr_t lay_out(struct frame_state *state, uintptr_t at)
{
    uint64_t chunks = state->chunk_shape.limit, set_bytes = 8ull * state->chunk_shape.words;
    state->cpu = carve(&at, state->cpus * sizeof *state->cpu);
    state->map = carve(&at, chunks * sizeof *state->map);
    state->chunk = carve(&at, chunks * sizeof *state->chunk);
    state->filed = carve(&at, chunks * sizeof *state->filed);
    state->sets = carve(&at, set_bytes * GROUPS * BUCKETS * CHUNK_ORDER);
    state->stale = carve(&at, set_bytes);
    state->stock = carve(&at, set_bytes);
    for (unsigned k = 0; k < BLOCK_ORDERS; k++)
        state->blocks[k] = carve(&at, 8ull * state->block_shape[k].words);
    state->index_delta = carve(&at, 4 * state->mapped);
    state->frame_delta = carve(&at, 8 * state->sections);
    state->region_of = carve(&at, 4 * ((state->mapped >> (REGION_ORDER - SECTION_ORDER)) + 1));
    state->region_frame = carve(&at, 4 * state->regions);
    state->record = carve(&at, state->sections << SECTION_ORDER);
    state->note = carve(&at, 4 * (state->sections << SECTION_ORDER));
    state->shares = carve(&at, 2 * (state->sections << SECTION_ORDER));
    return at;
}

uint64_t frame_metadata_bytes(const struct memory_range *ram, size_t count)
{
    size_t usable = usable_ranges(ram, count);
    if (usable == SIZE_MAX)
        return 0;
    struct frame_state state = measure(ram, usable);
    return align_up(lay_out(&state, 0), PAGE_SIZE);
}

/* Some frames of one chunk become free. */
static void add_ragged(uint64_t first, uint64_t end)
{
    uint64_t map[BITS_WORDS] = {0};
    for (uint64_t frame = first; frame < end; frame++)
        map[frame % CHUNK_FRAMES / 64] |= (uint64_t)1 << frame % 64;
    uint64_t index = align_down(frame_index_mapped(first), CHUNK_FRAMES);
    frame_chunk_assign(index, GROUP_PINNED); /* it can never become whole: best for what stays */
    frame_chunk_give_map(index, map);
}

/* Whole chunks become free, as the largest blocks. */
static void add_chunks(uint64_t first, uint64_t end)
{
    while (first < end) {
        unsigned order = first ? (unsigned)__builtin_ctzll(first) : REGION_ORDER;
        if (order > REGION_ORDER)
            order = REGION_ORDER;
        while ((uint64_t)1 << order > end - first)
            order--;
        frame_blocks_give(first, order);
        first += (uint64_t)1 << order;
    }
}

static void add_range(uint64_t first, uint64_t end)
{
    uint64_t begin = align_up(first, CHUNK_FRAMES), last = align_down(end, CHUNK_FRAMES);
    if (begin > end) {
        add_ragged(first, end);
        return;
    }
    if (first < begin)
        add_ragged(first, begin);
    if (begin < last)
        add_chunks(begin, last);
    if (last >= begin && last < end)
        add_ragged(last, end);
}

/* The frames of numbered sections that are no RAM can be neither given out nor given back. */
static void record_absent(const struct memory_range *ram, size_t count)
{
    for (uint64_t i = 0; i < SECTION_FRAMES; i++)
        frame_set_record(i, RECORD_ABSENT);
    size_t range = 0;
    for (uint64_t section = 1; section < frames.sections; section++) {
        uint64_t at = frame_at(section << SECTION_ORDER).value, end = at + SECTION_FRAMES;
        while (at < end) {
            while (range < count && range_end(&ram[range]) <= at)
                range++;
            uint64_t begin = range < count && ram[range].first.value < end ? ram[range].first.value : end;
            for (; at < begin; at++)
                frame_set_record(frame_index_mapped(at), RECORD_ABSENT);
            at = begin < end ? range_end(&ram[range]) : end;
        }
    }
}

/* Half a stack is a 128th of the CPU's share of memory, for whole chunks a 32nd; or one block. */
static uint32_t stack_capacity(uint64_t share, unsigned order)
{
    uint64_t most = order == CHUNK_ORDER ? HALF_CHUNKS : HALF_BLOCKS;
    uint64_t half = share / (order == CHUNK_ORDER ? 32 : 128) >> order;
    half = half < 1 ? 1 : half > most ? most : half;
    return 2u << (63 - __builtin_clzll(half));
}

static void start_cache(struct frame_cpu *cpu, uint64_t share)
{
    frame_cache_allow(cpu, true);
    for (unsigned group = 0; group < CACHED_GROUPS; group++) {
        struct frame_hand *hand = &cpu->hand[group];
        hand->freed = hand->mark = hand->begin = -(int64_t)FREED;
        hand->open = NO_WORD;
        hand->filed = group << FILED_GROUP;
        hand->keep = &frames.keep[group];
        hand->group = group;
        for (unsigned order = 1; order < CHUNK_ORDER; order++)
            *frame_cpu_stack(cpu, order, group) =
                (struct frame_stack){0, stack_capacity(share, order), cpu->blocks[order - 1][group]};
    }
    *frame_cpu_stack(cpu, CHUNK_ORDER, 0) =
        (struct frame_stack){0, stack_capacity(share, CHUNK_ORDER), cpu->chunks};
}

static void start_caches(unsigned cpus)
{
    if (frames.cpus > cpus)
        frames.cpus = cpus;
    for (uint32_t n = 0; n < frames.cpus; n++)
        start_cache(&frames.cpu[n], frames.total / frames.cpus);
    frame_cache_allow(&frame_no_cache, false);
    for (uint32_t n = 0; n < FRAME_CPUS; n++)
        frame_cache_of[n] = n < frames.cpus ? &frames.cpu[n] : &frame_no_cache;
}

enum error frame_init(const struct memory_range *ram, size_t count, void *metadata, unsigned cpus)
{
    size_t usable = usable_ranges(ram, count);
    if (cpus == 0 || usable == SIZE_MAX)
        return ERR_BAD_ARGUMENT;
    if (cpus > FRAME_CPUS)
        return ERR_TOO_LARGE;
    frames = measure(ram, usable);
    if (frames.sections << SECTION_ORDER > UINT32_MAX)
        return ERR_TOO_LARGE;
    lay_out(&frames, (uintptr_t)metadata);
    number_sections(ram, usable);
    number_regions(ram, usable);
    record_absent(ram, usable);
    frames.filed[0] = FILED_NEVER;
    for (size_t i = 0; i < usable; i++)
        add_range(ram[i].first.value, range_end(&ram[i]));
    frame_chunk_update_keep();
    start_caches(cpus);
    return ERR_NONE;
}
