/*
 * Whose a frame is, and whose those of a range are, found block by block: what is free, or held, in one piece
 * is looked at once. For drawing memory; while other CPUs take and give, each block is as it was at some
 * moment.
 */
#include "kernel/mm/frame_state.h"

/* The class of what begins at this frame, and where it ends; at most `end`. */
static enum frame_class piece_at(uint64_t at, uint64_t end, uint64_t *next)
{
    uint64_t index = frame_index_mapped(at);
    if (index < SECTION_FRAMES) { /* a section without RAM */
        *next = align_down(at, SECTION_FRAMES) + SECTION_FRAMES;
        return FRAME_ABSENT;
    }
    *next = at + 1;
    int order =
        frame_blocks_order_at(at); /* first, since it looks at no record: they may never have been touched */
    if (order >= 0) {
        *next = align_down(at, (uint64_t)1 << order) + ((uint64_t)1 << order);
        return FRAME_FREE;
    }
    unsigned run = frame_chunk_free_run(index);
    if (run != 0) {
        *next = at + run;
        return frame_is_apart(frame_group_at(index)) ? FRAME_SPARE : FRAME_FREE;
    }
    uint8_t record = frame_record(index);
    if (record_shape(record) == SHAPE_OUT)
        return record_class(record);
    uint64_t first = record_is_held(record) ? index : frame_holder(index);
    if (first == NO_INDEX)
        return frame_is_apart(frame_group_at(index)) ? FRAME_SPARE : FRAME_FREE;
    record = frame_record(first);
    *next = frame_at(first).value + ((uint64_t)1 << record_order(record, frame_note(first)));
    /* It can have been given back, and another one taken, since it was found. */
    *next = *next > at && *next <= end ? *next : at + 1;
    return record_class(record);
}

void frame_owner_of(pfn_t frame, struct frame_owner *out)
{
    uint64_t index = frame_index(frame);
    *out = (struct frame_owner){.class = FRAME_ABSENT, .first = frame};
    if (index == NO_INDEX)
        return;
    uint8_t record = frame_record(index);
    uint64_t first = record_shape(record) == SHAPE_OUT ? NO_INDEX : frame_holder(index);
    if (first == NO_INDEX) {
        out->class = frame_class_of(frame);
        return;
    }
    record = frame_record(first);
    uint32_t note = frame_note(first);
    *out = (struct frame_owner){record_class(record), record_account(record, note), frame_at(first),
                                record_order(record, note), frame_shares(first)};
}

void frame_survey(pfn_t first, pages_t count, uint64_t classes[FRAME_CLASSES])
{
    uint64_t limit = frames.mapped << SECTION_ORDER, at = first.value, end = at + count.value;
    for (unsigned class = 0; class < FRAME_CLASSES; class ++)
        classes[class] = 0;
    while (at < end) {
        uint64_t next = end;
        enum frame_class class = at < limit ? piece_at(at, end, &next) : FRAME_ABSENT;
        next = next < end ? next : end;
        classes[class] += next - at;
        at = next;
    }
}

bool frame_find_ram(pfn_t from, pfn_t *out)
{
    for (uint64_t section = from.value >> SECTION_ORDER; section < frames.mapped; section++) {
        uint64_t begin = section << SECTION_ORDER, at = from.value > begin ? from.value : begin;
        if (frame_index_mapped(at) >= SECTION_FRAMES) {
            *out = pfn(at);
            return true;
        }
    }
    return false;
}
