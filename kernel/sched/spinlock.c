/*
 * Ticket spin locks; see spinlock.h.
 */
#include "kernel/sched/spinlock.h"

static bool unfair; /* set once at boot */

void spin_set_unfair(bool on)
{
    unfair = on;
}

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK(name, rank);
}

void spin_lock_slowly(struct spinlock *lock)
{
    struct lock_wait wait = {0};
    if (unfair) {
        while (__atomic_load_n(&lock->next, __ATOMIC_RELAXED) !=
                   __atomic_load_n(&lock->serving, __ATOMIC_RELAXED) ||
               !spin_take_free(lock)) {
            lock_spin(&wait, lock->name, &lock->owner, &lock->site);
        }
        return;
    }
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket) {
        lock_spin(&wait, lock->name, &lock->owner, &lock->site);
    }
}

void spin_lock_checked(struct spinlock *lock, const void *site)
{
    struct cpu *cpu = arch_this_cpu();
    lock_note_taking(cpu, lock->rank, lock->name);
    if (!spin_take_free(lock)) {
        spin_lock_slowly(lock);
    }
    __atomic_store_n(&lock->owner, cpu, __ATOMIC_RELAXED);
    __atomic_store_n(&lock->site, site, __ATOMIC_RELAXED);
    if (lock_checks) {
        lock_debug_taken(&lock->taken);
    }
}

void spin_unlock_checked(struct spinlock *lock)
{
    if (lock_checks) {
        lock_debug_dropped(lock->rank, lock->taken, lock->site);
    }
    lock_note_dropped(arch_this_cpu(), lock->rank);
    __atomic_store_n(&lock->owner, NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}

void spin_lock(struct spinlock *lock)
{
    spin_lock_ranked(arch_this_cpu(), lock, lock->rank, __builtin_return_address(0));
}

void spin_unlock(struct spinlock *lock)
{
    spin_unlock_ranked(arch_this_cpu(), lock, lock->rank);
}

bool spin_holds(const struct spinlock *lock)
{
    return (arch_this_cpu()->locks_held >> lock->rank & 1) != 0;
}
