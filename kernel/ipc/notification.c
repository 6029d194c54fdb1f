/*
 * Notifications; see notification.h.
 */
#include "kernel/ipc/notification.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/sched/thread.h"

void notification_destroy(struct object *object)
{
    struct notification *notification = (struct notification *)object;
    ASSERT(list_empty(&notification->waiters.waiters)); /* a waiter holds a reference */
    object_free(object);
}

enum error notification_make(struct account *account, struct notification **out)
{
    struct object *object;
    enum error error = object_create(OBJECT_NOTIFICATION, account, &object);
    if (error == ERR_NONE) {
        struct notification *notification = (struct notification *)object;
        spin_init(&notification->lock, "notification", LOCK_NOTIFICATION);
        wait_queue_init(&notification->waiters);
        *out = notification;
    }
    return error;
}

/* Serve waiters, in order, as long as one finds its bits. The notification is locked. */
static void serve(struct notification *notification)
{
    struct list *node = notification->waiters.waiters.next;
    while (node != &notification->waiters.waiters && notification->bits != 0) {
        struct thread *thread = LIST_ENTRY(node, struct thread, wait_node);
        node = node->next;
        uint64_t match = notification->bits & thread->wait_mask;
        if (match != 0) {
            notification->bits &= ~match;
            thread->wait_result = match;
            wait_wake(thread, ERR_NONE);
        }
    }
}

void notification_signal(struct notification *notification, uint64_t bits)
{
    spin_lock(&notification->lock);
    notification->bits |= bits;
    serve(notification);
    spin_unlock(&notification->lock);
}

enum error notification_wait(struct notification *notification, uint64_t mask, uint64_t deadline,
                             uint64_t *taken)
{
    struct thread *self = thread_current();
    spin_lock(&notification->lock);
    uint64_t match = notification->bits & mask;
    if (match != 0) {
        notification->bits &= ~match;
        *taken = match;
        spin_unlock(&notification->lock);
        return ERR_NONE;
    }
    self->wait_mask = mask;
    self->wait_result = 0;
    enum error error = wait_on(&notification->waiters, &notification->lock, "a notification", deadline, 0);
    *taken = self->wait_result;
    return error;
}
