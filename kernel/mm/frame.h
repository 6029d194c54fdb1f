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

/* CPU numbers are below this. */
#define FRAME_CPUS 512

/* Accounts are numbers below this; 0 is the kernel's own. */
#define FRAME_ACCOUNTS (1u << 16)

/* Frames at and above this number (64 TiB) are not managed: frame_init leaves them out. */
#define FRAME_LIMIT ((uint64_t)1 << 34)

/*
 * Who has a frame. ABSENT: no RAM that frame_init was told of. Frames of the kernel (KERNEL, PAGE_TABLE,
 * STACK), of users, and those that stay where they are (DEVICE, METADATA, RESERVED) come from different
 * stretches of 2 MiB, as long as there are enough. SPARE frames are free, but only for the kernel: see
 * frame_keep_apart.
 */
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
    FRAME_SPARE,
    FRAME_CLASSES
};

/*
 * In frames, but for free_blocks. While other CPUs allocate, the numbers are each right at some moment.
 * ABSENT is 0 among the classes, FREE and SPARE together are `free`. A free block is counted at its largest
 * order only.
 */
struct frame_counts {
    uint64_t total; /* RAM that frame_init was told of */
    uint64_t free;
    uint64_t cached; /* of the free ones, in the CPUs' caches */
    uint64_t classes[FRAME_CLASSES];
    uint64_t free_blocks[FRAME_ORDERS];
    uint64_t taken;   /* through the CPUs' caches, since the start */
    uint64_t trips;   /* of the caches, for more, since the start */
    uint64_t damaged; /* frames that were given back twice at the same moment: a bug of the caller */
};

/* The bytes of metadata that frame_init needs for these ranges: at most 8 a frame and a fixed part. */
uint64_t frame_metadata_bytes(const struct memory_range *ram, size_t count);

/*
 * Start with all of `ram` free: sorted, disjoint, merged ranges as memory_map_build makes them. `metadata` is
 * zeroed, page aligned, mapped for good, of frame_metadata_bytes; not in `ram`. Once, on one CPU; a second
 * call starts over with other memory and forgets everything given out (host tests do so). ERR_BAD_ARGUMENT
 * when the ranges are not as said or `cpus` is 0, ERR_TOO_LARGE above 16 TiB of RAM or FRAME_CPUS CPUs.
 */
enum error frame_init(const struct memory_range *ram, size_t count, void *metadata, unsigned cpus) MUST_CHECK;

/*
 * What wants to know which frames the kernel has: functions that are told when stretches of 2 MiB become the
 * kernel's, and when they stop being so. `enter` is called with the allocator's lock held: it must be quick,
 * and call nothing of the allocator. `leave` and, after some of them, `left` are called without: when `left`
 * returns, nobody may reach what has left any more.
 */
struct frame_watch {
    void (*enter)(pfn_t first, pages_t count);
    void (*leave)(pfn_t first, pages_t count);
    void (*left)(void);
};

/*
 * Between frame_init and the first request: no stretch of 2 MiB has frames of the kernel and of anybody else
 * from now on, and the kernel has none at or above `kernel_end`. So a request of the kernel's can be refused
 * while frames are free that are not in whole stretches, and the other way round.
 */
void frame_keep_apart(const struct frame_watch *watch, pfn_t kernel_end);

/* Is the stretch that this frame is in the kernel's? Never, unless kept apart. */
bool frame_is_kernels(pfn_t frame);

/*
 * Take a free block of 2^order frames, aligned to its size, and record its class (KERNEL .. RESERVED). The
 * contents are whatever they were. ERR_NO_MEMORY only when there is no such block anywhere.
 */
enum error frame_alloc(unsigned order, enum frame_class class, pfn_t *out) MUST_CHECK;

/* The same, recording also the account that is charged. */
enum error frame_alloc_for(unsigned order, enum frame_class class, uint32_t account, pfn_t *out) MUST_CHECK;

/* The same for what large pages of users are made of: 512 frames, FRAME_USER_ANONYMOUS. */
enum error frame_alloc_user_block(uint32_t account, pfn_t *out) MUST_CHECK;

/* The same for who takes blocks for later: refused rather than to disturb others or have what they keep. */
enum error frame_alloc_modestly(unsigned order, enum frame_class class, uint32_t account,
                                pfn_t *out) MUST_CHECK;

/*
 * Some single frames of a class of users at once, for who takes them for later; an account other than 0.
 * Returns how many there were.
 */
unsigned frame_alloc_some(enum frame_class class, uint32_t account, unsigned most, pfn_t *out) MUST_CHECK;

/*
 * Give back a block with the order it was taken with. ERR_BAD_FREE, with nothing changed, when it is not
 * held: given back before, never given out, of another order, not RAM; or when it is RESERVED. A block that
 * others hold, too, is not for this but for frame_drop (frame_share.h).
 */
enum error frame_free(pfn_t first, unsigned order) MUST_CHECK;

/* Take up to `count` blocks of the order; returns how many there were, in `out`. Fewer only when no more
 * exist. */
size_t frame_alloc_batch(unsigned order, enum frame_class class, pfn_t *out, size_t count) MUST_CHECK;

/* Give back blocks of the order. Returns how many: all, or those before the first that frame_free refuses. */
size_t frame_free_batch(unsigned order, const pfn_t *blocks, size_t count) MUST_CHECK;

/* Take a block that lies in [low, high): for devices that reach only so far, or for a node's memory. */
enum error frame_alloc_within(unsigned order, enum frame_class class, pfn_t low, pfn_t high,
                              pfn_t *out) MUST_CHECK;

/*
 * Take `count` contiguous frames, of any count and alignment. They are held as the fewest aligned blocks that
 * make them up, and are given back as these or with frame_free_run.
 */
enum error frame_alloc_run(pages_t count, enum frame_class class, pfn_t *out) MUST_CHECK;

/* Take exactly these frames, held as with frame_alloc_run. ERR_NOT_READY when not all of them are free. */
enum error frame_take(pfn_t first, pages_t count, enum frame_class class) MUST_CHECK;

/* Give back contiguous frames that consist of whole held blocks; else ERR_BAD_FREE, and nothing is changed.
 */
enum error frame_free_run(pfn_t first, pages_t count) MUST_CHECK;

/* The same for frames that are RESERVED, all of them. */
enum error frame_unreserve(pfn_t first, pages_t count) MUST_CHECK;

/*
 * Give back a part of the held block (first, order), itself an aligned block. The rest stays held, as the
 * fewest blocks that make it up: one of each order from part_order to order - 1.
 */
enum error frame_free_part(pfn_t first, unsigned order, pfn_t part, unsigned part_order) MUST_CHECK;

/*
 * Record another class and account for a held block. Who alone holds it calls this; the class is of the same
 * kind as before, a user's or the kernel's, else ERR_BAD_ARGUMENT. ERR_BAD_FREE when the block is not held in
 * this order.
 */
enum error frame_assign(pfn_t first, unsigned order, enum frame_class class, uint32_t account) MUST_CHECK;
/* The same for a single frame of FRAME_USER_ANONYMOUS, which it stays: quick from one account to another. */
enum error frame_pass_on(pfn_t frame, uint32_t account) MUST_CHECK;

/*
 * Never give these frames out again: their memory is bad. Free ones become BAD at once, held ones when they
 * are given back. ERR_BAD_ARGUMENT when any of them is no RAM; nothing is changed then.
 */
enum error frame_retire(pfn_t first, pages_t count) MUST_CHECK;

/* Bring all free memory together: what the CPUs' caches hold goes where every request can find it. */
void frame_drain(void);

/* For idle time: let go of stretches that the kernel has no frames in any more. False when there were none.
 */
bool frame_tidy(void);

/*
 * For debugging: functions that are told of each block before it is given back, by whom it was held, and of
 * all frames that were just taken. They may look at the frames and fill them. A block that has more
 * holders is not taken back then (ERR_BAD_FREE). The CPUs' caches are not used. Once, before the first
 * request.
 */
struct frame_inspector {
    void (*given)(pfn_t first, unsigned order, enum frame_class class, uint32_t account);
    void (*taken)(pfn_t first, pages_t count);
};
void frame_inspect(const struct frame_inspector *inspector);

/*
 * Ask this before a request is refused: whether frames that are kept for some purpose have been given back.
 * It is called without locks of the allocator, and may call frame_free. `asked` is how often this request has
 * asked before: as long as anybody is given something, everybody tries and asks again, so what others make
 * anew all the time must not be given each time. BARRED: here and now it must not be asked, since the caller
 * is in the midst of what is kept; who is barred is refused without waiting for others who are giving back.
 * Once, at start.
 */
enum frame_gift { FRAME_GIFT_NONE, FRAME_GIFT_MADE, FRAME_GIFT_BARRED };
void frame_ask_before_refusing(enum frame_gift (*give_back)(unsigned asked));

/* Is somebody about to be refused? Who keeps frames for later takes none now: he would be asked for them
 * again. */
bool frame_is_short(void);

/* Everything counted, exactly: the other CPUs wait meanwhile. For people, not for deciding. */
void frame_count(struct frame_counts *out);

/* The free frames. Takes no lock and makes nobody wait: what other CPUs take and give meanwhile may be
 * missed. */
pages_t frame_count_free(void);

/* The class of the block that this frame is in. */
enum frame_class frame_class_of(pfn_t frame);

/* The account that the block is charged to; 0 for what is not held. */
uint32_t frame_account_of(pfn_t frame);

/* All that is recorded of a frame: of the block that it is part of, where it is held. */
struct frame_owner {
    enum frame_class class;
    uint32_t account;
    pfn_t first; /* of the block; the frame itself where it is not held */
    unsigned order;
    unsigned others; /* holders beside one: frame_share.h */
};
void frame_owner_of(pfn_t frame, struct frame_owner *out);

/*
 * How many of the `count` frames from `first` on are of each class. Looks at each block once, so that it is
 * quick where memory is in large pieces; what other CPUs take and give meanwhile may be missed.
 */
void frame_survey(pfn_t first, pages_t count, uint64_t classes[FRAME_CLASSES]);

/* The first frame from this one on in a stretch of 32 MiB with RAM in it; false when there is none. */
bool frame_find_ram(pfn_t from, pfn_t *out);

/*
 * Walk everything and prove maps, counts, caches and records consistent; other CPUs that allocate or free
 * wait meanwhile. True when all is well; else `*what` says which invariant does not hold and `*where` names a
 * frame.
 */
bool frame_audit(const char **what, pfn_t *where) MUST_CHECK;

/*
 * For metadata that is made when it is touched: a function that says whether the 4 KiB page of an address has
 * never been, so that the auditor need not touch it to find zeros. Once, at start; without it everything is
 * looked at.
 */
void frame_tell_untouched(bool (*untouched)(const void *at));

#endif
