/*
 * Frames that are zero already; see zeroed.h.
 *
 * Each CPU has a stock of single frames with a lock of its own, which nobody else takes in everyday life but
 * a CPU that is idle and fills it up. How many are kept follows from how often there was none when one was
 * asked for, so a machine that does not need them does not make them.
 */
#include "kernel/mm/zeroed.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/contents.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/slab.h"
#include "kernel/mm/tlb.h"
#include "kernel/mm/window.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

#define STOCK        64u /* frames for a CPU, at most */
#define BLOCKS       8u  /* blocks for all, at most */
#define BLOCK_ORDER  9u
#define BLOCK_FRAMES 512u
#define STEP_FRAMES  16u

/* Frames that are cleared at once when there was none. */
#define BATCH WINDOW_SOME_MOST

#define UNLIKELY(condition) __builtin_expect((condition), 0)

/* No more than this part of what is free is kept: small machines have other needs. */
#define SHARE 64u

/* How long to look for a moment at which no frame is on its way, before counting without, in ns. */
#define PATIENCE 1000000000u

/* How long to leave it when there is no memory, in ns. Whoever counts has to find a moment when nobody tries.
 */
#define PAUSE 100000000u

struct stock {
    struct leaf_lock hand; /* guards count and frames */
    uint32_t count;        /* atomic to read */
    pfn_t frames[STOCK];

    struct spinlock lock; /* guards what follows */
    pfn_t block;          /* that the owner clears, when idle */
    uint32_t block_done;  /* frames of it; BLOCK_FRAMES when there is none */

    /* Owning CPU writes, anyone reads. */
    uint32_t wanted; /* frames: grows with the requests that found none */
    uint32_t filled; /* somebody is filling it; atomic */
    uint64_t hits, misses, large_hits, large_misses;
    uint64_t came, went; /* frames that came to be kept here through this CPU, and that left */
    uint32_t moving;     /* some are on their way: came and went are not right just now */
} __attribute__((aligned(128)));

static struct slab_cache stock_cache = SLAB_CACHE_OF("zeroed stock", struct stock);

/* By number of the CPU; each is made by its owner when it is first idle, or needs it. Atomic. */
static struct stock *stocks[CPU_MAX];

static struct spinlock blocks_lock = SPINLOCK("zeroed blocks", LOCK_ZEROED);

/* Guarded by blocks_lock. */
static pfn_t ready[BLOCKS];
static uint32_t block_count; /* atomic to read */
static uint32_t makers;      /* CPUs that have a block in the making; atomic to read */

static uint32_t blocks_wanted;  /* atomic: grows with the requests that found none */
static uint64_t went_elsewhere; /* atomic */
static uint64_t nothing_until;  /* the time up to which nobody tries, since there was no memory; atomic */
static uint64_t early_misses;   /* on CPUs without a stock; atomic */

static uint32_t look(const uint32_t *value)
{
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

/* NULL when the CPU has none yet. */
static struct stock *stock_of(unsigned number)
{
    return __atomic_load_n(&stocks[number], __ATOMIC_ACQUIRE);
}

static struct stock *stock_make(unsigned number)
{
    struct stock *stock = slab_alloc_zeroed(&stock_cache);
    if (stock != NULL) {
        spin_init(&stock->lock, "zeroed frames", LOCK_ZEROED);
        stock->block_done = BLOCK_FRAMES;
        __atomic_store_n(&stocks[number], stock, __ATOMIC_RELEASE);
    }
    return stock;
}

static void set_moving(struct stock *self, uint32_t moving)
{
    if (self != NULL) {
        __atomic_store_n(&self->moving, moving, __ATOMIC_SEQ_CST);
    }
}

static void note_come(struct stock *self, uint64_t frames)
{
    __atomic_store_n(&self->came, self->came + frames, __ATOMIC_RELEASE);
}

static void leave_it(void)
{
    __atomic_store_n(&nothing_until, arch_clock() + PAUSE, __ATOMIC_RELAXED);
}

/* Take a block of 2 MiB to keep; ERR_NO_MEMORY. */
static enum error keep(struct stock *self, pfn_t *out)
{
    set_moving(self, 1);
    enum error error = frame_alloc_modestly(BLOCK_ORDER, FRAME_USER_ANONYMOUS, ZEROED_ACCOUNT, out);
    if (error == ERR_NONE) {
        note_come(self, BLOCK_FRAMES);
    }
    set_moving(self, 0);
    if (error != ERR_NONE) {
        leave_it();
    }
    return error;
}

/* Frames have left. A CPU for whose stock there was no memory has none to note it in. */
static void note_gone(struct stock *self, unsigned order)
{
    if (self != NULL) {
        __atomic_store_n(&self->went, self->went + ((uint64_t)1 << order), __ATOMIC_RELEASE);
    } else {
        __atomic_fetch_add(&went_elsewhere, (uint64_t)1 << order, __ATOMIC_RELEASE);
    }
}

static void give_back(pfn_t first, unsigned order)
{
    struct stock *self = stock_of(arch_this_cpu()->number);
    set_moving(self, 1);
    frame_release(first, order);
    note_gone(self, order);
    set_moving(self, 0);
}

/* Make frames out of a stock their new holder's. */
static enum error hand_over(struct stock *self, pfn_t frame, unsigned order, enum frame_class class,
                            uint32_t account, pfn_t *out)
{
    set_moving(self, 1);
    enum error error = frame_assign(frame, order, class, account);
    ASSERT(error == ERR_NONE);
    note_gone(self, order);
    set_moving(self, 0);
    *out = frame;
    return ERR_NONE;
}

/* Put cleared frames into a stock, the first one on top; returns how many it had room for. */
static uint32_t stock_push(struct stock *stock, const pfn_t *frames, uint32_t count)
{
    leaf_take(&stock->hand);
    uint32_t room = STOCK - stock->count, pushed = count < room ? count : room;
    pfn_t *to = &stock->frames[stock->count];
    for (const pfn_t *from = frames + pushed; from > frames;) {
        *to++ = *--from;
    }
    __atomic_store_n(&stock->count, stock->count + pushed, __ATOMIC_RELAXED);
    leaf_give(&stock->hand);
    return pushed;
}

static inline bool stock_pop(struct stock *stock, pfn_t *frame)
{
    leaf_take(&stock->hand);
    uint32_t count = stock->count;
    if (count > 0) {
        *frame = stock->frames[count - 1];
        __atomic_store_n(&stock->count, count - 1, __ATOMIC_RELAXED);
    }
    leaf_give(&stock->hand);
    return count > 0;
}

/* Take single frames to keep, in a row as far as that goes; returns how many there were. One at a time where
 * the CPU has no cache of frames. */
static uint32_t keep_some(struct stock *self, pfn_t *frames, uint32_t most)
{
    set_moving(self, 1);
    uint32_t count = frame_alloc_some(FRAME_USER_ANONYMOUS, ZEROED_ACCOUNT, most, frames);
    count += count == 0 && frame_alloc_modestly(0, FRAME_USER_ANONYMOUS, ZEROED_ACCOUNT, frames) == ERR_NONE;
    note_come(self, count);
    set_moving(self, 0);
    return count;
}

/* Into the stock with frames that have been cleared, the first one on top. */
static void put_in(struct stock *stock, const pfn_t *frames, uint32_t count)
{
    for (uint32_t pushed = stock_push(stock, frames, count); pushed < count; pushed++) {
        give_back(frames[pushed], 0); /* others have filled it meanwhile */
    }
}

/* There is none, and who needs one will need more: clear a few at once. False when there are none to be had.
 */
static __attribute__((noinline)) bool fill_up(struct stock *self)
{
    pfn_t frames[BATCH];
    uint32_t wanted = self->wanted + BATCH;
    __atomic_store_n(&self->wanted, wanted < STOCK ? wanted : STOCK, __ATOMIC_RELAXED);
    self->misses++;
    if (frame_is_short()) {
        return false;
    }
    uint32_t count = keep_some(self, frames, BATCH);
    if (count == 0) {
        return false;
    }
    contents_zero_some(frames, count);
    put_in(self, frames, count);
    return true;
}

/* The same for a single one, which stays what it is but for the account: whoever counts meanwhile finds it
 * here or gone, and is right in both cases. */
static inline enum error pass_on(struct stock *self, pfn_t frame, uint32_t account, pfn_t *out)
{
    note_gone(self, 0);
    *out = frame;
    return frame_pass_on(frame, account); /* for a frame that is held: the caller looks */
}

/* zeroed_take where the stock has none, is not there yet, or the class is another. The caller's locks come
 * before those of the heap. */
static __attribute__((noinline)) enum error take_slowly(struct stock *stock, enum frame_class class,
                                                        uint32_t account, pfn_t *out)
{
    pfn_t frame;
    if (stock == NULL) {
        stock = stock_make(arch_this_cpu()->number);
    }
    if (stock == NULL) {
        __atomic_fetch_add(&early_misses, 1, __ATOMIC_RELAXED);
    } else if ((look(&stock->count) > 0 || fill_up(stock)) && stock_pop(stock, &frame)) {
        return class == FRAME_USER_ANONYMOUS ? pass_on(stock, frame, account, out)
                                             : hand_over(stock, frame, 0, class, account, out);
    }
    enum error error = frame_alloc_for(0, class, account, out);
    if (error == ERR_NONE) {
        contents_zero(*out);
    }
    return error;
}

enum error zeroed_take(enum frame_class class, uint32_t account, pfn_t *out)
{
    struct stock *stock = stock_of(arch_this_cpu()->number);
    pfn_t frame;
    if (UNLIKELY(stock == NULL) || UNLIKELY(class != FRAME_USER_ANONYMOUS) ||
        UNLIKELY(!stock_pop(stock, &frame))) {
        return take_slowly(stock, class, account, out);
    }
    stock->hits++;
    return pass_on(stock, frame, account, out);
}

static bool block_pop(pfn_t *first)
{
    spin_lock(&blocks_lock);
    bool got = block_count > 0;
    if (got) {
        *first = ready[--block_count];
    }
    spin_unlock(&blocks_lock);
    return got;
}

/* A block, cleared now. */
static inline enum error make_block(uint32_t account, pfn_t *out)
{
    enum error error = frame_alloc_user_block(account, out);
    if (UNLIKELY(error != ERR_NONE)) {
        return error;
    }
    error = contents_zero_large(*out);
    if (UNLIKELY(error != ERR_NONE)) {
        frame_release(*out, BLOCK_ORDER);
    }
    return error;
}

/* One that is ready; or, where there is none, one more is wanted. */
static __attribute__((noinline)) enum error take_ready(struct stock *stock, uint32_t account, pfn_t *out)
{
    pfn_t first;
    bool hit = look(&block_count) > 0 && block_pop(&first);
    if (!hit && look(&blocks_wanted) < BLOCKS) {
        __atomic_fetch_add(&blocks_wanted, 1, __ATOMIC_RELAXED);
    }
    if (stock != NULL) {
        stock->large_hits += hit;
        stock->large_misses += !hit;
    }
    return hit ? hand_over(stock, first, BLOCK_ORDER, FRAME_USER_ANONYMOUS, account, out)
               : make_block(account, out);
}

enum error zeroed_take_block(uint32_t account, pfn_t *out)
{
    struct stock *stock = stock_of(arch_this_cpu()->number);
    if (UNLIKELY(stock == NULL) || look(&block_count) > 0 || UNLIKELY(look(&blocks_wanted) < BLOCKS)) {
        return take_ready(stock, account, out);
    }
    stock->large_misses++;
    return make_block(account, out);
}

static void clear_frame(pfn_t frame)
{
    arch_zero_pages_past_cache(window_open(WINDOW_ZERO, frame), 1);
    window_close(WINDOW_ZERO);
}

/* Frames that a stock should have now; no stock may have more than `most`. */
static uint32_t target(const struct stock *stock, uint64_t most)
{
    uint32_t wanted = look(&stock->wanted);
    return wanted < most ? wanted : (uint32_t)most;
}

static bool put_some(struct stock *self, struct stock *stock, uint64_t most)
{
    pfn_t frames[STEP_FRAMES];
    uint32_t have = look(&stock->count), wanted = target(stock, most);
    if (have >= wanted) {
        return true;
    }
    uint32_t count = keep_some(self, frames, wanted - have < STEP_FRAMES ? wanted - have : STEP_FRAMES);
    for (uint32_t i = 0; i < count; i++) {
        clear_frame(frames[i]);
    }
    step_work(STEP_CLEAR, count);
    put_in(stock, frames, count);
    if (count == 0) {
        leave_it();
    }
    return count > 0;
}

/* One CPU at a time: many idle ones would only wait for each other. */
static bool fill_stock(struct stock *self, struct stock *stock, uint64_t most)
{
    if (__atomic_exchange_n(&stock->filled, 1, __ATOMIC_ACQUIRE) != 0) {
        return false;
    }
    bool more = put_some(self, stock, most);
    __atomic_store_n(&stock->filled, 0, __ATOMIC_RELEASE);
    return more;
}

/* A block is made, or given up: one maker less. */
static void end_making(const pfn_t *made)
{
    spin_lock(&blocks_lock);
    if (made != NULL) {
        ready[block_count++] = *made; /* makers keep room for it */
    }
    __atomic_store_n(&makers, makers - 1, __ATOMIC_RELAXED);
    spin_unlock(&blocks_lock);
}

/* Go on with the block that this CPU clears; false when it has none. */
static bool clear_some(struct stock *self)
{
    pfn_t block = {0};
    spin_lock(&self->lock);
    bool has = self->block_done < BLOCK_FRAMES;
    if (has) {
        block = self->block;
        char *start = window_open_large(block);
        arch_zero_pages_past_cache(start + self->block_done * PAGE_SIZE, STEP_FRAMES);
        window_close_large();
        self->block_done += STEP_FRAMES;
        step_work(STEP_CLEAR, STEP_FRAMES);
    }
    bool made = has && self->block_done == BLOCK_FRAMES;
    spin_unlock(&self->lock);
    if (made) {
        end_making(&block);
    }
    return has;
}

/* Give up what a CPU has begun; false when it has not. */
static bool give_unfinished(struct stock *stock)
{
    spin_lock(&stock->lock);
    bool has = stock->block_done < BLOCK_FRAMES;
    pfn_t block = stock->block;
    stock->block_done = BLOCK_FRAMES;
    spin_unlock(&stock->lock);
    if (has) {
        end_making(NULL);
        give_back(block, BLOCK_ORDER);
    }
    return has;
}

/* Begin another block if more are wanted. */
static bool begin_block(struct stock *self, uint64_t wanted)
{
    spin_lock(&blocks_lock);
    bool wants = block_count + makers < wanted;
    if (wants) {
        __atomic_store_n(&makers, makers + 1, __ATOMIC_RELAXED);
    }
    spin_unlock(&blocks_lock);
    if (!wants) {
        return false;
    }
    pfn_t block;
    if (keep(self, &block) != ERR_NONE) {
        end_making(NULL);
        return false;
    }
    spin_lock(&self->lock);
    self->block = block;
    self->block_done = 0;
    spin_unlock(&self->lock);
    return true;
}

/* The stock that needs filling, this CPU's own first; NULL when all are full. */
static struct stock *stock_to_fill(unsigned online, uint64_t most)
{
    for (unsigned i = 0; i < online; i++) {
        struct stock *stock = stock_of((arch_this_cpu()->number + i) % online);
        if (stock != NULL && look(&stock->count) < target(stock, most) && look(&stock->filled) == 0) {
            return stock;
        }
    }
    return NULL;
}

/* zeroed_refill in a stretch of its own. */
static bool refill(void)
{
    unsigned number = arch_this_cpu()->number, online = arch_cpu_count();
    struct stock *self = stock_of(number);
    if (self == NULL && (self = stock_make(number)) == NULL) {
        return false;
    }
    if (frame_is_short() || arch_clock() < __atomic_load_n(&nothing_until, __ATOMIC_RELAXED)) {
        return false;
    }
    if (clear_some(self)) {
        return true;
    }
    uint64_t share = frame_count_free().value / SHARE;
    struct stock *stock = stock_to_fill(online, share / online);
    if (stock != NULL) {
        return fill_stock(self, stock, share / online);
    }
    uint64_t wanted = look(&blocks_wanted) < BLOCKS ? look(&blocks_wanted) : BLOCKS;
    return begin_block(self, share / BLOCK_FRAMES < wanted ? share / BLOCK_FRAMES : wanted);
}

bool zeroed_refill(void)
{
    step_begin();
    bool more = refill();
    step_over();
    return more;
}

bool zeroed_give_back(void)
{
    pfn_t frame;
    bool any = false;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        struct stock *stock = stock_of(i);
        while (stock != NULL && stock_pop(stock, &frame)) {
            give_back(frame, 0);
            any = true;
        }
        any |= stock != NULL && give_unfinished(stock);
    }
    while (look(&block_count) > 0 && block_pop(&frame)) {
        give_back(frame, BLOCK_ORDER);
        any = true;
    }
    return any;
}

void zeroed_count(struct zeroed_counts *out)
{
    *out = (struct zeroed_counts){
        .blocks = look(&block_count) + look(&makers),
        .misses = __atomic_load_n(&early_misses, __ATOMIC_RELAXED),
    };
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct stock *stock = stock_of(i);
        if (stock != NULL) {
            out->frames += look(&stock->count);
            out->hits += stock->hits;
            out->misses += stock->misses;
            out->large_hits += stock->large_hits;
            out->large_misses += stock->large_misses;
        }
    }
}

/* The frames kept here, and a number that changes whenever that does; false when some are on their way. */
static bool kept(uint64_t *stamp, uint64_t *pages)
{
    bool still = true;
    uint64_t came = 0, went = __atomic_load_n(&went_elsewhere, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct stock *stock = stock_of(i);
        if (stock != NULL) {
            still = still && __atomic_load_n(&stock->moving, __ATOMIC_SEQ_CST) == 0;
            came += __atomic_load_n(&stock->came, __ATOMIC_ACQUIRE);
            went += __atomic_load_n(&stock->went, __ATOMIC_ACQUIRE);
        }
    }
    *stamp = came + went;
    *pages = came > went ? came - went : 0;
    return still;
}

/* Count, with what is kept at the same moment; false when some came, went or were on their way meanwhile. */
static bool count_with(struct frame_counts *out, uint64_t *pages)
{
    uint64_t before, after;
    if (!kept(&before, pages)) {
        return false;
    }
    frame_count(out);
    return kept(&after, pages) && before == after;
}

void zeroed_count_frames(struct frame_counts *out)
{
    uint64_t frames_kept, stamp, end = arch_clock() + PATIENCE;
    enum error over = ERR_NONE;
    tlb_settle(true);
    while (!count_with(out, &frames_kept) && over == ERR_NONE) {
        arch_spin_wait();
        over = arch_clock() < end ? thread_preemption_point() : ERR_TIMED_OUT;
    }
    if (over != ERR_NONE) { /* some are on their way all the time: the counts are off by those */
        frame_count(out);
        (void)kept(&stamp, &frames_kept);
        uint64_t counted = out->classes[FRAME_USER_ANONYMOUS];
        frames_kept = frames_kept < counted ? frames_kept : counted;
    }
    struct zeroed_counts counts;
    zeroed_count(&counts);
    uint64_t whole = counts.blocks * BLOCK_FRAMES <= frames_kept ? counts.blocks : frames_kept / BLOCK_FRAMES;
    out->free += frames_kept;
    out->classes[FRAME_FREE] += frames_kept;
    out->classes[FRAME_USER_ANONYMOUS] -= frames_kept;
    out->free_blocks[BLOCK_ORDER] += whole;
    out->free_blocks[0] += frames_kept - whole * BLOCK_FRAMES;
}
