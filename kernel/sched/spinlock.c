/*
 * Ticket spin locks; see spinlock.h.
 */
#include "kernel/sched/spinlock.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/sched/cpu.h"

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK(name, rank);
}

static bool unfair; /* set once at boot */

void spin_set_unfair(bool on)
{
    unfair = on;
}

/* Take the lock if nobody has it: the next ticket is the one being served. */
static bool try_take(struct spinlock *lock)
{
    uint32_t ticket = __atomic_load_n(&lock->serving, __ATOMIC_RELAXED);
    return __atomic_load_n(&lock->next, __ATOMIC_RELAXED) == ticket &&
           __atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
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
    if (unfair) {
        while (!try_take(lock)) {
            arch_spin_wait();
        }
        return;
    }
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
