/*
 * Kernel stacks; see stacks.h.
 *
 * A slot is in use, in the pool, or vacant, that is without frames. Which ones are vacant is a bit for each
 * slot, in pieces that are made with the first slot that they tell of, so that making a slot vacant needs no
 * memory.
 */
#include "kernel/mm/stacks.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/inject.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/charged.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/layout.h"
#include "kernel/mm/tlb.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/spinlock.h"

#define SLOT_SIZE   (2 * (uint64_t)STACK_SIZE)
#define PAGES       (STACK_SIZE / PAGE_SIZE)
#define PIECE_SLOTS (PAGE_SIZE * 8)
#define PIECES      1024

/* Stacks that are kept for new threads, and how many go at once when there are more: each time, all CPUs
 * flush. */
#define POOL_MOST 64
#define BATCH     16

static struct spinlock stacks_lock = SPINLOCK("stacks", LOCK_STACKS);

/* Guarded by stacks_lock. A stack in the pool holds the top of the next one in its last word. */
static uint64_t pool;
static uint32_t pool_count;
static uint64_t slots_opened;
static uint64_t vacant_count;
static uint64_t *vacant[PIECES];

static uint64_t top_of(uint64_t slot)
{
    return STACKS_BASE + (slot + 1) * SLOT_SIZE;
}

static uint64_t slot_of(uint64_t top)
{
    return (top - STACKS_BASE) / SLOT_SIZE - 1;
}

static uint64_t *next_in_pool(uint64_t top)
{
    return (uint64_t *)(uintptr_t)(top - sizeof(uint64_t));
}

/* Take the frames from a stack that nobody uses. The CPUs have yet to flush. */
static void stack_unmap(uint64_t top, pfn_t *frames)
{
    uint64_t bottom = top - STACK_SIZE;
    for (uint64_t i = 0; i < PAGES; i++) {
        frames[i] = paddr_to_pfn(arch_translate(arch_kernel_root(), bottom + i * PAGE_SIZE).physical);
        arch_unmap(arch_kernel_root(), bottom + i * PAGE_SIZE, PAGE_SIZE);
    }
}

/* Once a page is mapped nothing can fail: a processor may remember it though nobody has touched it. */
static enum error stack_map(uint64_t top)
{
    uint64_t bottom = top - STACK_SIZE;
    struct arch_leaf *leaves;
    pfn_t frames[PAGES];
    uint64_t taken = 0;
    enum error error = arch_leaf_find(arch_kernel_root(), bottom, PAGE_SIZE, &leaves);
    while (error == ERR_NONE && taken < PAGES) {
        error = uncharged_frame(&kernel_account, FRAME_STACK, &frames[taken]);
        taken += error == ERR_NONE;
    }
    if (error != ERR_NONE) {
        while (taken > 0) {
            frame_release(frames[--taken], 0);
        }
        return error;
    }
    for (uint64_t i = 0; i < PAGES; i++) { /* a slot is in one table: it is aligned to its size */
        arch_leaf_set(&leaves[i], pfn_to_paddr(frames[i]), PAGE_SIZE, MAP_READ | MAP_WRITE);
    }
    return ERR_NONE;
}

/* The piece of the map of vacant slots that this slot is in; NULL when there is no memory for it. */
static uint64_t *piece_for(uint64_t slot)
{
    uint64_t piece = slot / PIECE_SLOTS;
    if (piece < PIECES && vacant[piece] == NULL) {
        pfn_t frame;
        if (uncharged_frame(&kernel_account, FRAME_KERNEL, &frame) == ERR_NONE) {
            vacant[piece] = aperture_at(pfn_to_paddr(frame));
            arch_zero_pages(vacant[piece], 1);
        }
    }
    return piece < PIECES ? vacant[piece] : NULL;
}

/* Any slot that is vacant; there is one. */
static uint64_t vacant_take(void)
{
    for (uint64_t word = 0; word < PIECES * PIECE_SLOTS / 64; word++) {
        uint64_t *piece = vacant[word * 64 / PIECE_SLOTS];
        uint64_t *bits = piece != NULL ? &piece[word % (PIECE_SLOTS / 64)] : NULL;
        if (bits != NULL && *bits != 0) {
            uint64_t bit = (uint64_t)__builtin_ctzll(*bits);
            *bits &= *bits - 1;
            vacant_count--;
            return word * 64 + bit;
        }
    }
    panic("no kernel stack is vacant, though %lu are", vacant_count);
}

static void vacant_give(uint64_t slot)
{
    vacant[slot / PIECE_SLOTS][slot % PIECE_SLOTS / 64] |= (uint64_t)1 << slot % 64;
    vacant_count++;
}

static enum error slot_open(uint64_t *top)
{
    bool reused = vacant_count > 0;
    uint64_t slot = reused ? vacant_take() : slots_opened;
    enum error error = piece_for(slot) != NULL ? stack_map(top_of(slot)) : ERR_NO_MEMORY;
    if (error != ERR_NONE) {
        if (reused) {
            vacant_give(slot);
        }
        return error;
    }
    slots_opened += !reused;
    *top = top_of(slot);
    return ERR_NONE;
}

static uint64_t pool_take(void)
{
    uint64_t top = pool;
    pool = *next_in_pool(top);
    pool_count--;
    return top;
}

enum error stack_alloc(uint64_t *top)
{
    enum error error = inject_fails() ? ERR_NO_MEMORY : ERR_NONE;
    spin_lock(&stacks_lock);
    if (error == ERR_NONE && pool_count > 0) {
        *top = pool_take();
    } else if (error == ERR_NONE) {
        error = slot_open(top);
    }
    spin_unlock(&stacks_lock);
    return error;
}

/* Give the frames of some of the stacks in the pool back. */
static void pool_shrink(void)
{
    uint64_t tops[BATCH];
    pfn_t frames[BATCH * PAGES];
    spin_lock(&stacks_lock);
    bool many = pool_count > POOL_MOST; /* another CPU may be here too */
    for (unsigned i = 0; many && i < BATCH; i++) {
        tops[i] = pool_take();
        stack_unmap(tops[i], &frames[i * PAGES]);
    }
    spin_unlock(&stacks_lock);
    if (!many) {
        return;
    }
    tlb_flush_kernel_half();
    for (unsigned i = 0; i < BATCH * PAGES; i++) {
        frame_release(frames[i], 0);
    }
    spin_lock(&stacks_lock);
    for (unsigned i = 0; i < BATCH; i++) {
        vacant_give(slot_of(tops[i]));
    }
    spin_unlock(&stacks_lock);
}

void stack_free(uint64_t top)
{
    spin_lock(&stacks_lock);
    *next_in_pool(top) = pool;
    pool = top;
    bool many = ++pool_count > POOL_MOST;
    spin_unlock(&stacks_lock);
    if (many) {
        pool_shrink();
    }
}
