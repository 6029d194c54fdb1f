/*
 * Waiting: the one mechanism under everything that waits.
 *
 * A wait queue is a list of threads, guarded by the lock of the object that it is part of. Why no wake-up is
 * lost, and none comes late:
 *
 *     waiter                                       whoever has what it waits for
 *     lock the object
 *       nothing there: wait_on
 *         enter the queue
 *         unlock                                   lock the object
 *         sleep, unless woken already                wait_wake: take the waiter out of the queue, wake it
 *       woken by a waker: done                     unlock
 *       by a deadline or a kill:
 *         lock the object
 *           still in the queue? leave it
 *           else a waker came first, and counts
 *         unlock
 *
 * A wake-up that comes before the thread sleeps is noted in the thread. Only who takes a thread out of a
 * queue wakes it, once; so when the thread is out of the queue and no waker holds the object's lock, nobody
 * knows of it any more. tests/model/wait.pml says the same to Spin.
 *
 * Waiters are served first come first served, whatever their priorities.
 */
#ifndef QUIRE_KERNEL_WAIT_H
#define QUIRE_KERNEL_WAIT_H

#include <stdbool.h>

#include "abi/error.h"
#include "kernel/lib/list.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/timer.h"

struct thread;

struct wait_queue {
    struct list waiters; /* threads, by wait_node */
};

static inline void wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

/*
 * Wait in the queue until somebody calls wait_wake; returns its reason, ERR_TIMED_OUT when the deadline
 * passes first, or ERR_CANCELLED when the thread is killed. The queue's lock is held, and no other; it is not
 * held on return. `what` says in a word what is waited for.
 */
enum error wait_on(struct wait_queue *queue, struct spinlock *lock, const char *what, uint64_t deadline,
                   uint64_t slack) MUST_CHECK;

/* Take this thread out of the queue and wake it. The lock of the queue is held. */
void wait_wake(struct thread *thread, enum error reason);

/* The same for the first one, if there is one, and for all. */
bool wait_wake_one(struct wait_queue *queue, enum error reason);
void wait_wake_all(struct wait_queue *queue, enum error reason);

/* Sleep until the deadline, or slack later. ERR_CANCELLED when killed. Holds no lock. */
enum error wait_until(uint64_t deadline, uint64_t slack) MUST_CHECK;

/*
 * Waiting without an object: each thread has a permit, at most one. thread_park takes it, or waits for it;
 * thread_unpark gives it, and wakes the thread if it waits.
 */
enum error thread_park(uint64_t deadline) MUST_CHECK;
void thread_unpark(struct thread *thread);

/*
 * Give another thread its permit and wait for one's own, without looking at anything in between. The caller
 * may hold that thread by the first hazard slot of its CPU alone, which is cleared before it waits.
 */
enum error thread_unpark_and_park(struct thread *thread, uint64_t deadline) MUST_CHECK;

#endif
