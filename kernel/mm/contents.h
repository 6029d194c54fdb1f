/*
 * What is in frames: clearing, copying and writing them through this CPU's windows, whoever they belong to.
 * The caller holds the frames; no locks, no memory.
 */
#ifndef QUIRE_KERNEL_CONTENTS_H
#define QUIRE_KERNEL_CONTENTS_H

#include "abi/error.h"
#include "lib/units.h"

/* Zero one frame. */
void contents_zero(pfn_t frame);

/* Zero some frames, at most WINDOW_SOME_MOST. */
void contents_zero_some(const pfn_t *frames, unsigned count);

/*
 * Zero a block of 2^order frames, at least 512. Lets interrupts in and others run at any moment, so the
 * caller holds no lock. ERR_CANCELLED when the calling thread is killed: the rest is as it was.
 */
enum error contents_zero_block(pfn_t first, unsigned order) MUST_CHECK;
enum error contents_zero_large(pfn_t first) MUST_CHECK; /* order 9 */

/* Copy one frame to another. */
void contents_copy(pfn_t to, pfn_t from);

/* Write bytes into one frame, at this offset; all inside it. */
void contents_write(pfn_t frame, uint64_t offset, const void *from, uint64_t bytes);

#endif
