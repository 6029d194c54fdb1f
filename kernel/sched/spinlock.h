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

/* The ranks, outermost first, with the reason for each place. */
enum lock_rank {
    LOCK_TASK_LIST,     /* walking all tasks looks into each */
    LOCK_TASK,          /* state and threads of a task; its end tears down what follows */
    LOCK_HANDLES,       /* a table of handles; closing one may release any object below */
    LOCK_ASPACE,        /* mappings and page tables of one space; takes frames */
    LOCK_NOTIFICATION,  /* wakes threads while held */
    LOCK_CONSOLE_INPUT, /* signals a notification after release, so only above the queues */
    LOCK_RUN_QUEUE,     /* one CPU's threads and timers; never two at once */
    LOCK_STACKS,        /* the pool of kernel stacks */
    LOCK_KERNEL_MAP,    /* page tables of the kernel half */
    LOCK_SLABS,         /* all caches of the heap, and keeping CPUs out of what they have at hand of them */
    LOCK_HEAP,          /* takes frames, whose allocator has locks of its own and calls nobody */
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

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank);
void spin_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);

/* Does this CPU hold a lock of this rank? For assertions. */
bool spin_holds(const struct spinlock *lock);

#endif
