/*
 * Frames and tables between their last use and the allocator; see tlb.h. Each CPU has a ring of what it
 * retired. Only that CPU puts in; all take out, the oldest first, and give back without the ring's lock.
 *
 * With tlb=debug everything passes through a second ring, filled with words that say so. As long as a CPU has
 * not answered it may write rightly to what was just unmapped, so that is done only after the answers.
 */
#include "kernel/mm/quarantine.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/tables.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/frame_share.h"
#include "kernel/mm/tlb.h"
#include "kernel/mm/window.h"
#include "kernel/sched/cpu.h"

/* What an entry says: the frame, its order, and whether other holders are to be asked. */
#define FRAME_BITS 40
#define ORDER_AT   FRAME_BITS
#define IS_TABLE   ((uint64_t)1 << 63)

/* A filling: the frame is in the low bits, shifted so that as an entry of a page table it says "not present".
 */
#define MARK 0x71be000000000000u

#define WORDS (PAGE_SIZE / sizeof(uint64_t))

static bool debugging; /* set once at boot */

void tlb_debug_start(void)
{
    debugging = true;
}

static pfn_t frame_of(uint64_t what)
{
    return pfn(what & (((uint64_t)1 << FRAME_BITS) - 1));
}

static unsigned order_of(uint64_t what)
{
    return (unsigned)(what >> ORDER_AT) & 31;
}

/* To the allocator; nobody can reach it. */
static void give_back(uint64_t what)
{
    if ((what & IS_TABLE) != 0 || frame_drop(frame_of(what))) {
        frame_release(frame_of(what), order_of(what));
    }
}

/* --- tlb=debug --- */

static uint64_t filling(pfn_t frame)
{
    return MARK | frame.value << 1;
}

/* Others that hold the frame go on using it: what is shared is not filled. Only who holds it alone can share
 * it, and that is the quarantine. */
static bool is_filled(uint64_t what)
{
    return (what & IS_TABLE) != 0 || !frame_is_shared(frame_of(what));
}

static void fill(uint64_t what)
{
    for (uint64_t i = 0; i < (uint64_t)1 << order_of(what); i++) {
        pfn_t frame = pfn(frame_of(what).value + i);
        uint64_t *words = window_open(WINDOW_DEBUG, frame);
        for (unsigned k = 0; k < WORDS; k++) {
            words[k] = filling(frame);
        }
        window_close(WINDOW_DEBUG);
    }
}

static void check(uint64_t what)
{
    for (uint64_t i = 0; i < (uint64_t)1 << order_of(what); i++) {
        pfn_t frame = pfn(frame_of(what).value + i);
        const uint64_t *words = window_open(WINDOW_DEBUG, frame);
        unsigned k = 0;
        while (k < WORDS && words[k] == filling(frame)) {
            k++;
        }
        uint64_t found = k < WORDS ? words[k] : 0;
        window_close(WINDOW_DEBUG);
        if (k < WORDS) {
            panic("%s %lx was written to after all CPUs ought to have forgotten it: %lx at offset %lx",
                  (what & IS_TABLE) != 0 ? "page table" : "frame", frame.value << PAGE_SHIFT, found,
                  k * sizeof(uint64_t));
        }
    }
}

/* --- rings --- */

/* Frames in all rings, and the most that there ever were. Atomic. */
static uint64_t waiting_now, waiting_most;

static void count_in(uint64_t what)
{
    uint64_t now = __atomic_add_fetch(&waiting_now, (uint64_t)1 << order_of(what), __ATOMIC_RELAXED);
    uint64_t most = __atomic_load_n(&waiting_most, __ATOMIC_RELAXED);
    while (now > most && !__atomic_compare_exchange_n(&waiting_most, &most, now, true, __ATOMIC_RELAXED,
                                                      __ATOMIC_RELAXED)) {
    }
}

static void count_out(uint64_t what)
{
    __atomic_fetch_sub(&waiting_now, (uint64_t)1 << order_of(what), __ATOMIC_RELAXED);
}

/* Any CPU may look, without the lock. */
static void set_count(struct tlb_ring *ring, uint32_t count)
{
    __atomic_store_n(&ring->count, count, __ATOMIC_RELAXED);
}

static bool looks_empty(const struct tlb_ring *ring)
{
    return __atomic_load_n(&ring->count, __ATOMIC_RELAXED) == 0;
}

/* Put it in, unless the ring is full. What is larger than it can be is alone in it. */
static bool ring_put(struct tlb_ring *ring, uint64_t what, uint64_t request)
{
    uint32_t frames = (uint32_t)1 << order_of(what);
    leaf_take(&ring->lock);
    bool room = ring->count < TLB_RING && (ring->count == 0 || ring->frames + frames <= TLB_RING_FRAMES);
    if (room) {
        ring->frames += frames;
        ring->entries[(ring->first + ring->count) % TLB_RING] = (struct tlb_retired){what, request};
        set_count(ring, ring->count + 1);
        count_in(what);
    }
    leaf_give(&ring->lock);
    return room;
}

/* For which request the oldest entry waits; false when there is none. */
static bool ring_look(struct tlb_ring *ring, uint64_t *request)
{
    leaf_take(&ring->lock);
    bool some = ring->count > 0;
    *request = ring->entries[ring->first].request;
    leaf_give(&ring->lock);
    return some;
}

/* Take out the oldest entry if it waits for no later request than this. */
static bool ring_take(struct tlb_ring *ring, uint64_t request, uint64_t *what)
{
    leaf_take(&ring->lock);
    bool fits = ring->count > 0 && ring->entries[ring->first].request <= request;
    if (fits) {
        *what = ring->entries[ring->first].what;
        ring->first = (ring->first + 1) % TLB_RING;
        set_count(ring, ring->count - 1);
        ring->frames -= (uint32_t)1 << order_of(*what);
        count_out(*what);
        __atomic_fetch_add(&ring->in_hand, 1, __ATOMIC_RELAXED);
    }
    leaf_give(&ring->lock);
    return fits;
}

static void ring_done(struct tlb_ring *ring)
{
    __atomic_fetch_sub(&ring->in_hand, 1, __ATOMIC_RELEASE);
}

/* Check and give back the oldest of what is filled; false when there is nothing. */
static bool release_filled(struct tlb_ring *ring)
{
    uint64_t what;
    if (!ring_take(ring, 0, &what)) {
        return false;
    }
    check(what);
    give_back(what);
    ring_done(ring);
    return true;
}

/* Nobody can reach it any more: give it back, or keep it for a while. */
static void let_out(struct tlb_cpu *tlb, uint64_t what)
{
    if (!debugging || !is_filled(what)) {
        give_back(what);
        return;
    }
    fill(what);
    while (!ring_put(&tlb->filled, what, 0)) {
        release_filled(&tlb->filled);
    }
}

/* Pass on the oldest entry if its request is answered; with `wait` see to that. False when there is none. */
static bool settle_oldest(struct tlb_cpu *tlb, bool wait)
{
    uint64_t request, what;
    while (ring_look(&tlb->waiting, &request)) {
        if (!wait && !tlb_answered(request)) {
            return false;
        }
        tlb_wait_for(request);
        if (ring_take(&tlb->waiting, request, &what)) {
            let_out(tlb, what);
            ring_done(&tlb->waiting);
            return true;
        }
    }
    return false;
}

static bool settle(struct tlb_cpu *tlb, bool wait)
{
    bool some = false;
    while (settle_oldest(tlb, wait)) {
        some = true;
    }
    return some;
}

static void retire(uint64_t what)
{
    struct tlb_cpu *tlb = &arch_this_cpu()->tlb;
    uint64_t request;
    bool answered = tlb_all_answered(&request);
    if (!looks_empty(&tlb->waiting)) {
        settle(tlb, false);
    }
    if (answered) {
        let_out(tlb, what);
        return;
    }
    while (!ring_put(&tlb->waiting, what, request)) {
        settle_oldest(tlb, true);
    }
}

void tlb_retire_frame(pfn_t first, unsigned order)
{
    retire(first.value | (uint64_t)order << ORDER_AT);
}

void tlb_retire_tables(struct table_gather *gather)
{
    while (gather->tables > 0) {
        paddr_t table = gather->first;
        gather->first = *(const paddr_t *)aperture_at(table);
        gather->tables--;
        retire(paddr_to_pfn(table).value | IS_TABLE);
    }
}

uint64_t quarantine_frames(uint64_t *most)
{
    *most = __atomic_load_n(&waiting_most, __ATOMIC_RELAXED);
    return __atomic_load_n(&waiting_now, __ATOMIC_RELAXED);
}

/* What other CPUs have taken out they give back before long. */
static void wait_for_hands(const struct tlb_ring *ring)
{
    while (__atomic_load_n(&ring->in_hand, __ATOMIC_ACQUIRE) != 0) {
        arch_spin_wait();
    }
}

bool tlb_settle(bool all)
{
    bool some = false;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        struct tlb_cpu *tlb = &cpus[i]->tlb;
        if (!looks_empty(&tlb->waiting)) {
            some |= settle(tlb, all);
        }
        while (all && release_filled(&tlb->filled)) {
            some = true;
        }
        if (all) {
            wait_for_hands(&tlb->waiting);
            wait_for_hands(&tlb->filled);
        }
    }
    return some;
}
