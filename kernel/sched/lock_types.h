/*
 * What a lock is made of, and the order in which locks are taken. Operations: spinlock.h, rwlock.h.
 *
 * Each rank is a class of locks: at most one of them is held by a CPU at a time, and figures are kept for the
 * class (lock_debug.h).
 */
#ifndef QUIRE_KERNEL_LOCK_TYPES_H
#define QUIRE_KERNEL_LOCK_TYPES_H

#include <stdint.h>

/* The ranks, outermost first, with the reason for each place. */
enum lock_rank {
    LOCK_THREAD_LIST,   /* walking all threads looks at each */
    LOCK_TASK_LIST,     /* walking all tasks looks into each */
    LOCK_ACCOUNT_LIST,  /* walking all accounts looks into each */
    LOCK_TASK,          /* state and threads of a task; its end tears down what follows */
    LOCK_HANDLE_TREE,   /* what derives from what among the handles to an object */
    LOCK_ASPACE,        /* mappings of one space */
    LOCK_MEMORY,        /* the pages of one object; takes frames, and looks into spaces that show it */
    LOCK_TABLES,        /* the page tables of one space */
    LOCK_NOTIFICATION,  /* wakes threads while held */
    LOCK_LEND,          /* who lends to whom; an object may change it, and it changes ranks in queues */
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

/* Who holds a lock, or the writer's side of it; known only with lock=debug. Atomic, written by the holder. */
struct lock_holder {
    uint32_t cpu;   /* its number, plus one; 0: nobody, or not known */
    uint32_t site;  /* where it took it: the low half of the address, which is in the uppermost 2 GiB */
    uint64_t taken; /* when; the holder's */
};

struct spinlock {
    uint32_t next;    /* atomic: the ticket that the next comer takes */
    uint32_t serving; /* atomic: the ticket that holds the lock */
    uint32_t rank;    /* set once */
    struct lock_holder holder;
    const char *name; /* set once */
};

#define SPINLOCK(label, order)                                                                               \
    {                                                                                                        \
        .rank = (order), .name = (label)                                                                     \
    }

struct rwlock {
    uint32_t state; /* atomic: RW_WRITER, RW_WAITING, and the number of readers */
    uint32_t rank;  /* set once */
    struct lock_holder holder;
    const char *name; /* set once */
};

#define RWLOCK(label, order)                                                                                 \
    {                                                                                                        \
        .rank = (order), .name = (label)                                                                     \
    }

#endif
