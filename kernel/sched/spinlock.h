/*
 * Ticket spin locks with a name and a rank. A CPU takes locks only in rising rank; that is checked always, in
 * a few instructions, and a violation is a panic that names the lock and the ranks held. A lock that is taken
 * twice violates it too. Interrupts are off wherever the kernel runs, so a lock need not save them. With
 * lock=debug more is checked and measured (lock_debug.h), at no cost without.
 *
 * While a CPU spins it serves TLB flush requests, so that whoever holds the lock may wait for all CPUs to
 * flush.
 */
#ifndef QUIRE_KERNEL_SPINLOCK_H
#define QUIRE_KERNEL_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "arch_cpu.h"
#include "kernel/sched/lock_types.h"

/*
 * Under a hypervisor a CPU that waits for its ticket may not be running when its turn comes, and everyone
 * behind it waits for it to be scheduled: there, whoever comes first takes the lock. Set once at boot.
 */
void spin_set_unfair(bool on);

static inline void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
    *lock = (struct spinlock)SPINLOCK(name, rank);
}

/*
 * In the mask of ranks that a CPU holds this bit is set for good with lock=debug. So the checks that are made
 * anyway find something unusual at each lock, and go the long way.
 */
#define LOCKS_DEBUGGED ((uint64_t)1 << 63)
_Static_assert(LOCK_RANKS < 63, "bits of the mask");

/* The ranks of the locks that this CPU holds. */
static inline uint64_t spin_ranks_held(void)
{
    return arch_locks_held() & ~LOCKS_DEBUGGED;
}

/*
 * Called seldom, from where every instruction counts: such a function saves all registers that it uses.
 * Nothing can be returned in one, since clang 14 saves and restores rax too.
 */
#define SELDOM __attribute__((preserve_most, cold))

/* The lock is held by another CPU: wait for it. */
SELDOM void spin_wait_for(struct spinlock *lock);

/* Take or drop a lock the long way: locks of its rank or a higher one are held, or lock=debug is on. */
SELDOM void spin_lock_checked(struct spinlock *lock);
SELDOM void spin_unlock_checked(struct spinlock *lock);

/* Take the lock if nobody has it: the next ticket is the one being served. */
static inline bool spin_try(struct spinlock *lock)
{
    uint32_t ticket = __atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE);
    return __atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

/* For a lock whose rank is known where it is taken. */
static inline void spin_lock_ranked(struct spinlock *lock, uint32_t rank)
{
    uint64_t held = arch_locks_held();
    if (__builtin_expect(held >> rank != 0, 0)) {
        spin_lock_checked(lock);
        return;
    }
    arch_set_locks_held(held | (uint64_t)1 << rank);
    if (__builtin_expect(!spin_try(lock), 0)) {
        spin_wait_for(lock);
    }
}

/* The last step of dropping it, for who drops several and has said so already. */
static inline void spin_let_go(struct spinlock *lock)
{
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
}

static inline void spin_unlock_ranked(struct spinlock *lock, uint32_t rank)
{
    uint64_t held = arch_locks_held() & ~((uint64_t)1 << rank);
    if (__builtin_expect((int64_t)held < 0, 0)) {
        spin_unlock_checked(lock);
        return;
    }
    arch_set_locks_held(held);
    spin_let_go(lock);
}

static inline void spin_lock(struct spinlock *lock)
{
    spin_lock_ranked(lock, lock->rank);
}

static inline void spin_unlock(struct spinlock *lock)
{
    spin_unlock_ranked(lock, lock->rank);
}

/* Does this CPU hold a lock of this rank? For assertions. */
static inline bool spin_holds(const struct spinlock *lock)
{
    return (arch_locks_held() >> lock->rank & 1) != 0;
}

/*
 * A lock for a few instructions: nothing is called and no other lock is taken while it is held, so it has no
 * rank and comes after all of the above. Zeroed memory is a free one. Those of the table of handles and of
 * the slack of accounts are of this kind.
 */
struct leaf_lock {
    uint32_t held; /* atomic */
};

SELDOM void leaf_wait_for(struct leaf_lock *lock);

static inline void leaf_take(struct leaf_lock *lock)
{
    if (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE) != 0) {
        leaf_wait_for(lock);
    }
}

static inline void leaf_give(struct leaf_lock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif
