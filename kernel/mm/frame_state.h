/*
 * The inside of the frame allocator: what its files share. docs/frames.md has the picture and the reasons.
 *
 * Frames that exist have compact numbers, "indices", so that metadata is made for these only: RAM is cut into
 * sections of 32 MiB, the sections with RAM in them are numbered in order of address from 1, and an index is
 * section number x 8192 + frame in the section. Section 0 stands for all addresses without RAM.
 *
 * A chunk is 512 frames, 2 MiB. Blocks below a chunk live in the chunk's bitmap (frame_chunk.c); blocks of
 * whole chunks in a buddy system of their own (frame_blocks.c). Both together are "the pool", guarded by one
 * lock. In front of it each CPU has a cache (frame_cache.c), guarded by the CPU's being alone in it.
 */
#ifndef QUIRE_KERNEL_MM_FRAME_STATE_H
#define QUIRE_KERNEL_MM_FRAME_STATE_H

#include "kernel/mm/frame.h"
#include "kernel/mm/frame_bits.h"
#include "kernel/mm/frame_platform.h"
#include "kernel/mm/frame_record.h"
#include "kernel/mm/frame_set.h"
#include "lib/bits.h"

#define RARELY(condition) __builtin_expect((condition), 0)
#define SLOW              __attribute__((noinline))

#define SECTION_ORDER  13u
#define SECTION_FRAMES ((uint64_t)1 << SECTION_ORDER)
#define CHUNK_ORDER    9u
#define CHUNK_FRAMES   512u
#define REGION_ORDER   (FRAME_ORDERS - 1u)
#define REGION_FRAMES  ((uint64_t)1 << REGION_ORDER)
#define BLOCK_ORDERS   (FRAME_ORDERS - CHUNK_ORDER) /* orders of the buddy system over chunks */

/* Orders that have caches. */
#define CACHED_ORDERS 10u

/* Frames for the kernel and frames for users come from different chunks. */
#define GROUPS       3u
#define GROUP_USER   0u
#define GROUP_KERNEL 1u
#define GROUP_PINNED 2u

/* The first of them have caches: what is pinned is taken and given back rarely. */
#define CACHED_GROUPS 2u

/* Chunks that leave the kernel at once. */
#define STOCK_BATCH 256u

/* Chunks with free frames are indexed by how many are free (the bucket) and their largest free block. */
#define BUCKETS     14u
#define CHUNK_SETS  (BUCKETS * CHUNK_ORDER)
#define SETS_WORD   (7u * CHUNK_ORDER) /* sets a word of `nonempty` covers: 7 buckets */
#define NONEMPTY    2u
#define NO_INDEX    UINT64_MAX
#define CACHE_LINE  64
#define HALF_BLOCKS 8u   /* most blocks of an order that go to the pool, or come from it, at once */
#define HALF_CHUNKS 64u  /* the same for whole chunks */
#define FREED       128u /* most single frames that are given back before they go to the pool, per group */
#define GATHER      64u  /* the single frames to get at once from a pool in which chunks have few each */
#define WAITING     (GATHER + BITS_WORDS)
#define NO_WORD     UINT32_MAX
#define NO_FRAME    0u /* an index in section 0 */
#define HAND_WORDS  (1 + WAITING + BITS_WORDS)
#define CACHE_WORDS (CACHED_GROUPS * HAND_WORDS)

/* What the pool knows of a chunk beside its map. Guarded by the pool's lock; `group` is also read without it.
 */
struct frame_chunk {
    uint16_t left;    /* single frames that can come back before the chunk has to be filed anew */
    uint16_t due;     /* the free frames it has then; so it has due - left now, see frame_chunk_free */
    uint8_t bucket;   /* of the set that it is in */
    uint8_t order;    /* of the set that it is in: the largest free block is at least of this order */
    uint8_t group;    /* whose frames it has, unless it is free or held as a whole */
    bool indexed : 1; /* it is in a set */
    bool stale : 1;   /* `order` may be too low, and it is in the stale set */
};

/* Blocks of one order and group that a CPU has at hand. */
struct frame_stack {
    uint32_t count;    /* in `item` */
    uint32_t capacity; /* even: half of it at a time goes to the pool or comes from it */
    uint32_t *item;    /* indices; the last one is given out next */
};

/* Free frames of one word of a chunk's map. Words are numbered: index / 64. */
struct frame_word {
    uint64_t bits;
    uint32_t number;
};

/*
 * The single frames of one group that a CPU has at hand. What is given out comes from the open word, lowest
 * first, but for frames that were given back a moment ago and are no worse: the last of `item`. These fill
 * `item` from place FREED + begin to FREED + freed, so that 0 means full; those below `mark` are for the
 * pool. A frame of the open word goes back into it.
 *
 * While frames come back in a row there is room for only one in `item`, and the open word is that in which
 * they lie: nothing is taken from it. `closing` has those of the same chunk's other words.
 *
 * `word`, `freed` and `mark` are looked at before it is known that no other CPU drains the cache.
 */
struct frame_hand {
    uint64_t word;   /* bits of the open word */
    uint8_t *record; /* of the open word's first frame */
    uint64_t first;  /* the number of that frame */
    int64_t freed, mark;
    uint32_t open;        /* index / 64; NO_WORD */
    uint32_t filed;       /* frames.filed of a full chunk of the group */
    const uint32_t *keep; /* frames.keep of the group */
    int64_t begin;
    uint32_t group;
    uint32_t next, words; /* waiting to be opened: waiting[next .. words) */
    uint32_t item[FREED];
    struct frame_word waiting[WAITING];
    uint64_t closing[BITS_WORDS];
} __attribute__((aligned(CACHE_LINE)));

static inline bool frame_hand_closes(const struct frame_hand *hand)
{
    return hand->begin == -1;
}

/*
 * The cache of one CPU. `busy` and `allowed` are its lock: the owner sets busy, then looks at allowed, which
 * has all bits set; who drains the cache makes it 0, passes frame_platform_barrier, then waits until busy is
 * clear. So the owner needs no locked instruction and no fence. All else belongs to whoever is in by that
 * rule. `least` says the same as `allowed` to who gives back a frame: it is RECORD_SINGLE, or above all
 * records.
 */
struct frame_cpu {
    uint64_t allowed;
    uint32_t busy;
    uint32_t least;
    uint64_t given[RECORD_KINDS];  /* frames given back, by the low half of their record */
    uint64_t taken[FRAME_CLASSES]; /* frames taken through this CPU so far, by class */
    uint64_t trips;                /* to the pool, for more */
    struct frame_hand hand[CACHED_GROUPS];
    struct frame_stack stack[CACHED_ORDERS - 1][GROUPS]; /* blocks, of order 1 and higher; no pinned ones */
    uint32_t blocks[CHUNK_ORDER - 1][CACHED_GROUPS][2 * HALF_BLOCKS];
    uint32_t chunks[2 * HALF_CHUNKS];
} __attribute__((aligned(2 * CACHE_LINE)));

/* The stack of order 1 to 9. Whole chunks have no group: their stack is the first. */
static inline struct frame_stack *frame_cpu_stack(struct frame_cpu *cpu, unsigned order, unsigned group)
{
    return &cpu->stack[order - 1][order < CHUNK_ORDER ? group : 0];
}

/* The frames that were given back. */
static inline uint32_t *frame_hand_freed(struct frame_hand *hand, uint32_t *count)
{
    *count = (uint32_t)(hand->freed - hand->begin);
    return hand->item + FREED + hand->begin;
}

struct frame_state {
    /* Set once. */
    uint64_t mapped;        /* RAM ends below this section */
    uint32_t *index_delta;  /* by frame number / 8192: index - frame number, modulo 2^32 */
    int64_t *frame_delta;   /* by section: frame number - index */
    uint64_t sections;      /* numbered ones, with section 0 */
    uint64_t regions;       /* 1 GiB regions with RAM in them */
    uint32_t *region_of;    /* by frame number / 2^18: number of the region */
    uint32_t *region_frame; /* by number of the region: frame number / 2^18 */
    uint32_t cpus;          /* that have a cache */
    struct frame_cpu *cpu;
    uint64_t total; /* frames of RAM */
    struct frame_set_shape chunk_shape;
    struct frame_set_shape block_shape[BLOCK_ORDERS];
    const struct frame_watch *watch;         /* NULL when the kernel's frames are not kept apart */
    uint64_t kernel_end;                     /* its frames are below this one, when they are */
    enum frame_gift (*give_back)(unsigned);  /* what to ask before a request is refused; NULL */
    uint32_t giving;                         /* how many are asking just now; atomic */
    uint32_t gifts;                          /* how often something was given back; atomic */
    uint32_t short_of;                       /* requests that are about to be refused; atomic */
    const struct frame_inspector *inspector; /* NULL */
    bool (*untouched)(const void *);         /* is this page of the metadata as it was at the start? NULL */

    /* Atomic; the fast paths write only the records of blocks that they hold. By index: see frame_record.h.
     */
    uint8_t *record;
    uint32_t *note;
    uint16_t *shares; /* holders beside the first, at the first frame of a held block; any holder writes */

    /* Atomic, written under lock when it changes, which is not often. By chunk: see frame_filed. */
    uint8_t *filed;
    uint32_t keep[CACHED_GROUPS] __attribute__((aligned(2 * CACHE_LINE)));

    /* Guarded by lock. */
    uint32_t lock __attribute__((aligned(2 * CACHE_LINE)));
    uint32_t block_orders;               /* bit k: there are free blocks of order 9 + k */
    uint64_t nonempty[GROUPS][NONEMPTY]; /* bit: that set of chunks is not empty */
    uint64_t (*map)[BITS_WORDS];         /* by chunk */
    struct frame_chunk *chunk;
    uint64_t *sets;   /* GROUPS x CHUNK_SETS sets of chunks, by chunk_shape */
    uint64_t *stale;  /* one more such set */
    uint64_t *stock;  /* and another one: whole chunks that are still the kernel's: see frame_apart.c */
    uint32_t stocked; /* how many are in it; also read without the lock */
    uint64_t
        *blocks[BLOCK_ORDERS]; /* free blocks of whole chunks: members are region-wise numbers >> order */
    uint64_t block_counts[BLOCK_ORDERS];
    int64_t classes[FRAME_CLASSES]; /* as in frame_cpu, for what does not go through a cache */
    uint64_t damaged;               /* frames found free where they should be held: freed twice at once */

    /* Guards the draining of caches; taken before any cache and before lock. */
    uint32_t drain __attribute__((aligned(2 * CACHE_LINE)));
};

extern struct frame_state frames __attribute__((visibility("hidden")));

/* The free frames of a chunk in the pool: neither held nor lent to a CPU. */
static inline unsigned frame_chunk_free(const struct frame_chunk *chunk)
{
    return (uint16_t)(chunk->due - chunk->left);
}

/* The cache of each CPU; `frame_no_cache`, which nobody can enter, for those that have none. */
extern struct frame_cpu *frame_cache_of[FRAME_CPUS] __attribute__((visibility("hidden")));
extern struct frame_cpu frame_no_cache __attribute__((visibility("hidden")));

#define FILED_GROUP        6   /* the bits of `filed` from this one on are the chunk's group */
#define FILED_NEARLY_WHOLE 14u /* BUCKETS: in the last bucket */
#define FILED_MOST         15u /* of `keep`: no chunk of the group has free frames in the pool */
#define FILED_NEVER        63u /* of what is no chunk: for no group the best */

/* The group of the chunk that this index is in. */
static inline unsigned frame_group_at(uint64_t index)
{
    return __atomic_load_n(&frames.filed[index / CHUNK_FRAMES], __ATOMIC_RELAXED) >> FILED_GROUP;
}

/*
 * A free frame that is not in the pool is as good for the group as any that is when its chunk is of the group
 * and fuller than all that have free frames in the pool: in a fuller bucket than the fullest of these. That
 * is, when frame_filed, its chunk's bucket + 1 and 0 when it is full, is less than frame_keep, the same of
 * those.
 */
static inline unsigned frame_filed(uint64_t index, const struct frame_hand *hand)
{
    return hand->filed ^ __atomic_load_n(&frames.filed[index / CHUNK_FRAMES], __ATOMIC_RELAXED);
}

static inline unsigned frame_keep(const struct frame_hand *hand)
{
    return __atomic_load_n(hand->keep, __ATOMIC_RELAXED);
}

static inline uint8_t frame_record(uint64_t index)
{
    return __atomic_load_n(&frames.record[index], __ATOMIC_RELAXED);
}

static inline void frame_set_record(uint64_t index, uint8_t record)
{
    __atomic_store_n(&frames.record[index], record, __ATOMIC_RELAXED);
}

static inline uint32_t frame_note(uint64_t index)
{
    return __atomic_load_n(&frames.note[index], __ATOMIC_RELAXED);
}

static inline void frame_set_note(uint64_t index, uint32_t note)
{
    __atomic_store_n(&frames.note[index], note, __ATOMIC_RELAXED);
}

static inline uint16_t frame_shares(uint64_t index)
{
    return __atomic_load_n(&frames.shares[index], __ATOMIC_ACQUIRE);
}

/* Frames that were just taken, for who wants to look at them. Without locks. */
static inline enum error frame_taken(pfn_t first, uint64_t count)
{
    if (frames.inspector)
        frames.inspector->taken(first, (pages_t){count});
    return ERR_NONE;
}

/*
 * The last attempts of a request, one after another, from begin to end. While somebody makes them nobody
 * keeps anew what he was just asked to give back (frame_is_short). After one that failed frame_shortage_again
 * says whether another is worth it: that is when somebody, no matter for whom, gave something back since the
 * attempt began.
 */
struct frame_shortage {
    uint32_t gifts; /* frames.gifts before the attempt */
    unsigned asked;
};
void frame_shortage_begin(struct frame_shortage *shortage);
bool frame_shortage_again(struct frame_shortage *shortage);
void frame_shortage_end(void);

/* Record a held block, with its account and, when `retire` is not 0, bad frames in it (NOTE_FIRST_BAD or 1).
 */
void frame_hold(uint64_t index, unsigned order, enum frame_class class, uint32_t account, uint32_t retire);

/* Is the record at this index that of a held block of this order? */
static inline bool frame_is_held(uint64_t index, unsigned order)
{
    uint8_t record = frame_record(index);
    return record_is_held(record) && record_order(record, frame_note(index)) == order;
}

/*
 * Does any frame of this part of a held block have to be retired? 0, or what frame_hold is told when the part
 * becomes a block. `first_bad` is the first index of the whole when that frame is bad, else NO_INDEX.
 */
uint32_t frame_retire_of_part(uint64_t index, unsigned order, uint64_t first_bad);

/* The index at which the held block that this frame is in begins; NO_INDEX when the frame is in none. */
uint64_t frame_holder(uint64_t index);

/* Frames of a class taken through a CPU's cache less those given back through it: modulo 2^64. */
static inline uint64_t frame_cpu_class(const struct frame_cpu *cpu, unsigned class)
{
    if (class < FRAME_KERNEL || class > FRAME_RESERVED)
        return 0;
    return cpu->taken[class] - cpu->given[RECORD_KIND(class)] - cpu->given[RECORD_KIND(class) | RECORD_NOTED];
}

/* Which group a class belongs to. */
#define CLASS_GROUP(class)                                                                                   \
    ((class) <= FRAME_STACK ? GROUP_KERNEL : (class) <= FRAME_USER_SHARED ? GROUP_USER : GROUP_PINNED)

/* The index of a frame below the last RAM; in section 0, whose frames are all OUT, when it is no RAM. */
static inline uint64_t frame_index_mapped(uint64_t frame)
{
    return (uint32_t)frame + frames.index_delta[frame >> SECTION_ORDER];
}

/* The index of any frame; NO_INDEX when it lies above the last RAM. */
static inline uint64_t frame_index(pfn_t frame)
{
    return frame.value >> SECTION_ORDER < frames.mapped ? frame_index_mapped(frame.value) : NO_INDEX;
}

static inline pfn_t frame_at(uint64_t index)
{
    return pfn(index + (uint64_t)frames.frame_delta[index >> SECTION_ORDER]);
}

static inline void frame_lock(uint32_t *lock)
{
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(lock, __ATOMIC_RELAXED))
            __builtin_ia32_pause();
}

static inline void frame_unlock(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* Entered while the cache is being drained: wait until it is not, then enter. False where there is no cache.
 */
bool frame_cache_wait(struct frame_cpu *cpu);

/* Plain stores and loads: see struct frame_cpu. 0 when the cache is being drained, else all bits set. */
static inline uint64_t frame_cache_try(struct frame_cpu *cpu)
{
    __atomic_store_n(&cpu->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&cpu->allowed, __ATOMIC_ACQUIRE);
}

/*
 * Enter the cache of the CPU that this runs on, for the caller alone until frame_cache_leave. NULL when the
 * CPU has none.
 */
static inline struct frame_cpu *frame_cache_enter(void)
{
    struct frame_cpu *cpu = frame_cache_of[frame_platform_cpu()];
    return frame_cache_try(cpu) || frame_cache_wait(cpu) ? cpu : NULL;
}

/* Let the owner in again, or not any more. */
static inline void frame_cache_allow(struct frame_cpu *cpu, bool allow)
{
    __atomic_store_n(&cpu->allowed, allow ? ~(uint64_t)0 : 0, __ATOMIC_RELEASE);
    __atomic_store_n(&cpu->least, allow ? RECORD_SINGLE : UINT8_MAX + 1, __ATOMIC_RELEASE);
}

static inline void frame_cache_leave(struct frame_cpu *cpu)
{
    __atomic_store_n(&cpu->busy, 0, __ATOMIC_RELEASE);
}

/*
 * To write records of blocks that are held, with nobody auditing or retiring meanwhile: in the cache of this
 * CPU, or where it has none, or the caller wants it, under the pool's lock (NULL).
 */
static inline struct frame_cpu *frame_records_enter(bool lock)
{
    struct frame_cpu *cpu = lock ? NULL : frame_cache_enter();
    if (cpu == NULL)
        frame_lock(&frames.lock);
    return cpu;
}

static inline void frame_records_leave(struct frame_cpu *cpu)
{
    if (cpu == NULL)
        frame_unlock(&frames.lock);
    else
        frame_cache_leave(cpu);
}

/*
 * The buddy system over whole chunks: blocks of order 9 to 18, by the frame number of their first frame. Give
 * merges with the free buddies. All under the pool's lock.
 */
bool frame_blocks_take(unsigned order, uint64_t *first);
/* The lowest few blocks of this order, of which there are some: at least one, at most so many. */
uint32_t frame_blocks_take_some(unsigned order, uint32_t most, uint64_t *first);
/* The smallest order, at least `order`, of which there are blocks; FRAME_ORDERS when there is none. */
unsigned frame_blocks_smallest(unsigned order);
void frame_blocks_give(uint64_t first, unsigned order);
/* The lowest free block of the order that lies in [low, high), split off where it is part of a larger one. */
bool frame_blocks_take_within(unsigned order, uint64_t low, uint64_t high, uint64_t *first);
/* The order of the free block that holds this frame; -1 when it is in none. */
int frame_blocks_order_at(uint64_t frame);

/* Chunks: blocks of order 0 to 8, by index. All under the pool's lock. */

/*
 * A block from the fullest chunk of the group that is known to have one; false when none is. A thorough
 * search looks at all chunks of which the largest block is not known exactly, else at some.
 */
bool frame_chunk_take(unsigned order, unsigned group, bool thorough, uint64_t *index);
/* A block from a new chunk, out of the blocks of whole chunks. */
bool frame_chunk_open(unsigned order, unsigned group, uint64_t *index);
/* How many frames from this one on are free one by one, and are no CPU's; at most up to the next 64. */
unsigned frame_chunk_free_run(uint64_t index);
/* The lowest block of the order in [low, high), frame numbers below the last RAM, in any chunk. */
bool frame_chunk_take_within(unsigned order, unsigned group, uint64_t low, uint64_t high, uint64_t *index);
/* All free frames of the fullest chunk of the group, and the index of the chunk's first frame. Returns how
 * many. */
unsigned frame_chunk_borrow(unsigned group, uint64_t map[BITS_WORDS], uint64_t *index);

/* A block back. What makes a chunk whole moves on to the blocks of whole chunks. */
void frame_chunk_give(uint64_t index, unsigned order);
/* Single frames back. */
void frame_chunk_give_frames(const uint32_t *indices, uint32_t count);
/* Some frames of the chunk that begins at this index back. */
void frame_chunk_give_map(uint64_t first, const uint64_t map[BITS_WORDS]);

/*
 * The chunk with this index, free or held as a whole, is about to be used in pieces for the group. Under the
 * lock for the kernel's group; for the users' it is enough to have the whole chunk.
 */
void frame_chunk_assign(uint64_t index, unsigned group);

/*
 * Whole chunks for a group, and from it: order 9 and up, by index, or by frame number within [low, high). All
 * but assign under the pool's lock. See frame_apart.c.
 */
bool frame_whole_take(unsigned order, unsigned group, uint64_t *index);
bool frame_whole_take_within(unsigned order, unsigned group, uint64_t low, uint64_t high, uint64_t *first);
void frame_whole_give(uint64_t index, unsigned order, unsigned group);
/* Whole chunks that the caller has, this many from an index on, are used for the group from now on. */
void frame_whole_assign(uint64_t index, uint64_t chunks, unsigned group);

/* May a frame for one of the groups come out of a chunk of the other? */
bool frame_groups_mix(unsigned a, unsigned b);

/* Are frames of the group kept apart from all others? */
static inline bool frame_is_apart(unsigned group)
{
    return group == GROUP_KERNEL && frames.watch;
}

/* Can the group have what is free in the pool at this index? Under the pool's lock. */
bool frame_is_for(uint64_t index, unsigned group);

/* The stock goes to the blocks of whole chunks. With the drain lock, without the pool's. */
void frame_stock_give_up(void);

/* Bring frames.keep up to date after chunks have changed their sets. */
void frame_chunk_update_keep(void);

/* The pool's lock. */
static inline void frame_pool_lock(void)
{
    frame_lock(&frames.lock);
}

static inline void frame_pool_unlock(void)
{
    frame_chunk_update_keep();
    frame_unlock(&frames.lock);
}

/*
 * Chunks and whole chunks together: any order. Take keeps to the group; the others take from the other
 * group's chunks too when there is no other way.
 */
bool frame_pool_take(unsigned order, unsigned group, uint64_t *index);
bool frame_pool_take_mixed(unsigned order, unsigned group, uint64_t *index);
bool frame_pool_take_within(unsigned order, unsigned group, uint64_t low, uint64_t high, uint64_t *index);
/* The group of the class that the block was held for; smaller blocks go by the group of their chunk. */
void frame_pool_give(uint64_t index, unsigned order, unsigned group);

/* Is this whole block free in the pool? */
bool frame_pool_is_free(uint64_t index, unsigned order);

/* Caches: all of these are called in the cache; only frame_cache_empty under the lock. */

/*
 * Get the open word ready to allocate from, when the frame given back last was none to be taken. False when
 * there are no frames in the group's chunks in the pool, nor whole chunks.
 */
bool frame_cache_prepare(struct frame_cpu *cpu, struct frame_hand *hand);
/* The frame at this index was given back last and filled `item`: make room. Leaves the cache. */
enum error frame_cache_make_room(uint64_t index, struct frame_cpu *cpu, struct frame_hand *hand);
/* Get blocks of order 1 to 9 into their stack, which is empty. False when there are none. */
bool frame_stack_refill(struct frame_cpu *cpu, unsigned order, unsigned group);
/* Put a free block of order 1 to 9 on its stack, and some to the pool when there is no room. */
void frame_stack_put(struct frame_cpu *cpu, uint64_t index, unsigned order, unsigned group);
/* All of the stack to the pool. Under the lock. */
void frame_stack_give_all(struct frame_stack *stack, unsigned order);
/* The cached frames that are kept as words, for looking at them: word `at` of CACHE_WORDS, which may be
 * empty. */
struct frame_word frame_cache_word(const struct frame_cpu *cpu, unsigned at);
/* Everything goes to the pool. Under the lock. */
void frame_cache_empty(struct frame_cpu *cpu);

/*
 * All to itself, with all free memory in the pool, until the end: the drain lock, everybody out of the
 * caches, these and the stock empty, and the pool's lock.
 */
void frame_alone_begin(void);
void frame_alone_end(void);

/* Keep all CPUs out of all caches until resumed. The caller is not in a cache and holds no lock. */
void frame_cache_quiesce(void);
void frame_cache_resume(void);

#endif
