/*
 * What all locks have in common: the check of their order, what a CPU does while it spins, and the figures
 * that lock=debug keeps.
 *
 * Always: the order of ranks is checked, and who spins longer than LOCK_STALL_NS says on the serial line
 * which lock it waits for, which CPU holds it and where that took it.
 *
 * With lock=debug in the boot environment: interrupts must be off where a lock is taken, and for each class
 * (rank) the longest time that one was held, with the place that took it, and how often and how long CPUs had
 * to wait.
 */
#ifndef QUIRE_KERNEL_LOCK_DEBUG_H
#define QUIRE_KERNEL_LOCK_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/system.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/lock_types.h"

#define LOCK_STALL_NS 2000000000u

/* lock=debug; set once at boot. */
extern uint32_t lock_checks;
void lock_debug_enable(void);

/* The figures of the class with this index, over all CPUs; false at the end. */
bool lock_describe(uint64_t index, struct system_lock *out);

/* --- for spinlock.h and rwlock.c
 * ------------------------------------------------------------------------------------- */

void lock_order_violation(uint32_t rank, const char *name);
void lock_check_interrupts(const char *name);

/* This CPU is about to take a lock: all that it holds must have lower ranks. */
static inline void lock_note_taking(struct cpu *cpu, uint32_t rank, const char *name)
{
    if (__builtin_expect(cpu->locks_held >> rank != 0, 0)) {
        lock_order_violation(rank, name);
    }
    cpu->locks_held |= (uint64_t)1 << rank;
    if (__builtin_expect(lock_checks, 0)) {
        lock_check_interrupts(name);
    }
}

static inline void lock_note_dropped(struct cpu *cpu, uint32_t rank)
{
    cpu->locks_held &= ~((uint64_t)1 << rank);
}

void lock_debug_taken(uint64_t *when);
void lock_debug_dropped(uint32_t rank, uint64_t when, const void *site);

/* How long a CPU has been spinning for one lock; begins as zeros. */
struct lock_wait {
    uint64_t spins;
    uint64_t since; /* when the clock was first looked at */
    uint64_t told;  /* how often it has been reported */
};

/* One turn of waiting for a lock that is held by owner (NULL: nobody, or readers). */
void lock_spin(struct lock_wait *wait, const char *name, struct cpu *const *owner, const void *const *site);

#endif
