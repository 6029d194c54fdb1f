/*
 * Budgets of threads; see budget.h for what they promise, sched.h for who calls.
 *
 * A thread's books are guarded by the queue lock of the thread's CPU. While it is exhausted a timer is set
 * for the next refill, in the heap of the CPU where that began, whose lock is another one once the thread has
 * moved. So one word, timer_cpu, says whether and where it is set: it is set from NULL under the lock of the
 * CPU that it names then, and to NULL under the same. Who clears it, by firing or stopping the timer, looks
 * under the thread's lock afterwards whether it has to be set again.
 */
#include "kernel/sched/budget.h"

#include "kernel/debug/trace.h"
#include "kernel/mm/charged.h"
#include "kernel/sched/sched.h"

struct budget {
    struct budget_account account;
    struct thread *thread;
    struct cpu *timer_cpu; /* in whose heap the timer is; NULL for none. Atomic */
    struct timer timer;
    bool closed; /* the thread ends: no timer any more */
};

/* Let the timer come when something comes back, unless it is set. The thread is exhausted, and belongs to
 * `home`, whose queue is locked. */
static void arm(struct cpu *home, struct budget *budget)
{
    struct cpu *nowhere = NULL;
    if (budget->closed || !__atomic_compare_exchange_n(&budget->timer_cpu, &nowhere, home, false,
                                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        return;
    }
    timer_start(home, &budget->timer, budget_next(&budget->account), 0);
    if (home == arch_this_cpu()) {
        timer_program(home);
    } else {
        sched_request(home); /* to set its timer */
    }
}

void sched_budget_begin(struct cpu *cpu, struct thread *thread, uint64_t now)
{
    struct budget_account *account = &thread->budget->account;
    cpu->budget_end = account->period == 0 || thread->exhausted ? DEADLINE_NEVER : budget_begin(account, now);
}

void sched_budget_pause(struct thread *thread, uint64_t now)
{
    if (thread->budget->account.period != 0 && !thread->exhausted) {
        budget_use(&thread->budget->account, now);
    }
}

/* Used up: it counts as lowest from now on, until something comes back. */
static void exhaust(struct cpu *cpu, struct thread *thread)
{
    struct budget *budget = thread->budget;
    thread->exhausted = true;
    thread->entry.rank = thread_rank(thread);
    trace(TRACE_RANK, 0, thread->number, thread->entry.rank | trace_cpus(thread));
    cpu->budget_end = DEADLINE_NEVER;
    arm(cpu, budget);
    sched_publish(cpu);
    __atomic_fetch_or(&cpu->pending, PENDING_RESCHEDULE, __ATOMIC_RELAXED);
}

void sched_budget_check(struct cpu *cpu, uint64_t now)
{
    struct thread *thread = cpu->current;
    if (now < cpu->budget_end || thread->exhausted || thread->budget->account.period == 0) {
        return;
    }
    budget_use(&thread->budget->account, now);
    if (budget_refill(&thread->budget->account, now)) {
        sched_budget_begin(cpu, thread, now);
    } else {
        exhaust(cpu, thread);
    }
}

/* In a queue, or paused, it has its own rank again; running, it goes on with what has come back. Locked,
 * unlocked. */
static void end_exhaustion(struct cpu *home, struct thread *thread)
{
    thread->exhausted = false;
    if (home->current == thread) {
        sched_budget_begin(home, thread, arch_clock());
        sched_request(home); /* to set its timer */
        if (home == arch_this_cpu()) {
            timer_program(home);
        }
    }
    sched_unlock(home);
    thread_update_rank(thread);
}

static void refill_due(struct cpu *cpu, struct timer *timer)
{
    struct budget *budget = LIST_ENTRY(timer, struct budget, timer);
    struct thread *thread = budget->thread;
    thread_retain(thread); /* it has not ended: then the timer would have been stopped */
    __atomic_store_n(&budget->timer_cpu, NULL, __ATOMIC_RELEASE);
    sched_unlock(cpu);
    struct cpu *home = sched_lock_of(thread);
    if (thread->exhausted && budget_refill(&budget->account, arch_clock())) {
        end_exhaustion(home, thread);
    } else {
        if (thread->exhausted) { /* by what it was given meanwhile */
            arm(home, budget);
        }
        sched_unlock(home);
    }
    thread_release(thread);
    sched_lock(cpu);
}

/* Stop the timer, if it is set. No queue is locked; others may set it again at once. */
static void disarm(struct budget *budget)
{
    struct cpu *cpu;
    while ((cpu = __atomic_load_n(&budget->timer_cpu, __ATOMIC_ACQUIRE)) != NULL) {
        sched_lock(cpu);
        bool here = __atomic_load_n(&budget->timer_cpu, __ATOMIC_RELAXED) == cpu;
        if (here) {
            timer_stop(cpu, &budget->timer);
            __atomic_store_n(&budget->timer_cpu, NULL, __ATOMIC_RELEASE);
        }
        sched_unlock(cpu);
        if (here) {
            return;
        }
    }
}

enum error thread_budget_prepare(struct thread *thread, struct budget **fresh)
{
    *fresh = NULL;
    if (__atomic_load_n(&thread->budget, __ATOMIC_ACQUIRE) != NULL) { /* it stays until the record goes */
        return ERR_NONE;
    }
    void *memory;
    enum error error = charged_alloc_zeroed(thread->object.account, sizeof(struct budget), &memory);
    if (error == ERR_NONE) {
        *fresh = memory;
        (*fresh)->thread = thread;
        timer_init(&(*fresh)->timer, refill_due);
    }
    return error;
}

void thread_budget_commit(struct thread *thread, struct budget *fresh, uint64_t period, uint64_t quantum)
{
    struct cpu *home = sched_lock_of(thread);
    if (thread->budget == NULL) {
        __atomic_store_n(&thread->budget, fresh, __ATOMIC_RELEASE);
        __atomic_fetch_or(&thread->attention, ATTENTION_BUDGET, __ATOMIC_SEQ_CST);
        fresh = NULL;
    }
    struct budget *budget = thread->budget;
    budget_open(&budget->account, period, quantum);
    end_exhaustion(home, thread);
    /* The timer may still be set for the old one; or the new one be used up by now. */
    disarm(budget);
    home = sched_lock_of(thread);
    if (thread->exhausted) {
        arm(home, budget);
    }
    sched_unlock(home);
    charged_free(thread->object.account, fresh, sizeof(*fresh)); /* somebody else was first */
}

void thread_budget_leave(struct thread *thread)
{
    if (thread->budget != NULL) {
        struct cpu *home = sched_lock_of(thread);
        thread->budget->closed = true;
        sched_unlock(home);
        disarm(thread->budget);
    }
}

void thread_budget_free(struct thread *thread)
{
    charged_free(thread->object.account, thread->budget, sizeof(*thread->budget));
}
