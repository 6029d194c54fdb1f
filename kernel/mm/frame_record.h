/*
 * What is recorded of each frame: a byte, and a note of four more that is written only when there is
 * something rare to say. The byte's high half is the shape, which decides whether a block may be given back;
 * the low half is the class, and whether the note names an account. Single frames have the highest shape, so
 * that one comparison tells them.
 *
 * A free frame, and one inside a held block, has 0: all is said at the first frame of the block.
 */
#ifndef QUIRE_KERNEL_MM_FRAME_RECORD_H
#define QUIRE_KERNEL_MM_FRAME_RECORD_H

#include "kernel/mm/frame.h"

#define SHAPE_HELD(order)  (15u - (order)) /* a held block of order 0 to 9 begins here */
#define SHAPE_LARGE        5u              /* a held block begins here, its order is in the note */
#define SHAPE_RETIRE       4u              /* the same, and some of its frames are bad */
#define SHAPE_BAD          3u              /* such a bad frame, if it is not the first of the block */
#define SHAPE_OUT          2u              /* not the allocator's to give: no RAM, or BAD */
#define RECORD_SHAPE_SHIFT 4
#define RECORD_KIND_MASK   0xfu /* of a held block: class - FRAME_KERNEL, NOTED */
#define RECORD_KINDS       16u
#define RECORD_CLASS_MASK  7u
#define RECORD_NOTED       8u
#define RECORD_SINGLE      (SHAPE_HELD(0) << RECORD_SHAPE_SHIFT) /* this and above: held single frames */
#define RECORD_ABSENT      (uint8_t)(SHAPE_OUT << RECORD_SHAPE_SHIFT)
#define RECORD_RETIRED     (uint8_t)(RECORD_ABSENT | 1u)
#define RECORD_INSIDE_BAD  (uint8_t)(SHAPE_BAD << RECORD_SHAPE_SHIFT)
#define RECORD_MAX_SHAPED  9u /* the largest order that a shape names */
#define NOTE_ACCOUNT_MASK  0xffffu
#define NOTE_ORDER_SHIFT   16
#define NOTE_ORDER_MASK    0x1fu
#define NOTE_FIRST_BAD     (1u << 24) /* of RETIRE: the first frame is bad */

/* The record of a held block of order 0 to 9 that needs no note. */
static inline uint8_t record_plain(unsigned order, enum frame_class class)
{
    return (uint8_t)((SHAPE_HELD(order) << RECORD_SHAPE_SHIFT) + class - FRAME_KERNEL);
}

static inline unsigned record_shape(uint8_t record)
{
    return record >> RECORD_SHAPE_SHIFT;
}

/* Does a held block begin here? */
static inline bool record_is_held(uint8_t record)
{
    return record_shape(record) >= SHAPE_RETIRE;
}

static inline unsigned record_order(uint8_t record, uint32_t note)
{
    unsigned shape = record_shape(record);
    return shape > SHAPE_LARGE ? SHAPE_HELD(0) - shape : note >> NOTE_ORDER_SHIFT & NOTE_ORDER_MASK;
}

static inline enum frame_class record_class(uint8_t record)
{
    unsigned kind = record & RECORD_CLASS_MASK;
    if (record_shape(record) == SHAPE_OUT)
        return kind ? FRAME_BAD : FRAME_ABSENT;
    return FRAME_KERNEL + kind;
}

static inline uint32_t record_account(uint8_t record, uint32_t note)
{
    return record_is_held(record) && (record & RECORD_NOTED) ? note & NOTE_ACCOUNT_MASK : 0;
}

#endif
