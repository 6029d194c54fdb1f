/*
 * Notifications: a word of bits that anyone may set without waiting, also interrupt handlers, and that
 * threads wait for. A waiter names a mask; it wakes when a bit of it is set, and takes, that is clears, those
 * bits.
 */
#ifndef QUIRE_KERNEL_NOTIFICATION_H
#define QUIRE_KERNEL_NOTIFICATION_H

#include "abi/error.h"
#include "kernel/sched/spinlock.h"
#include "kernel/obj/object.h"
#include "kernel/sched/wait.h"

struct notification {
    struct object object;
    struct spinlock lock;

    /* Guarded by lock. */
    uint64_t bits;
    struct wait_queue waiters;
};

OBJECT_WRAPPERS(notification)

enum error notification_make(struct account *account, struct notification **out) MUST_CHECK;
void notification_destroy(struct object *object);

/* Set bits, and hand them to the first waiter that waits for one of them. Takes LOCK_NOTIFICATION and queues.
 */
void notification_signal(struct notification *notification, uint64_t bits);

/* See the system call. Holds no lock. */
enum error notification_wait(struct notification *notification, uint64_t mask, uint64_t deadline,
                             uint64_t *taken) MUST_CHECK;

#endif
