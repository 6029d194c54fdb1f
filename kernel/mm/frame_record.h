/*
 * What is recorded of each frame: a byte, and a note of four more that is written only when there is something
 * rare to say. The byte's low half is the shape, which decides whether a block may be given back; the high half
 * is the class, and whether the note names an account.
 *
 * A free frame, and one inside a held block, has 0: all is said at the first frame of the block.
 */
#ifndef QUIRE_KERNEL_MM_FRAME_RECORD_H
#define QUIRE_KERNEL_MM_FRAME_RECORD_H

#include "kernel/mm/frame.h"

#define RECORD_SHAPE_MASK  0x0fu
#define SHAPE_HELD(order)  ((order) + 1u) /* a held block of order 0 to 9 begins here */
#define SHAPE_LARGE        11u            /* a held block begins here, its order is in the note */
#define SHAPE_RETIRE       12u            /* the same, and some of its frames are bad */
#define SHAPE_BAD          13u            /* such a bad frame, if it is not the first of the block */
#define SHAPE_OUT          14u            /* not the allocator's to give: no RAM, or BAD */
#define RECORD_KIND_SHIFT  4              /* of a held block: class - FRAME_KERNEL, NOTED */
#define RECORD_KINDS       16u
#define RECORD_CLASS_MASK  7u
#define RECORD_NOTED       0x80u
#define RECORD_ABSENT      (uint8_t)(SHAPE_OUT)
#define RECORD_RETIRED     (uint8_t)(SHAPE_OUT | 1u << RECORD_KIND_SHIFT)
#define RECORD_MAX_SHAPED  9u /* the largest order that a shape names */
#define NOTE_ACCOUNT_MASK  0xffffu
#define NOTE_ORDER_SHIFT   16
#define NOTE_ORDER_MASK    0x1fu
#define NOTE_FIRST_BAD     (1u << 24) /* of RETIRE: the first frame is bad */

/* The record of a held block of order 0 to 9 that needs no note. */
static inline uint8_t record_plain(unsigned order, enum frame_class class)
{
    return (uint8_t)(SHAPE_HELD(order) | (class - FRAME_KERNEL) << RECORD_KIND_SHIFT);
}

static inline unsigned record_shape(uint8_t record)
{
    return record & RECORD_SHAPE_MASK;
}

/* Does a held block begin here? */
static inline bool record_is_held(uint8_t record)
{
    return record_shape(record) >= SHAPE_HELD(0) && record_shape(record) <= SHAPE_RETIRE;
}

static inline unsigned record_order(uint8_t record, uint32_t note)
{
    return record_shape(record) < SHAPE_LARGE ? record_shape(record) - 1 : note >> NOTE_ORDER_SHIFT & NOTE_ORDER_MASK;
}

static inline enum frame_class record_class(uint8_t record)
{
    unsigned kind = record >> RECORD_KIND_SHIFT & RECORD_CLASS_MASK;
    if (record_shape(record) == SHAPE_OUT)
        return kind ? FRAME_BAD : FRAME_ABSENT;
    return FRAME_KERNEL + kind;
}

static inline uint32_t record_account(uint8_t record, uint32_t note)
{
    return record_is_held(record) && (record & RECORD_NOTED) ? note & NOTE_ACCOUNT_MASK : 0;
}

#endif
