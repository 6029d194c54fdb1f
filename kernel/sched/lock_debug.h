/*
 * What all locks have in common: the check of their order, what a CPU does while it spins, and the figures
 * that lock=debug keeps.
 *
 * Always: the order of ranks is checked, and who spins longer than LOCK_STALL_NS says on the serial line
 * which lock it waits for.
 *
 * With lock=debug in the boot environment that line says also which CPU holds the lock and where it took it;
 * interrupts must be off where a lock is taken; and for each class (rank) it is counted how often one was
 * taken, and kept how long one was held at most, with the place that took it.
 */
#ifndef QUIRE_KERNEL_LOCK_DEBUG_H
#define QUIRE_KERNEL_LOCK_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/system.h"
#include "kernel/sched/lock_types.h"

#define LOCK_STALL_NS 2000000000u

struct cpu;

/* lock=debug; at boot, on the first CPU. */
void lock_debug_enable(void);

/* On each other CPU before it takes its first lock. */
void lock_debug_begin(struct cpu *cpu);

/* The figures of the class with this index, over all CPUs; false at the end. */
bool lock_describe(uint64_t index, struct system_lock *out);

/* --- for spinlock.h and rwlock.c --- */

/*
 * This CPU is about to take a lock, where something is unusual: all that it holds must have lower ranks, and
 * interrupts be off.
 */
void lock_note_taking(uint32_t rank, const char *name);

/* It has taken it, called from this place. */
void lock_note_taken(struct lock_holder *holder, const void *site);

/* Whoever took it is about to drop it, or to become a reader; and this CPU has one lock of that rank less. */
void lock_note_holder_gone(uint32_t rank, struct lock_holder *holder);
void lock_note_dropped(uint32_t rank);

/* How long a CPU has been spinning for one lock; begins as zeros. */
struct lock_wait {
    uint64_t spins;
    uint64_t since; /* when the clock was first looked at */
    uint64_t told;  /* how often it has been reported */
};

/* One turn of waiting for a lock. */
void lock_spin(struct lock_wait *wait, const char *name, const struct lock_holder *holder);

#endif
