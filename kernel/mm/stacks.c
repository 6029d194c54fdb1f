/*
 * Kernel stacks; see stacks.h.
 */
#include "kernel/mm/stacks.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/sched/cpu_mask.h"
#include "kernel/sched/spinlock.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/layout.h"

#define SLOT_SIZE (2 * (uint64_t)STACK_SIZE)

static struct spinlock stacks_lock = SPINLOCK("stacks", LOCK_STACKS);

/* Guarded by stacks_lock. A free stack that is mapped holds the top of the next one in its last word; a slot
 * without one has no bit set. */
static uint64_t free_top;
static unsigned free_count;
static uint64_t slots_mapped[STACKS_MOST / 64];
static unsigned first_word; /* all slots of the words before it are mapped */

static enum error stack_map(uint64_t bottom)
{
    uint64_t mapped = 0;
    enum error error = ERR_NONE;
    while (mapped < STACK_SIZE) {
        pfn_t frame;
        error = frame_alloc(0, FRAME_STACK, &frame);
        if (error != ERR_NONE) {
            break;
        }
        error = arch_map(arch_kernel_root(), bottom + mapped, pfn_to_paddr(frame), PAGE_SIZE,
                         MAP_READ | MAP_WRITE);
        if (error != ERR_NONE) {
            frame_release(frame, 0);
            break;
        }
        mapped += PAGE_SIZE;
    }
    while (error != ERR_NONE && mapped > 0) {
        mapped -= PAGE_SIZE;
        struct arch_translation t = arch_translate(arch_kernel_root(), bottom + mapped);
        arch_unmap(arch_kernel_root(), bottom + mapped,
                   PAGE_SIZE); /* nobody has touched it: nothing to flush */
        frame_release(paddr_to_pfn(t.physical), 0);
    }
    return error;
}

/* A slot without a stack; STACKS_MOST when there is none. Stacks are locked. */
static uint64_t slot_find(void)
{
    while (first_word < STACKS_MOST / 64 && slots_mapped[first_word] == ~(uint64_t)0) {
        first_word++;
    }
    return first_word == STACKS_MOST / 64
               ? STACKS_MOST
               : (uint64_t)first_word * 64 + (unsigned)__builtin_ctzll(~slots_mapped[first_word]);
}

/* Stacks are locked. */
static enum error stack_make(uint64_t *top)
{
    uint64_t slot = slot_find();
    if (slot == STACKS_MOST) {
        return ERR_LIMIT;
    }
    uint64_t end = STACKS_BASE + (slot + 1) * SLOT_SIZE;
    enum error error = stack_map(end - STACK_SIZE);
    if (error == ERR_NONE) {
        slots_mapped[slot / 64] |= (uint64_t)1 << slot % 64;
        *top = end;
    }
    return error;
}

static uint64_t take_free(void)
{
    uint64_t top = free_top;
    free_top = *(uint64_t *)(uintptr_t)(top - sizeof(uint64_t));
    free_count--;
    return top;
}

enum error stack_alloc(uint64_t *top)
{
    enum error error = ERR_NONE;
    spin_lock(&stacks_lock);
    if (free_top != 0) {
        *top = take_free();
    } else {
        error = stack_make(top);
    }
    spin_unlock(&stacks_lock);
    return error;
}

/* Nobody can reach it any more on return, but by what CPUs remember of it. Its frames come in `frames`. */
static void stack_unmap(uint64_t top, pfn_t frames[STACK_SIZE / PAGE_SIZE])
{
    uint64_t bottom = top - STACK_SIZE;
    for (uint64_t i = 0; i < STACK_SIZE / PAGE_SIZE; i++) {
        frames[i] = paddr_to_pfn(arch_translate(arch_kernel_root(), bottom + i * PAGE_SIZE).physical);
    }
    arch_unmap(arch_kernel_root(), bottom, STACK_SIZE);
}

/* These stacks are nobody's: their memory goes back, and then their slots. No lock is held. */
static void give_back(const uint64_t tops[STACKS_BATCH])
{
    pfn_t frames[STACKS_BATCH][STACK_SIZE / PAGE_SIZE];
    struct cpu_mask everyone = cpu_mask_all();
    for (unsigned i = 0; i < STACKS_BATCH; i++) {
        stack_unmap(tops[i], frames[i]);
    }
    arch_flush_local(true);
    arch_flush_remote(everyone.words);
    spin_lock(&stacks_lock);
    for (unsigned i = 0; i < STACKS_BATCH; i++) {
        uint64_t slot = (tops[i] - STACKS_BASE) / SLOT_SIZE - 1;
        slots_mapped[slot / 64] &= ~((uint64_t)1 << slot % 64);
        first_word = slot / 64 < first_word ? (unsigned)(slot / 64) : first_word;
        for (unsigned k = 0; k < STACK_SIZE / PAGE_SIZE; k++) {
            frame_release(frames[i][k], 0);
        }
    }
    spin_unlock(&stacks_lock);
}

void stack_free(uint64_t top)
{
    uint64_t tops[STACKS_BATCH];
    spin_lock(&stacks_lock);
    *(uint64_t *)(uintptr_t)(top - sizeof(uint64_t)) = free_top;
    free_top = top;
    free_count++;
    bool many = free_count >= STACKS_KEPT + STACKS_BATCH;
    for (unsigned i = 0; many && i < STACKS_BATCH; i++) {
        tops[i] = take_free();
    }
    spin_unlock(&stacks_lock);
    if (many) {
        give_back(tops);
    }
}
