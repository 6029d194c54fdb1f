/*
 * Spin locks; see spinlock.h.
 */
#include "kernel/sched/spinlock.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"

static bool unfair; /* set once at boot */

void spin_set_unfair(bool on)
{
    unfair = on;
}

void spin_order_violation(const struct spinlock *lock, uint64_t held)
{
    panic("lock '%s' of rank %u taken while locks of the ranks %lx are held", lock->name, lock->rank, held);
}

void spin_wait_for(struct spinlock *lock)
{
    if (unfair) {
        do {
            arch_spin_wait();
        } while (!spin_try(lock));
        return;
    }
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket) {
        arch_spin_wait();
    }
}

void leaf_wait_for(struct leaf_lock *lock)
{
    do {
        arch_spin_wait();
    } while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) != 0 ||
             __atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0);
}
