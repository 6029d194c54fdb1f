/*
 * Priority lending between threads: the graph of lend.h under one lock, and what it does to run queues.
 */
#include "kernel/sched/sched.h"

#include "kernel/sched/lend.h"

static struct spinlock lend_lock = SPINLOCK("priority lending", LOCK_LEND);

static struct thread *of_lend(struct lend_node *node)
{
    return LIST_ENTRY(node, struct thread, lend);
}

uint16_t lend_apply(struct lend_node *node, uint16_t lent)
{
    struct thread *thread = of_lend(node);
    struct cpu *home = sched_lock_of(thread);
    thread->lent = lent;
    uint16_t rank = thread_rank(thread);
    sched_reconsider(home, thread, rank);
    return rank;
}

/*
 * Carry a change on from this node, NULL for nowhere; the lock is held, and released. Between pieces others
 * may go on; the thread that is yet to be seen to does not go away meanwhile.
 */
static void settle_and_unlock(struct lend_node *node)
{
    struct thread *held = NULL;
    while (node != NULL && (node = lend_settle(node)) != NULL) {
        struct thread *next = of_lend(node);
        thread_retain(next);
        spin_unlock(&lend_lock);
        if (held != NULL) {
            thread_release(held);
        }
        held = next;
        spin_lock(&lend_lock);
    }
    spin_unlock(&lend_lock);
    if (held != NULL) {
        thread_release(held);
    }
}

enum error thread_lend(struct thread *from, struct thread *to)
{
    spin_lock(&lend_lock);
    enum error error = from->lend.to != NULL ? ERR_EXISTS : lend_begin(&from->lend, &to->lend);
    settle_and_unlock(error == ERR_NONE ? &to->lend : NULL);
    return error;
}

void thread_lend_end(struct thread *from)
{
    spin_lock(&lend_lock);
    settle_and_unlock(lend_end(&from->lend));
}

void thread_update_rank(struct thread *thread)
{
    spin_lock(&lend_lock);
    settle_and_unlock(&thread->lend);
}

void thread_lend_leave(struct thread *thread)
{
    thread_lend_end(thread);
    spin_lock(&lend_lock);
    thread->lend.gone = true;
    for (unsigned i = 1; lend_drop_donor(&thread->lend); i++) {
        if (i % LEND_STEPS == 0) {
            spin_unlock(&lend_lock);
            spin_lock(&lend_lock);
        }
    }
    spin_unlock(&lend_lock);
}
