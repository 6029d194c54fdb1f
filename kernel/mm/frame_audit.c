/*
 * The auditor. With all CPUs kept out it proves that every frame of RAM is in exactly one place: in a held
 * block, out of service, in the pool, or in one cache; and that the sets, counts and records say the same.
 *
 * Cached blocks are marked in their records first, which are 0 while a block is free, so that a frame in two
 * caches, or in a cache and the pool, shows; the marks are gone when the audit returns.
 */
#include "kernel/mm/frame_state.h"

#define MARK_CACHED ((uint8_t)(RECORD_ABSENT | RECORD_NOTED)) /* no other record is like it */

struct audit {
    const char *what;
    uint64_t where;                  /* an index */
    uint64_t classes[FRAME_CLASSES]; /* frames seen */
    uint64_t free;                   /* frames seen in the pool or a cache */
};

static bool claim(struct audit *audit, bool holds, const char *what, uint64_t where)
{
    if (!holds && audit->what == NULL) {
        audit->what = what;
        audit->where = where;
    }
    return audit->what == NULL;
}

/* Mark, or unmark, a block in a cache. */
static void mark_block(struct audit *audit, uint64_t index, unsigned order, bool mark)
{
    for (uint64_t i = index; i < index + ((uint64_t)1 << order); i++) {
        if (mark && !claim(audit, frame_record(i) == 0, "a cached frame is held or in a second cache", i))
            return;
        frame_set_record(i, mark ? MARK_CACHED : 0);
    }
}

static void mark_items(struct audit *audit, const uint32_t *items, uint32_t count, unsigned order, bool mark)
{
    for (uint32_t k = 0; k < count; k++)
        mark_block(audit, items[k], order, mark);
}

static void mark_cache(struct audit *audit, struct frame_cpu *cpu, bool mark)
{
    for (unsigned at = 0; at < CACHE_WORDS; at++) {
        struct frame_word word = frame_cache_word(cpu, at);
        for (; word.bits; word.bits &= word.bits - 1)
            mark_block(audit, word.number * 64ul + bit_lowest(word.bits), 0, mark);
    }
    for (unsigned group = 0; group < CACHED_GROUPS; group++) {
        uint32_t freed, *items = frame_hand_freed(&cpu->hand[group], &freed);
        mark_items(audit, items, freed, 0, mark);
        for (unsigned order = 1; order < CHUNK_ORDER + !group; order++) {
            const struct frame_stack *stack = frame_cpu_stack(cpu, order, group);
            mark_items(audit, stack->item, stack->count, order, mark);
        }
    }
}

static void audit_chunk(struct audit *audit, uint64_t c)
{
    const struct frame_chunk *chunk = &frames.chunk[c];
    unsigned free = 0, set = chunk->bucket * CHUNK_ORDER + chunk->order;
    for (unsigned w = 0; w < BITS_WORDS; w++)
        free += bits_count(frames.map[c][w]);
    claim(audit, free == frame_chunk_free(chunk), "a chunk's count of free frames is wrong",
          c * CHUNK_FRAMES);
    claim(audit, free < CHUNK_FRAMES, "a chunk that is all free is kept in pieces", c * CHUNK_FRAMES);
    claim(audit, chunk->indexed == (free != 0), "a chunk is in a set without free frames, or the reverse",
          c * CHUNK_FRAMES);
    claim(audit, frame_set_has(frames.stale, c) == chunk->stale, "the stale set is wrong", c * CHUNK_FRAMES);
    claim(audit, frames.filed[c] == ((unsigned)chunk->group << FILED_GROUP | (free ? chunk->bucket + 1u : 0)),
          "how a chunk is filed is not known", c * CHUNK_FRAMES);
    if (free == 0 || free == CHUNK_FRAMES || audit->what)
        return;
    unsigned largest = bits_largest(frames.map[c]);
    claim(audit, chunk->stale ? chunk->order <= largest : chunk->order == largest,
          "a chunk is filed under a wrong order", c * CHUNK_FRAMES);
    for (unsigned s = 0; s < GROUPS * CHUNK_SETS; s++)
        claim(audit,
              frame_set_has(frames.sets + (uint64_t)s * frames.chunk_shape.words, c) ==
                  (s == chunk->group * CHUNK_SETS + set),
              "a chunk is in a wrong set", c * CHUNK_FRAMES);
}

/* A frame that begins no held block, and is not inside one: free, in exactly one place. */
static void audit_free_frame(struct audit *audit, uint64_t index)
{
    bool cached = frame_record(index) == MARK_CACHED;
    bool in_map = frames.map[index / CHUNK_FRAMES][index % CHUNK_FRAMES / 64] >> index % 64 & 1;
    bool in_block = frame_blocks_order_at(frame_at(index).value) >= 0;
    bool stocked = frame_set_has(frames.stock, index / CHUNK_FRAMES);
    claim(audit, cached || frame_record(index) == 0, "a free frame has a record", index);
    claim(audit, cached + in_map + in_block + stocked > 0, "a frame is neither held nor free", index);
    claim(audit, cached + in_map + in_block + stocked <= 1, "a frame is free in two places", index);
    claim(audit, !stocked || frame_is_apart(frame_group_at(index)), "a stocked chunk is not the kernel's",
          index);
    claim(audit, !in_block || !frame_is_apart(frame_group_at(index)), "a free block is the kernel's", index);
    audit->free++;
}

static void audit_held_block(struct audit *audit, uint64_t index, uint8_t record)
{
    unsigned order = record_order(record, frame_note(index));
    uint64_t first = frame_at(index).value;
    bool bad = (frame_note(index) & NOTE_FIRST_BAD) && record_shape(record) == SHAPE_RETIRE;
    audit->classes[record_class(record)] += (uint64_t)1 << order;
    unsigned group = CLASS_GROUP(record_class(record));
    claim(audit, is_aligned(first, (uint64_t)1 << order), "a held block is not aligned", index);
    for (uint64_t k = 0; k < (uint64_t)1 << order; k++) {
        uint64_t i = frame_index(pfn(first + k));
        uint8_t inner = k ? frame_record(i) : 0;
        bad |= inner == RECORD_INSIDE_BAD;
        claim(audit, inner == 0 || inner == RECORD_INSIDE_BAD, "a frame inside a held block has a record", i);
        claim(audit, !frame_pool_is_free(i, 0), "a held frame is free in the pool", i);
        claim(audit, !frames.watch || frame_is_apart(frame_group_at(i)) == frame_is_apart(group),
              "a frame is in a chunk that is not its group's", i);
    }
    claim(audit, bad == (record_shape(record) == SHAPE_RETIRE), "a block's mark of bad frames is wrong",
          index);
    claim(audit,
          record_shape(record) > SHAPE_LARGE || record_shape(record) == SHAPE_RETIRE ||
              order > RECORD_MAX_SHAPED || group == GROUP_PINNED ||
              (order == CHUNK_ORDER && frame_is_apart(group)),
          "a record is malformed", index);
}

void frame_tell_untouched(bool (*untouched)(const void *at))
{
    frames.untouched = untouched;
}

/* How many elements of this size, from one on, lie in a page that was never touched. */
static uint64_t untouched(const void *at, size_t size)
{
    uint64_t left = (PAGE_SIZE - (uintptr_t)at % PAGE_SIZE) / size;
    return frames.untouched && frames.untouched(at) ? left : 0;
}

/* Free frames in a block of whole chunks: they are nowhere else, and have no records. */
static void audit_free_chunks(struct audit *audit, uint64_t index, uint64_t count)
{
    bool kept = frames.watch != NULL;
    for (uint64_t c = index / CHUNK_FRAMES; c <= (index + count - 1) / CHUNK_FRAMES; c++) {
        uint64_t skip = untouched(&frames.chunk[c], sizeof frames.chunk[c]);
        if (skip) {
            c += skip - 1;
            continue;
        }
        claim(audit, frame_chunk_free(&frames.chunk[c]) == 0 && !frame_set_has(frames.stock, c),
              "a frame is free in two places", c * CHUNK_FRAMES);
        claim(audit, !kept || frame_group_at(c * CHUNK_FRAMES) != GROUP_KERNEL,
              "a free block is the kernel's", c * CHUNK_FRAMES);
    }
    uint64_t end = untouched(&frames.record[index], 1) ? index : index + count;
    for (uint64_t i = index; i < end; i += 8) {
        uint64_t eight;
        __builtin_memcpy(&eight, &frames.record[i], sizeof eight);
        claim(audit, eight == 0, "a free frame has a record", i);
    }
}

/*
 * When this frame, the first of a chunk, is in a free block of whole chunks: look at all of it whose records
 * are in one page, or as much as there is. Returns how many frames that was.
 */
static uint64_t audit_free_part(struct audit *audit, uint64_t index)
{
    int order = index % CHUNK_FRAMES ? -1 : frame_blocks_order_at(frame_at(index).value);
    if (order < 0)
        return 0;
    uint64_t left = ((uint64_t)1 << order) - frame_at(index).value % ((uint64_t)1 << order);
    uint64_t page = align_down(PAGE_SIZE - (uintptr_t)&frames.record[index] % PAGE_SIZE, CHUNK_FRAMES);
    uint64_t count = page == 0 ? CHUNK_FRAMES : page < left ? page : left;
    audit_free_chunks(audit, index, count);
    audit->free += count;
    return count;
}

/* Walk the frames in order. A held block can reach over several sections, and these are adjacent. */
static void audit_frames(struct audit *audit)
{
    for (uint64_t i = SECTION_FRAMES; i < frames.sections << SECTION_ORDER && audit->what == NULL;) {
        uint64_t free = audit_free_part(audit, i);
        if (free) {
            i += free;
            continue;
        }
        uint8_t record = frame_record(i);
        if (record == RECORD_ABSENT || record == RECORD_RETIRED) {
            audit->classes[record_class(record)]++;
            claim(audit, !frame_pool_is_free(i, 0), "a frame that is out of service is free", i);
            i++;
        } else if (record_is_held(record)) {
            audit_held_block(audit, i, record);
            i += (uint64_t)1 << record_order(record, frame_note(i));
        } else {
            audit_free_frame(audit, i);
            i++;
        }
    }
}

/* Holders are counted at the first frames of held blocks only. */
static void audit_shares(struct audit *audit)
{
    for (uint64_t i = SECTION_FRAMES; i < frames.sections << SECTION_ORDER; i++) {
        uint64_t skip = untouched(&frames.shares[i], sizeof *frames.shares);
        if (skip)
            i += skip - 1;
        else if (frame_shares(i) != 0)
            claim(audit, record_is_held(frame_record(i)), "what is not held has holders", i);
    }
}

static void audit_counts(struct audit *audit)
{
    uint64_t total = audit->free;
    for (unsigned class = FRAME_FREE; class < FRAME_CLASSES; class ++) {
        int64_t counted = frames.classes[class];
        for (uint32_t n = 0; n < frames.cpus; n++)
            counted += (int64_t)frame_cpu_class(&frames.cpu[n], class);
        total += audit->classes[class];
        claim(audit, (int64_t)audit->classes[class] == counted, "the count of a class is wrong",
              SECTION_FRAMES);
    }
    claim(audit, total == frames.total, "frames are missing", SECTION_FRAMES);
}

/* Free buddies are merged, counts and summary bits are right. */
static void audit_blocks(struct audit *audit)
{
    for (unsigned k = 0; k < BLOCK_ORDERS; k++) {
        const struct frame_set_shape *shape = &frames.block_shape[k];
        const uint64_t *set = frames.blocks[k];
        uint64_t count = 0;
        for (uint64_t m = frame_set_next(shape, set, 0); m != FRAME_SET_NONE;
             m = frame_set_next(shape, set, m + 1), count++)
            claim(audit, k + 1 == BLOCK_ORDERS || !frame_set_has(set, m ^ 1),
                  "two free buddies are not merged", SECTION_FRAMES);
        claim(audit, count == frames.block_counts[k], "the count of an order is wrong", SECTION_FRAMES);
        claim(audit, (frames.block_orders >> k & 1) == (count != 0), "the summary of orders is wrong",
              SECTION_FRAMES);
    }
    unsigned fullest[GROUPS] = {FILED_MOST, FILED_MOST, FILED_MOST};
    for (unsigned s = 0; s < GROUPS * CHUNK_SETS; s++) {
        unsigned group = s / CHUNK_SETS, set = s % CHUNK_SETS;
        bool empty =
            frame_set_is_empty(&frames.chunk_shape, frames.sets + (uint64_t)s * frames.chunk_shape.words);
        claim(audit, (frames.nonempty[group][set / SETS_WORD] >> set % SETS_WORD & 1) == !empty,
              "the summary of chunks is wrong", SECTION_FRAMES);
        if (!empty && fullest[group] > set / CHUNK_ORDER + 1)
            fullest[group] = set / CHUNK_ORDER + 1;
    }
    for (unsigned group = 0; group < CACHED_GROUPS; group++)
        claim(audit, fullest[group] == frames.keep[group], "the fullest chunks are not known",
              SECTION_FRAMES);
}

bool frame_audit(const char **what, pfn_t *where)
{
    struct audit audit = {0};
    frame_cache_quiesce();
    frame_pool_lock();
    for (uint32_t n = 0; n < frames.cpus; n++)
        mark_cache(&audit, &frames.cpu[n], true);
    if (audit.what == NULL) {
        audit_frames(&audit);
        audit_shares(&audit);
        for (uint64_t c = SECTION_FRAMES / CHUNK_FRAMES; c < frames.chunk_shape.limit; c++) {
            uint64_t skip = untouched(&frames.map[c], sizeof frames.map[c]);
            if (skip)
                c += skip - 1;
            else
                audit_chunk(&audit, c);
        }
        audit_blocks(&audit);
        audit_counts(&audit);
        for (uint32_t n = 0; n < frames.cpus; n++)
            mark_cache(&audit, &frames.cpu[n], false);
    }
    frame_pool_unlock();
    frame_cache_resume();
    *what = audit.what;
    *where = frame_at(audit.where);
    return audit.what == NULL;
}
