/*
 * Ticket spin locks; see spinlock.h.
 */
#include "kernel/lib/spinlock.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/sched/cpu.h"

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK(name, rank);
}

static void order_violation(const struct spinlock *lock, uint64_t held)
{
    panic("lock '%s' of rank %u taken while locks of the ranks %lx are held", lock->name, lock->rank, held);
}

void spin_lock(struct spinlock *lock)
{
    struct cpu *cpu = arch_this_cpu();
    if (cpu->locks_held >> lock->rank != 0) {
        order_violation(lock, cpu->locks_held);
    }
    cpu->locks_held |= (uint64_t)1 << lock->rank;
    uint32_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE) != ticket) {
        arch_spin_wait();
    }
}

void spin_unlock(struct spinlock *lock)
{
    struct cpu *cpu = arch_this_cpu();
    cpu->locks_held &= ~((uint64_t)1 << lock->rank);
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}

bool spin_holds(const struct spinlock *lock)
{
    return (arch_this_cpu()->locks_held >> lock->rank & 1) != 0;
}
