/*
 * The page-frame allocator: all RAM in blocks of 4 KiB x 2^order, order 0 to 18 (1 GiB), every block aligned
 * to its size. A free frame is never touched; all that is known about it is out of band, in the metadata
 * given to frame_init, and each frame has a recorded class, so that misuse is caught and memory can be drawn.
 *
 * There is one allocator in a machine. All functions may be called on any CPU at any time after frame_init
 * has returned, with preemption off. No shortage and no misuse panics: both are errors to the caller.
 */
#ifndef QUIRE_KERNEL_MM_FRAME_H
#define QUIRE_KERNEL_MM_FRAME_H

#include "abi/error.h"
#include "kernel/mm/memory_map.h"
#include "lib/units.h"

/* Orders 0 .. FRAME_ORDERS - 1. */
#define FRAME_ORDERS 19

/* Frames at and above this number (64 TiB) are not managed: frame_init leaves them out. */
#define FRAME_LIMIT ((uint64_t)1 << 34)

/* Who has a frame. ABSENT: no RAM that frame_init was told of. */
enum frame_class {
    FRAME_ABSENT,
    FRAME_FREE,
    FRAME_KERNEL,
    FRAME_PAGE_TABLE,
    FRAME_STACK,
    FRAME_USER_ANONYMOUS,
    FRAME_USER_SHARED,
    FRAME_DEVICE,
    FRAME_METADATA,
    FRAME_RESERVED,
    FRAME_BAD,
    FRAME_CLASSES
};

/* In frames, but for free_blocks. While other CPUs allocate, the numbers are each right at some moment. */
struct frame_counts {
    uint64_t total;                  /* RAM that frame_init was told of */
    uint64_t free;                   /* of these, free ones */
    uint64_t classes[FRAME_CLASSES]; /* by class; ABSENT is 0, FREE equals `free` */
    uint64_t
        free_blocks[FRAME_ORDERS]; /* free blocks of each order, each counted at its largest order only */
};

/* The bytes of metadata that frame_init needs for these ranges: at most 8 a frame and a fixed part. */
uint64_t frame_metadata_bytes(const struct memory_range *ram, size_t count);

/*
 * Start with all of `ram` free: sorted, disjoint, merged ranges as memory_map_build makes them. `metadata` is
 * zeroed, page aligned, mapped for good, of frame_metadata_bytes; not in `ram`. Once, on one CPU; a second
 * call starts over with other memory and forgets everything given out (host tests do so). ERR_BAD_ARGUMENT
 * when the ranges are not as said or `cpus` is 0.
 */
enum error frame_init(const struct memory_range *ram, size_t count, void *metadata, unsigned cpus) MUST_CHECK;

/*
 * Take a free block of 2^order frames, aligned to its size, and record its class (KERNEL .. RESERVED). The
 * contents are whatever they were. ERR_NO_MEMORY only when there is no such block anywhere.
 */
enum error frame_alloc(unsigned order, enum frame_class class, pfn_t *out) MUST_CHECK;

/*
 * Give back a block with the order it was taken with. ERR_BAD_FREE, with nothing changed, when it is not
 * held: given back before, never given out, of another order, not RAM, reserved.
 */
enum error frame_free(pfn_t first, unsigned order) MUST_CHECK;

void frame_count(struct frame_counts *out);

/* The class of the block that this frame is in. */
enum frame_class frame_class_of(pfn_t frame);

/*
 * Walk everything and prove maps, counts and provenance consistent. True when they are; else `*what` says
 * which invariant does not hold and `*where` names a frame. Nobody else may allocate or free meanwhile.
 */
bool frame_audit(const char **what, pfn_t *where) MUST_CHECK;

#endif
