/* What there is, by class and by size, and whose a frame is. For people: only frame_count_free is fast. */
#include "kernel/mm/frame_state.h"

/* Free blocks in a map by order: those that are not half of a larger free block. */
static void tally_map(const uint64_t map[BITS_WORDS], uint64_t blocks[FRAME_ORDERS])
{
    uint64_t larger = bits_words_full(map, BITS_WORDS);
    blocks[CHUNK_ORDER] += larger;
    for (unsigned order = CHUNK_ORDER; order-- > 0;) {
        uint64_t count = 0;
        for (int at = bits_find(map, order, 0); at >= 0;
             at = bits_find(map, order, (unsigned)at + (1u << order)))
            count++;
        blocks[order] += count - 2 * larger;
        larger = count;
    }
}

static void tally_cache(struct frame_cpu *cpu, struct frame_counts *out)
{
    for (unsigned at = 0; at < CACHE_WORDS; at++) {
        uint64_t map[BITS_WORDS] = {frame_cache_word(cpu, at).bits};
        tally_map(map, out->free_blocks);
        out->cached += bits_count(map[0]);
    }
    for (unsigned group = 0; group < GROUPS; group++) {
        uint32_t freed;
        frame_hand_freed(&cpu->hand[group], &freed);
        out->free_blocks[0] += freed;
        out->cached += freed;
        for (unsigned order = 1; order < CHUNK_ORDER + !group; order++) {
            uint64_t blocks = frame_cpu_stack(cpu, order, group)->count;
            out->free_blocks[order] += blocks;
            out->cached += blocks << order;
        }
    }
}

void frame_count(struct frame_counts *out)
{
    *out = (struct frame_counts){.total = frames.total, .free = frames.total};
    frame_cache_quiesce();
    frame_lock(&frames.lock);
    for (uint32_t n = 0; n < frames.cpus; n++) {
        tally_cache(&frames.cpu[n], out);
        for (unsigned class = 0; class < FRAME_CLASSES; class ++)
            out->classes[class] += frame_cpu_class(&frames.cpu[n], class);
    }
    for (unsigned class = 0; class < FRAME_CLASSES; class ++) {
        out->classes[class] += (uint64_t)frames.classes[class];
        out->free -= out->classes[class];
    }
    out->damaged = __atomic_load_n(&frames.damaged, __ATOMIC_RELAXED);
    for (unsigned k = 0; k < BLOCK_ORDERS; k++)
        out->free_blocks[CHUNK_ORDER + k] += frames.block_counts[k];
    frame_cache_resume();
    for (uint64_t c = 0; c < frames.chunk_shape.limit; c++)
        if (frame_chunk_free(&frames.chunk[c]))
            tally_map(frames.map[c], out->free_blocks);
    frame_unlock(&frames.lock);
    out->classes[FRAME_FREE] = out->free;
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
    return first == NO_INDEX ? FRAME_FREE : record_class(frame_record(first));
}

uint32_t frame_account_of(pfn_t frame)
{
    uint64_t index = frame_index(frame), first = index == NO_INDEX ? NO_INDEX : frame_holder(index);
    return first == NO_INDEX ? 0 : record_account(frame_record(first), frame_note(first));
}
