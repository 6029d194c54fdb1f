/*
 * A lock for a few instructions between the threads of one task. A waiter gives its time slice away, since
 * the holder may have been preempted. Not recursive.
 */
#ifndef QUIRE_LIBQ_LOCK_H
#define QUIRE_LIBQ_LOCK_H

#include <stdatomic.h>

struct lock {
    atomic_flag held;
};

#define LOCK_FREE                                                                                            \
    {                                                                                                        \
        ATOMIC_FLAG_INIT                                                                                     \
    }

/* Let other threads run. */
void lock_yield(void);

static inline void lock_take(struct lock *lock)
{
    while (atomic_flag_test_and_set_explicit(&lock->held, memory_order_acquire)) {
        lock_yield();
    }
}

static inline void lock_give(struct lock *lock)
{
    atomic_flag_clear_explicit(&lock->held, memory_order_release);
}

#endif
