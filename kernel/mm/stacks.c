/*
 * Kernel stacks; see stacks.h.
 */
#include "kernel/mm/stacks.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/sched/spinlock.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/layout.h"

#define SLOT_SIZE (2 * (uint64_t)STACK_SIZE)

static struct spinlock stacks_lock = SPINLOCK("stacks", LOCK_STACKS);

/* Guarded by stacks_lock. A free stack holds the top of the next one in its last word. */
static uint64_t free_top;
static uint64_t slots_used;

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

enum error stack_alloc(uint64_t *top)
{
    enum error error = ERR_NONE;
    spin_lock(&stacks_lock);
    if (free_top != 0) {
        *top = free_top;
        free_top = *(uint64_t *)(uintptr_t)(free_top - sizeof(uint64_t));
    } else {
        uint64_t slot = STACKS_BASE + slots_used * SLOT_SIZE;
        error = stack_map(slot + SLOT_SIZE - STACK_SIZE);
        if (error == ERR_NONE) {
            slots_used++;
            *top = slot + SLOT_SIZE;
        }
    }
    spin_unlock(&stacks_lock);
    return error;
}

void stack_free(uint64_t top)
{
    spin_lock(&stacks_lock);
    *(uint64_t *)(uintptr_t)(top - sizeof(uint64_t)) = free_top;
    free_top = top;
    spin_unlock(&stacks_lock);
}
