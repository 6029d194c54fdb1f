/*
 * Budgets of threads; see budget.h for what they promise, sched.h for who calls.
 *
 * A thread's books are guarded by the queue lock of the thread's CPU. While it is exhausted a timer is set
 * for the next refill, on the CPU where that began, and only the timer ends the exhaustion; so there is never
 * more than one.
 */
#include "kernel/sched/budget.h"

#include "kernel/debug/trace.h"
#include "kernel/mm/charged.h"
#include "kernel/sched/sched.h"

struct budget {
    struct budget_account account;
    struct thread *thread;
    struct cpu *timer_cpu; /* where the timer is, or was last; guarded by that one's queue lock */
    struct timer timer;
};

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
    trace(TRACE_RANK, 0, thread->number, thread->entry.rank);
    cpu->budget_end = DEADLINE_NEVER;
    budget->timer_cpu = cpu;
    timer_start(cpu, &budget->timer, budget_next(&budget->account), 0);
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
    thread_retain(thread);
    sched_unlock(cpu);
    struct cpu *home = sched_lock_of(thread);
    budget_refill(&budget->account, arch_clock());
    end_exhaustion(home, thread);
    thread_release(thread);
    sched_lock(cpu);
}

static void stop_timer(struct budget *budget)
{
    struct cpu *cpu = budget->timer_cpu;
    sched_lock(cpu);
    timer_stop(cpu, &budget->timer);
    sched_unlock(cpu);
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
        (*fresh)->timer_cpu = arch_this_cpu();
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
    bool was_exhausted = thread->exhausted;
    sched_unlock(home);
    if (was_exhausted) {
        stop_timer(thread->budget);
    }
    home = sched_lock_of(thread);
    budget_open(&thread->budget->account, period, quantum);
    end_exhaustion(home, thread);
    charged_free(thread->object.account, fresh, sizeof(*fresh)); /* somebody else was first */
}

void thread_budget_leave(struct thread *thread)
{
    if (thread->budget != NULL) {
        stop_timer(thread->budget);
    }
}

void thread_budget_free(struct thread *thread)
{
    charged_free(thread->object.account, thread->budget, sizeof(*thread->budget));
}
