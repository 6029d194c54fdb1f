/*
 * Spin locks; see spinlock.h.
 */
#include "kernel/sched/spinlock.h"

#include "kernel/arch/arch.h"
#include "kernel/sched/lock_debug.h"

static bool unfair; /* set once at boot */

void spin_set_unfair(bool on)
{
    unfair = on;
}

/* By reading alone: to try takes the cache line from whoever has it. */
static bool looks_free(const struct spinlock *lock)
{
    return __atomic_load_n(&lock->next, __ATOMIC_RELAXED) ==
           __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);
}

void spin_wait_for(struct spinlock *lock)
{
    struct lock_wait wait = {0};
    if (unfair) {
        do {
            lock_spin(&wait, lock->name, &lock->holder);
        } while (!looks_free(lock) || !spin_try(lock));
        return;
    }
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket) {
        lock_spin(&wait, lock->name, &lock->holder);
    }
}

void spin_lock_checked(struct spinlock *lock)
{
    lock_note_taking(lock->rank, lock->name);
    if (!spin_try(lock)) {
        spin_wait_for(lock);
    }
    lock_note_taken(&lock->holder, __builtin_return_address(0));
}

void spin_unlock_checked(struct spinlock *lock)
{
    lock_note_holder_gone(lock->rank, &lock->holder);
    lock_note_dropped(lock->rank);
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}

void leaf_wait_for(struct leaf_lock *lock)
{
    do {
        arch_spin_wait();
    } while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0 ||
             __atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0);
}
