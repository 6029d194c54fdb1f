/*
 * Ticket spin locks with a name and a rank. A CPU takes locks only in rising rank; that is checked always, in
 * a few instructions, and a violation is a panic that names the lock and the ranks held. A lock that is taken
 * twice violates it too. Interrupts are off wherever the kernel runs, so a lock need not save them. Who holds
 * a lock and where it was taken is always known, and told when somebody has to wait very long; with
 * lock=debug more is checked and measured (lock_debug.h).
 *
 * While a CPU spins it serves TLB flush requests, so that whoever holds the lock may wait for all CPUs to
 * flush.
 */
#ifndef QUIRE_KERNEL_SPINLOCK_H
#define QUIRE_KERNEL_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/arch/arch.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/lock_debug.h"
#include "kernel/sched/lock_types.h"

/*
 * Under a hypervisor a CPU that waits for its ticket may not be running when its turn comes, and everyone
 * behind it waits for it to be scheduled: there, whoever comes first takes the lock. Set once at boot.
 */
void spin_set_unfair(bool on);

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank);

/* The same as spin_lock and spin_unlock, with all checks, for when the short way finds something unusual. */
void spin_lock_checked(struct spinlock *lock, const void *site);
void spin_unlock_checked(struct spinlock *lock);

/* Wait for a lock that is not free, and take it. */
void spin_lock_slowly(struct spinlock *lock);

/* Take the lock if nobody has it: the next ticket is the one being served. */
static inline bool spin_take_free(struct spinlock *lock)
{
    uint32_t ticket = __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);
    return __atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* For a lock whose rank is known where it is taken: by this CPU, at this place. */
static inline void spin_lock_ranked(struct cpu *cpu, struct spinlock *lock, enum lock_rank rank,
                                    const void *site)
{
    uint64_t bit = (uint64_t)1 << rank;
    if (__builtin_expect(cpu->locks_held >= bit, 0) || __builtin_expect(lock_checks != 0, 0)) {
        spin_lock_checked(lock, site);
        return;
    }
    cpu->locks_held |= bit;
    if (__builtin_expect(!spin_take_free(lock), 0)) {
        spin_lock_slowly(lock);
    }
    __atomic_store_n(&lock->owner, cpu, __ATOMIC_RELAXED);
    __atomic_store_n(&lock->site, site, __ATOMIC_RELAXED);
}

static inline void spin_unlock_ranked(struct cpu *cpu, struct spinlock *lock, enum lock_rank rank)
{
    if (__builtin_expect(lock_checks != 0, 0)) {
        spin_unlock_checked(lock);
        return;
    }
    cpu->locks_held &= ~((uint64_t)1 << rank);
    __atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}

void spin_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);

/* Does this CPU hold a lock of this rank? For assertions. */
bool spin_holds(const struct spinlock *lock);

#endif
