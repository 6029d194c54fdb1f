/*
 * What is recorded of each frame: a byte, and a note of four more that is written only when there is
 * something rare to say. The byte's high half is the shape, which decides whether a block may be given back;
 * the low half, the kind, is the class, and whether the note names an account. Single frames have the highest
 * shape, and among them those of users the highest kinds, so that one comparison tells them.
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
#define RECORD_KIND_MASK   0xfu /* of a held block */
#define RECORD_KINDS       16u
#define RECORD_KIND(class) (((class) - FRAME_KERNEL) << 1)
#define RECORD_NOTED       1u                                    /* in the kind */
#define RECORD_SINGLE      (SHAPE_HELD(0) << RECORD_SHAPE_SHIFT) /* this and above: held single frames */
#define RECORD_USER        (RECORD_SINGLE | RECORD_KIND(FRAME_USER_ANONYMOUS)) /* the same, those of users */
#define RECORD_ABSENT      (uint8_t)(SHAPE_OUT << RECORD_SHAPE_SHIFT)
#define RECORD_RETIRED     (uint8_t)(RECORD_ABSENT | 2u)
#define RECORD_INSIDE_BAD  (uint8_t)(SHAPE_BAD << RECORD_SHAPE_SHIFT)
#define RECORD_MAX_SHAPED  9u /* the largest order that a shape names */
#define NOTE_ACCOUNT_MASK  0xffffu
#define NOTE_ORDER_SHIFT   16
#define NOTE_ORDER_MASK    0x1fu
#define NOTE_FIRST_BAD     (1u << 24) /* of RETIRE: the first frame is bad */

/* The record of a held block of order 0 to 9 that needs no note. */
static inline uint8_t record_plain(unsigned order, enum frame_class class)
{
    return (uint8_t)(SHAPE_HELD(order) << RECORD_SHAPE_SHIFT | RECORD_KIND(class));
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
    if (record_shape(record) == SHAPE_OUT)
        return record == RECORD_RETIRED ? FRAME_BAD : FRAME_ABSENT;
    return FRAME_KERNEL + (record >> 1 & 7u);
}

static inline uint32_t record_account(uint8_t record, uint32_t note)
{
    return record_is_held(record) && (record & RECORD_NOTED) ? note & NOTE_ACCOUNT_MASK : 0;
}

#endif
