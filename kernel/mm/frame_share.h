/*
 * Frames with more than one holder. The allocator gives a frame to one; who lets others hold it too counts them
 * here. The counts are kept beside the allocator's records, made when they are first touched, and no part of
 * taking and giving: a frame that is nobody else's costs nothing.
 *
 * Of a block that is held as one (a large page) the count of its first frame stands for the block. All functions
 * may be called on any CPU at any time; no locks, no memory.
 */
#ifndef QUIRE_KERNEL_FRAME_SHARE_H
#define QUIRE_KERNEL_FRAME_SHARE_H

#include <stdbool.h>

#include "kernel/mm/frame.h"

/* More holders than this, beside the first, cannot be counted. */
#define FRAME_SHARES_MOST 65535u

/* One more holder. False when there are as many as can be counted: copy it instead. The caller holds it. */
bool frame_share(pfn_t first) MUST_CHECK;

/* One holder less. True when it was the only one: the caller has it alone now, and frees it. */
bool frame_drop(pfn_t first) MUST_CHECK;

/* Has the frame, which the caller holds, other holders? Once false it stays so, until the caller shares it. */
bool frame_is_shared(pfn_t first);

/*
 * Let a held block be 2^(order - part_order) held blocks of the lower order, of the same class and account, or the
 * other way round: neighbours that make up an aligned block and are all held with the same class become one
 * (ERR_BAD_FREE when they are not, or one has been retired). Nothing is freed; none is shared.
 */
enum error frame_split(pfn_t first, unsigned order, unsigned part_order) MUST_CHECK;
enum error frame_join(pfn_t first, unsigned order, unsigned part_order) MUST_CHECK;

#endif
