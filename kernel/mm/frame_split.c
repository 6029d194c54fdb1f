/*
 * Held blocks that become several, and several that become one: see frame_share.h. Only records change; no
 * frame is free meanwhile, and who looks a frame up without a lock finds the whole or the part.
 */
#include "kernel/mm/frame_share.h"
#include "kernel/mm/frame_state.h"

/* Chunks that are used in pieces must say for which group; for other groups than users' that takes the lock.
 */
static struct frame_cpu *enter(uint64_t index)
{
    return frame_records_enter(CLASS_GROUP(record_class(frame_record(index))) != GROUP_USER);
}

/* Whole chunks of a held block are about to be in pieces. */
static void assign_chunks(uint64_t index, unsigned order, unsigned group)
{
    for (uint64_t i = index; i < index + ((uint64_t)1 << order); i += CHUNK_FRAMES)
        frame_chunk_assign(i, group);
}

/* Bad frames are in the block: part by part. From the last one on, as below. */
static void split_bad(uint64_t index, unsigned order, unsigned part_order)
{
    uint8_t record = frame_record(index);
    uint32_t note = frame_note(index), account = record_account(record, note);
    uint64_t first_bad = note & NOTE_FIRST_BAD ? index : NO_INDEX;
    for (uint64_t part = (uint64_t)1 << (order - part_order); part-- > 0;) {
        uint64_t i = index + (part << part_order);
        frame_hold(i, part_order, record_class(record), account,
                   frame_retire_of_part(i, part_order, first_bad));
    }
}

/* All parts have the same record and note. The first part, where the whole is recorded, comes last. */
static void split(uint64_t index, unsigned order, unsigned part_order)
{
    uint8_t record = frame_record(index);
    uint64_t last = index + ((uint64_t)1 << order) - ((uint64_t)1 << part_order);
    uint32_t account = record_account(record, frame_note(index));
    frame_hold(last, part_order, record_class(record), account, 0);
    record = frame_record(last);
    bool noted = account != 0 || record_shape(record) <= SHAPE_LARGE;
    uint32_t note = noted ? frame_note(last) : 0;
    for (uint64_t i = last; i > index;) {
        i -= (uint64_t)1 << part_order;
        if (i == index)
            __atomic_thread_fence(__ATOMIC_RELEASE);
        if (noted)
            frame_set_note(i, note);
        frame_set_record(i, record);
    }
}

enum error frame_split(pfn_t first, unsigned order, unsigned part_order)
{
    uint64_t index = frame_index(first);
    if (index == NO_INDEX || order >= FRAME_ORDERS || part_order > order)
        return ERR_BAD_FREE;
    struct frame_cpu *cpu = enter(index);
    bool held = frame_is_held(index, order) && frame_shares(index) == 0;
    if (held && part_order < order) {
        if (order >= CHUNK_ORDER && part_order < CHUNK_ORDER)
            assign_chunks(index, order, CLASS_GROUP(record_class(frame_record(index))));
        if (record_shape(frame_record(index)) == SHAPE_RETIRE)
            split_bad(index, order, part_order);
        else
            split(index, order, part_order);
    }
    frame_records_leave(cpu);
    return held ? ERR_NONE : ERR_BAD_FREE;
}

/* Have all these frames numbers, and indices in a row? */
static bool is_in_a_row(pfn_t first, uint64_t index, unsigned order)
{
    uint64_t size = (uint64_t)1 << order;
    for (uint64_t at = 0; at < size; at += SECTION_FRAMES)
        if (frame_index(pfn(first.value + at)) != index + at)
            return false;
    return true;
}

/* Are these parts held alike, each by one holder, with no bad frames? Then also the account of all, or 0. */
static bool parts_are_alike(uint64_t index, unsigned order, unsigned part_order, uint32_t *account)
{
    uint8_t like = frame_record(index) | RECORD_NOTED;
    uint64_t end = index + ((uint64_t)1 << order);
    *account = record_account(frame_record(index), frame_note(index));
    if (!record_is_held(like) || record_shape(like) == SHAPE_RETIRE)
        return false;
    for (uint64_t i = index; i < end; i += (uint64_t)1 << part_order) {
        uint8_t record = frame_record(i);
        uint32_t note = record_shape(record) == SHAPE_LARGE || record & RECORD_NOTED ? frame_note(i) : 0;
        if ((record | RECORD_NOTED) != like || record_order(record, note) != part_order ||
            frame_shares(i) != 0)
            return false;
        if (record_account(record, note) != *account)
            *account = 0;
    }
    return true;
}

static void join(uint64_t index, unsigned order, unsigned part_order, uint32_t account)
{
    uint64_t end = index + ((uint64_t)1 << order), part = (uint64_t)1 << part_order;
    frame_hold(index, order, record_class(frame_record(index)), account, 0);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (uint64_t i = index + part; i < end; i += part)
        frame_set_record(i, 0);
}

enum error frame_join(pfn_t first, unsigned order, unsigned part_order)
{
    uint64_t index = frame_index(first);
    if (index == NO_INDEX || order >= FRAME_ORDERS || part_order > order ||
        !is_aligned(first.value, (uint64_t)1 << order) || !is_in_a_row(first, index, order))
        return ERR_BAD_FREE;
    uint32_t account;
    struct frame_cpu *cpu = enter(index);
    bool alike = parts_are_alike(index, order, part_order, &account);
    if (alike && part_order < order)
        join(index, order, part_order, account);
    frame_records_leave(cpu);
    return alike ? ERR_NONE : ERR_BAD_FREE;
}
