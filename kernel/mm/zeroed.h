/*
 * Frames that are zero already: a few for each CPU, and a few blocks of 2 MiB for all, made while CPUs have
 * nothing else to do. Nobody gets to see what was in a frame of another account, and who asks for one need
 * not wait for it to be cleared.
 *
 * While they are kept the frames are held as FRAME_USER_ANONYMOUS on account ZEROED_ACCOUNT. When memory is
 * short they all go back (zeroed_give_back). All functions take a lock that is innermost but for those of the
 * frame allocator.
 */
#ifndef QUIRE_KERNEL_ZEROED_H
#define QUIRE_KERNEL_ZEROED_H

#include <stdbool.h>

#include "abi/error.h"
#include "kernel/mm/frame.h"

#define ZEROED_ACCOUNT (FRAME_ACCOUNTS - 1)

/*
 * A zeroed frame, held for this class (of users) and account, or a zeroed block of 512 frames,
 * FRAME_USER_ANONYMOUS. When no block is ready one is cleared on the spot, letting interrupts in and others
 * run: the caller of zeroed_take_block holds no lock. ERR_NO_MEMORY; blocks also ERR_CANCELLED when the
 * calling thread is killed.
 */
enum error zeroed_take(enum frame_class class, uint32_t account, pfn_t *out) MUST_CHECK;
enum error zeroed_take_block(uint32_t account, pfn_t *out) MUST_CHECK;

/*
 * In the idle thread: clear a little for later. True when there may be more to do; takes no longer than
 * clearing 64 KiB does, past the caches.
 */
bool zeroed_refill(void);

/* Everything goes back to the frame allocator; false when there was nothing. */
bool zeroed_give_back(void);

struct zeroed_counts {
    uint64_t frames;     /* ready now, single ones */
    uint64_t blocks;     /* of 2 MiB */
    uint64_t hits;       /* requests that found one ready */
    uint64_t misses;     /* requests that did not */
    uint64_t large_hits; /* the same for blocks */
    uint64_t large_misses;
};

/* May be a little off while others are at it. */
void zeroed_count(struct zeroed_counts *out);

/*
 * As frame_count, with what is kept here counted as free, which it is for everybody who asks, and after the
 * quarantine was emptied. Exact, unless
 * others go on taking and keeping frames for a second, or the thread is killed. Lets interrupts in and others
 * run: the caller holds no lock.
 */
void zeroed_count_frames(struct frame_counts *out);

#endif
