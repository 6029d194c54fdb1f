/* What there is, by class and by size, and whose a frame is. For people: only frame_count_free is fast. */
#include "kernel/mm/frame_state.h"

/* Free blocks in a map by order: those that are not half of a larger free block. */
static void count_blocks(const uint64_t map[BITS_WORDS], uint64_t blocks[CHUNK_ORDER + 1])
{
    uint64_t larger = bits_words_full(map, BITS_WORDS);
    blocks[CHUNK_ORDER] = larger;
    for (unsigned order = CHUNK_ORDER; order-- > 0;) {
        uint64_t count = 0;
        for (int at = bits_find(map, order, 0); at >= 0;
             at = bits_find(map, order, (unsigned)at + (1u << order)))
            count++;
        blocks[order] = count - 2 * larger;
        larger = count;
    }
}

/* Some blocks are free, and of use for the group. */
static void tally(struct frame_counts *out, unsigned group, unsigned order, uint64_t blocks)
{
    out->free_blocks[order] += blocks;
    if (frame_is_apart(group))
        out->classes[FRAME_SPARE] += blocks << order;
}

static void tally_map(struct frame_counts *out, unsigned group, const uint64_t map[BITS_WORDS])
{
    uint64_t blocks[CHUNK_ORDER + 1];
    count_blocks(map, blocks);
    for (unsigned order = 0; order <= CHUNK_ORDER; order++)
        tally(out, group, order, blocks[order]);
}

static void tally_hand(struct frame_cpu *cpu, unsigned group, struct frame_counts *out)
{
    uint32_t freed;
    for (unsigned at = 0; at < HAND_WORDS; at++) {
        uint64_t map[BITS_WORDS] = {frame_cache_word(cpu, group * HAND_WORDS + at).bits};
        tally_map(out, group, map);
        out->cached += bits_count(map[0]);
    }
    frame_hand_freed(&cpu->hand[group], &freed);
    tally(out, group, 0, freed);
    out->cached += freed;
    for (unsigned order = 1; order < CHUNK_ORDER; order++) {
        uint64_t blocks = frame_cpu_stack(cpu, order, group)->count;
        tally(out, group, order, blocks);
        out->cached += blocks << order;
    }
}

static void tally_cache(struct frame_cpu *cpu, struct frame_counts *out)
{
    for (unsigned group = 0; group < CACHED_GROUPS; group++)
        tally_hand(cpu, group, out);
    uint64_t chunks = frame_cpu_stack(cpu, CHUNK_ORDER, 0)->count;
    tally(out, GROUP_USER, CHUNK_ORDER, chunks);
    out->cached += chunks << CHUNK_ORDER;
}

/* Chunks with free frames are in one set each; the others need not be looked at. */
static void tally_chunks(struct frame_counts *out)
{
    for (unsigned s = 0; s < GROUPS * CHUNK_SETS; s++) {
        const uint64_t *set = frames.sets + (uint64_t)s * frames.chunk_shape.words;
        for (uint64_t c = frame_set_next(&frames.chunk_shape, set, 0); c != FRAME_SET_NONE;
             c = frame_set_next(&frames.chunk_shape, set, c + 1))
            tally_map(out, s / CHUNK_SETS, frames.map[c]);
    }
    tally(out, GROUP_KERNEL, CHUNK_ORDER, frames.stocked);
}

void frame_count(struct frame_counts *out)
{
    *out = (struct frame_counts){.total = frames.total, .free = frames.total};
    frame_cache_quiesce();
    frame_pool_lock();
    for (uint32_t n = 0; n < frames.cpus; n++) {
        tally_cache(&frames.cpu[n], out);
        out->trips += frames.cpu[n].trips;
        for (unsigned class = FRAME_KERNEL; class <= FRAME_BAD; class ++) {
            out->classes[class] += frame_cpu_class(&frames.cpu[n], class);
            out->taken += frames.cpu[n].taken[class];
        }
    }
    for (unsigned class = FRAME_KERNEL; class <= FRAME_BAD; class ++) {
        out->classes[class] += (uint64_t)frames.classes[class];
        out->free -= out->classes[class];
    }
    out->damaged = __atomic_load_n(&frames.damaged, __ATOMIC_RELAXED);
    for (unsigned k = 0; k < BLOCK_ORDERS; k++)
        out->free_blocks[CHUNK_ORDER + k] += frames.block_counts[k];
    frame_cache_resume();
    tally_chunks(out);
    frame_pool_unlock();
    out->classes[FRAME_FREE] = out->free - out->classes[FRAME_SPARE];
}

pages_t frame_count_free(void)
{
    uint64_t held = 0;
    for (uint32_t n = 0; n < frames.cpus; n++) {
        const struct frame_cpu *cpu = &frames.cpu[n];
        for (unsigned class = 0; class < FRAME_CLASSES; class ++)
            held += __atomic_load_n(&cpu->taken[class], __ATOMIC_RELAXED);
        for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
            held -= __atomic_load_n(&cpu->given[kind], __ATOMIC_RELAXED);
    }
    for (unsigned class = 0; class < FRAME_CLASSES; class ++)
        held += (uint64_t)__atomic_load_n(&frames.classes[class], __ATOMIC_RELAXED);
    return (pages_t){held < frames.total ? frames.total - held : 0};
}

enum frame_class frame_class_of(pfn_t frame)
{
    uint64_t index = frame_index(frame);
    if (index == NO_INDEX)
        return FRAME_ABSENT;
    uint8_t record = frame_record(index);
    if (record_shape(record) == SHAPE_OUT)
        return record_class(record);
    uint64_t first = frame_holder(index);
    if (first != NO_INDEX)
        return record_class(frame_record(first));
    return frame_is_apart(frame_group_at(index)) ? FRAME_SPARE : FRAME_FREE;
}

uint32_t frame_account_of(pfn_t frame)
{
    uint64_t index = frame_index(frame), first = index == NO_INDEX ? NO_INDEX : frame_holder(index);
    return first == NO_INDEX ? 0 : record_account(frame_record(first), frame_note(first));
}
