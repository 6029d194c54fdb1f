/*
 * Held blocks with more than one holder, and held blocks of another shape.
 *
 * The allocator gives a block to one; who lets others hold it too counts them here. The counts are kept
 * beside the allocator's records, zero until they are written, and no part of taking and giving: a block that
 * is nobody else's costs nothing, and frame_free is for its only holder. Of a block that is held as one (a
 * large page) the count of its first frame stands for the block. All functions are for RAM that the caller
 * holds; they may be called where frame_free may.
 *
 * Who pays, and for whom it is recorded. Charges are none of the allocator's business: each object pays for
 * every page it has, shared or not, and refunds that when it lets go. The account in a block's record is for
 * people, and is that of who took the block. He may be gone before the others; so once a block has lost any
 * of its holders while others remained, no account is recorded for it (0) until its only holder has it
 * recorded anew (frame_assign). A record never names an account that does not pay for the block.
 */
#ifndef QUIRE_KERNEL_FRAME_SHARE_H
#define QUIRE_KERNEL_FRAME_SHARE_H

#include <stdbool.h>

#include "kernel/mm/frame.h"

/* More holders than this, beside one, cannot be counted. */
#define FRAME_SHARES_MOST 65535u

/* One more holder. False when there are as many as can be counted: copy it instead. The caller holds it. */
bool frame_share(pfn_t first) MUST_CHECK;

/*
 * The same for the frames in a row of words, each in the bits `number` of its word, where the word has the
 * bit `present`. Stops before the first that cannot be counted; returns how many words were passed.
 */
size_t frame_share_row(const uint64_t *words, size_t count, uint64_t number, uint64_t present) MUST_CHECK;

/*
 * One holder less. True when it was the only one: the caller has it alone now, has all before him that the
 * others did with it, and frees it.
 */
bool frame_drop(pfn_t first) MUST_CHECK;

/*
 * Has the frame, which the caller holds, other holders? Once false it stays so, until the caller shares it,
 * and what the others did with it is done.
 */
bool frame_is_shared(pfn_t first);

/*
 * Let a held block be 2^(order - part_order) held blocks of the lower order, of the same class and account.
 * Frames that are to be retired stay so, each in its part. ERR_BAD_FREE, with nothing changed, when the block
 * is not held in this order, or has more holders. Takes time for each part, and nobody's lock but for blocks
 * of the kernel and of devices.
 */
enum error frame_split(pfn_t first, unsigned order, unsigned part_order) MUST_CHECK;

/*
 * The other way round: neighbours that make up an aligned block, are all held in the lower order and for the
 * same class, become one block; its account is theirs if that is the same, else 0. ERR_BAD_FREE, with nothing
 * changed, when they are not like that, one has more holders, or one is to be retired. Time as for splitting.
 */
enum error frame_join(pfn_t first, unsigned order, unsigned part_order) MUST_CHECK;

#endif
