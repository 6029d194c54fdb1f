/*
 * Waiting; see wait.h.
 */
#include "kernel/sched/wait.h"

#include "kernel/debug/panic.h"
#include "kernel/obj/handle.h"
#include "kernel/sched/sched.h"

static bool killed(const struct thread *thread)
{
    return (__atomic_load_n(&thread->attention, __ATOMIC_SEQ_CST) & ATTENTION_KILLED) != 0;
}

/* A deadline that has passed needs no timer. */
static inline bool is_past(uint64_t deadline)
{
    return deadline != DEADLINE_NEVER && deadline <= arch_clock();
}

/* Sleep, unless there is no reason to. */
static inline enum error sleep_here(uint64_t deadline, uint64_t slack)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread *self = cpu->current;
    sched_lock(cpu);
    if (self->woken || killed(self) || is_past(deadline)) {
        enum error reason = self->woken ? ERR_NONE : killed(self) ? ERR_CANCELLED : ERR_TIMED_OUT;
        self->woken = false;
        sched_unlock(cpu);
        return reason;
    }
    sched_block(cpu, THREAD_BLOCKED, deadline, slack);
    return self->wake_reason;
}

enum error wait_on(struct wait_queue *queue, struct spinlock *lock, const char *what, uint64_t deadline,
                   uint64_t slack)
{
    struct thread *self = thread_current();
    list_append(&queue->waiters, &self->wait_node);
    __atomic_store_n(&self->waits_for, what, __ATOMIC_RELAXED);
    spin_unlock(lock);
    ASSERT(spin_ranks_held() == 0);
    enum error reason = sleep_here(deadline, slack);
    __atomic_store_n(&self->waits_for, NULL, __ATOMIC_RELAXED);
    if (reason == ERR_NONE) {
        return self->wait_reason;
    }
    spin_lock(lock);
    if (!list_empty(&self->wait_node)) {
        list_remove(&self->wait_node);
    } else { /* a waker came before we could leave */
        self->woken = false;
        reason = self->wait_reason;
    }
    spin_unlock(lock);
    return reason;
}

void wait_wake(struct thread *thread, enum error reason)
{
    list_remove(&thread->wait_node);
    thread->wait_reason = reason;
    struct cpu *home = sched_lock_of(thread);
    if (thread->state == THREAD_BLOCKED) {
        sched_wake_locked(home, thread, ERR_NONE);
        return;
    }
    thread->woken = true;
    sched_unlock(home);
}

bool wait_wake_one(struct wait_queue *queue, enum error reason)
{
    if (list_empty(&queue->waiters)) {
        return false;
    }
    wait_wake(LIST_ENTRY(queue->waiters.next, struct thread, wait_node), reason);
    return true;
}

void wait_wake_all(struct wait_queue *queue, enum error reason)
{
    while (wait_wake_one(queue, reason)) {
    }
}

enum error wait_until(uint64_t deadline, uint64_t slack)
{
    struct thread *self = thread_current();
    ASSERT(spin_ranks_held() == 0);
    __atomic_store_n(&self->waits_for, "the time", __ATOMIC_RELAXED);
    enum error reason = sleep_here(deadline, slack);
    __atomic_store_n(&self->waits_for, NULL, __ATOMIC_RELAXED);
    return reason == ERR_TIMED_OUT ? ERR_NONE : reason;
}

/* --- permits --- */

enum error thread_park(uint64_t deadline)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread *self = cpu->current;
    sched_lock(cpu);
    if (self->permit) {
        self->permit = false;
        sched_unlock(cpu);
        return ERR_NONE;
    }
    if (killed(self) || is_past(deadline)) {
        sched_unlock(cpu);
        return killed(self) ? ERR_CANCELLED : ERR_TIMED_OUT;
    }
    self->parked = true;
    __atomic_store_n(&self->waits_for, "its permit", __ATOMIC_RELAXED);
    sched_block(cpu, THREAD_BLOCKED, deadline, 0);
    __atomic_store_n(&self->waits_for, NULL, __ATOMIC_RELAXED);
    return self->wake_reason;
}

void thread_unpark(struct thread *thread)
{
    struct cpu *home = sched_lock_of(thread);
    if (thread->state == THREAD_BLOCKED && thread->parked) {
        sched_wake_locked(home, thread, ERR_NONE);
        return;
    }
    thread->permit = true;
    sched_unlock(home);
}

enum error thread_unpark_and_park(struct thread *thread, uint64_t deadline)
{
    enum error reason;
    if (sched_hand_over(thread, deadline, &reason)) {
        return reason;
    }
    thread_unpark(thread);
    hazard_clear(&arch_this_cpu()->hazards[0]);
    return thread_park(deadline);
}
