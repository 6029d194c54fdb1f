/* Writing the records of held blocks, and finding the one that a frame belongs to. */
#include "kernel/mm/frame_state.h"

void frame_hold(uint64_t index, unsigned order, enum frame_class class, uint32_t account, uint32_t retire)
{
    /* What must not go through a CPU's cache when it is given back has its order in the note, whatever that
     * is. */
    bool noted = order > RECORD_MAX_SHAPED || CLASS_GROUP(class) >= CACHED_GROUPS ||
                 (order == CHUNK_ORDER && frame_is_apart(CLASS_GROUP(class)));
    unsigned shape = retire ? SHAPE_RETIRE : noted ? SHAPE_LARGE : SHAPE_HELD(order);
    if (shape <= SHAPE_LARGE || account)
        frame_set_note(index, account | order << NOTE_ORDER_SHIFT | (retire & NOTE_FIRST_BAD));
    frame_set_record(
        index, (uint8_t)(shape << RECORD_SHAPE_SHIFT | RECORD_KIND(class) | (account ? RECORD_NOTED : 0)));
}

uint32_t frame_retire_of_part(uint64_t index, unsigned order, uint64_t first_bad)
{
    uint32_t retire = 0;
    for (uint64_t i = index; i < index + ((uint64_t)1 << order); i++)
        if (i == first_bad || record_shape(frame_record(i)) == SHAPE_BAD)
            retire |= i == index ? NOTE_FIRST_BAD | 1 : 1;
    return retire;
}

uint64_t frame_holder(uint64_t index)
{
    uint64_t frame = frame_at(index).value;
    for (unsigned order = 0; order < FRAME_ORDERS; order++) {
        uint64_t first = frame_index_mapped(align_down(frame, (uint64_t)1 << order));
        uint8_t record = frame_record(first);
        if (record_is_held(record) && record_order(record, frame_note(first)) >= order)
            return first;
    }
    return NO_INDEX;
}
