/*
 * Ticket spin locks with a name and a rank. A CPU takes locks only in rising rank; that is checked always, in
 * a few instructions, and a violation is a panic that names the lock and the ranks held. Interrupts are off
 * wherever the kernel runs, so a lock need not save them.
 *
 * While a CPU spins it serves TLB flush requests, so that whoever holds the lock may wait for all CPUs to
 * flush.
 */
#ifndef QUIRE_KERNEL_SPINLOCK_H
#define QUIRE_KERNEL_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "arch_cpu.h"

/* The ranks, outermost first, with the reason for each place. */
enum lock_rank {
    LOCK_TASK_LIST,     /* walking all tasks looks into each */
    LOCK_ACCOUNT_LIST,  /* walking all accounts looks into each */
    LOCK_TASK,          /* state and threads of a task; its end tears down what follows */
    LOCK_HANDLE_TREE,   /* what derives from what among the handles to an object */
    LOCK_ASPACE,        /* mappings and page tables of one space; takes frames */
    LOCK_NOTIFICATION,  /* wakes threads while held */
    LOCK_CONSOLE_INPUT, /* signals a notification after release, so only above the queues */
    LOCK_RUN_QUEUE,     /* one CPU's threads and timers; never two at once */
    LOCK_STACKS,        /* the pool of kernel stacks */
    LOCK_KERNEL_MAP,    /* page tables of the kernel half */
    LOCK_SLABS,         /* all caches of the heap, and keeping CPUs out of what they have at hand of them */
    LOCK_HEAP,          /* takes frames, whose allocator has locks of its own and calls nobody */
    LOCK_ACCOUNTS,      /* charges that need more than their CPU has; under any of the above */
    LOCK_ZEROED, /* frames kept ready; given back when there are no others, so below all who take frames */
    LOCK_LOG,    /* anything may log */
    LOCK_SCREEN, /* the log writes to the console */
    LOCK_RANKS
};

struct spinlock {
    uint32_t next;    /* atomic: the ticket that the next comer takes */
    uint32_t serving; /* atomic: the ticket that holds the lock */
    uint32_t rank;    /* set once */
    const char *name; /* set once */
};

#define SPINLOCK(label, order)                                                                               \
    {                                                                                                        \
        .next = 0, .serving = 0, .rank = (order), .name = (label)                                            \
    }

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
 * Called seldom, from where every instruction counts: such a function saves all registers that it uses.
 * Nothing can be returned in one, since clang 14 saves and restores rax too.
 */
#define SELDOM __attribute__((preserve_most, cold))

/* The lock is held by another CPU: wait for it. */
SELDOM void spin_wait_for(struct spinlock *lock);
_Noreturn void spin_order_violation(const struct spinlock *lock, uint64_t held);

/* Take the lock if nobody has it: the next ticket is the one being served. */
static inline bool spin_try(struct spinlock *lock)
{
    uint32_t ticket = __atomic_load_n(&lock->serving, __ATOMIC_ACQUIRE);
    return __atomic_load_n(&lock->next, __ATOMIC_RELAXED) == ticket &&
           __atomic_compare_exchange_n(&lock->next, &ticket, ticket + 1, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

static inline void spin_lock(struct spinlock *lock)
{
    uint64_t held = arch_locks_held();
    if (held >> lock->rank != 0) {
        spin_order_violation(lock, held);
    }
    arch_set_locks_held(held | (uint64_t)1 << lock->rank);
    if (!spin_try(lock)) {
        spin_wait_for(lock);
    }
}

static inline void spin_unlock(struct spinlock *lock)
{
    arch_set_locks_held(arch_locks_held() & ~((uint64_t)1 << lock->rank));
    __atomic_store_n(&lock->serving, lock->serving + 1, __ATOMIC_RELEASE);
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
