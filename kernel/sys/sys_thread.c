/*
 * System calls on threads and the clock.
 */
#include "kernel/sys/calls.h"
#include "kernel/sys/creation.h"
#include "kernel/sys/plans.h"

#include "kernel/sched/budget.h"

void commit_null(void)
{
}

void commit_clock_read(uint64_t *result)
{
    *result = arch_clock();
}

/* --- making threads --- */

/* On success the task is locked, until it is started. */
static enum error start_prepare(struct task *task, uaddr_t entry, uaddr_t stack, uint64_t argument,
                                struct thread **thread)
{
    if (!user_range_valid(entry, 1) || stack.value < USER_LOWEST || stack.value > USER_HIGHEST) {
        return ERR_BAD_ADDRESS;
    }
    return task_start_prepare(task, entry.value, stack.value, argument, thread);
}

enum error prepare_thread_start(struct task *task, uaddr_t entry, uaddr_t stack, uint64_t argument,
                                struct thread_start_plan *plan)
{
    plan->task = task;
    return start_prepare(task, entry, stack, argument, &plan->thread);
}

void commit_thread_start(struct thread_start_plan *plan, uint64_t *result)
{
    *result = task_start_commit(plan->task, plan->thread);
}

enum error prepare_thread_create(struct task *task, uaddr_t entry, uaddr_t stack, uint64_t argument,
                                 uint64_t suspended, struct thread_create_plan *plan)
{
    enum error error = handle_reserve(&caller()->handles, &plan->slot);
    if (error != ERR_NONE) {
        return error;
    }
    plan->task = task;
    plan->suspended = suspended == 1;
    error = start_prepare(task, entry, stack, argument, &plan->thread);
    if (error != ERR_NONE) {
        handle_slot_free(plan->slot);
    }
    return error;
}

void commit_thread_create(struct thread_create_plan *plan, uint64_t *result)
{
    thread_retain(plan->thread); /* for the handle */
    if (plan->suspended) {
        thread_begin_suspended(plan->thread);
    }
    (void)task_start_commit(plan->task, plan->thread);
    handle_fill(plan->slot, &plan->thread->object, RIGHT_ALL, result);
}

enum error prepare_thread_self(struct thread_self_plan *plan)
{
    return handle_reserve(&caller()->handles, &plan->slot);
}

void commit_thread_self(struct thread_self_plan *plan, uint64_t *result)
{
    thread_retain(thread_current());
    handle_fill(plan->slot, &thread_current()->object, RIGHT_ALL, result);
}

/* --- ending them --- */

/* The thread leaves on the way back to user mode. */
void commit_thread_quit(uint64_t status)
{
    thread_end(thread_current(), END_EXIT, (uint32_t)status);
}

void commit_thread_exit(void)
{
    thread_end(thread_current(), END_EXIT, 0);
}

void commit_thread_kill(struct thread *thread, uint64_t status)
{
    thread_kill(thread, (uint32_t)status);
}

void commit_thread_join(struct thread *thread, uint64_t deadline, uint64_t *result, enum error *outcome)
{
    struct thread_end end = {0};
    *outcome = thread_join(thread, deadline, &end);
    *result = (uint64_t)end.kind << 32 | end.status;
}

/* --- how they run --- */

enum error prepare_thread_suspend(struct thread *thread, struct thread_suspend_plan *plan)
{
    plan->thread = thread;
    return thread_suspend_prepare(thread, &plan->home);
}

void commit_thread_suspend(struct thread_suspend_plan *plan)
{
    thread_suspend_commit(plan->thread, plan->home);
}

enum error prepare_thread_resume(struct thread *thread, struct thread_resume_plan *plan)
{
    plan->thread = thread;
    return thread_resume_prepare(thread, &plan->home);
}

void commit_thread_resume(struct thread_resume_plan *plan)
{
    thread_resume_commit(plan->thread, plan->home);
}

enum error prepare_thread_priority(struct thread *thread, uint64_t priority,
                                   struct thread_priority_plan *plan)
{
    *plan = (struct thread_priority_plan){thread, (uint8_t)priority};
    return priority > task_ceiling(caller()) ? ERR_NO_RIGHT : ERR_NONE;
}

void commit_thread_priority(struct thread_priority_plan *plan)
{
    thread_set_priority(plan->thread, plan->priority);
}

void commit_thread_slice(struct thread *thread, uint64_t slice)
{
    thread_set_slice(thread, slice);
}

enum error prepare_thread_budget(struct thread *thread, uint64_t period, uint64_t quantum,
                                 struct thread_budget_plan *plan)
{
    bool none = period == 0;
    if (!none && (period < BUDGET_PERIOD_LEAST || quantum < BUDGET_QUANTUM_LEAST || quantum > period)) {
        return ERR_BAD_ARGUMENT;
    }
    *plan = (struct thread_budget_plan){thread, NULL, period, quantum};
    return thread_budget_prepare(thread, &plan->fresh);
}

void commit_thread_budget(struct thread_budget_plan *plan)
{
    thread_budget_commit(plan->thread, plan->fresh, plan->period, plan->quantum);
}

enum error prepare_thread_cpus(struct thread *thread, uaddr_t mask, uint64_t mask_length,
                               struct thread_cpus_plan *plan)
{
    *plan = (struct thread_cpus_plan){.thread = thread};
    _Static_assert(sizeof(plan->mask) == 32, "syscalls.tbl");
    enum error error = copy_from_user(&plan->mask, mask, mask_length);
    if (error == ERR_NONE && !cpu_mask_any(&plan->mask, arch_cpu_count())) {
        error = ERR_NOT_FOUND;
    }
    return error;
}

void commit_thread_cpus(struct thread_cpus_plan *plan)
{
    thread_use_cpus(plan->thread, &plan->mask);
}

enum error prepare_thread_affinity(uint64_t cpu, struct thread_affinity_plan *plan)
{
    if (cpu != UINT64_MAX && cpu >= arch_cpu_count()) {
        return ERR_NOT_FOUND;
    }
    plan->cpu = cpu == UINT64_MAX ? CPU_ANY : (uint32_t)cpu;
    return ERR_NONE;
}

void commit_thread_affinity(struct thread_affinity_plan *plan)
{
    thread_bind(plan->cpu);
}

enum error prepare_thread_base(uint64_t which, uaddr_t base, struct thread_base_plan *plan)
{
    *plan = (struct thread_base_plan){which == 1, base.value};
    return base.value < USER_HIGHEST ? ERR_NONE : ERR_BAD_ADDRESS;
}

void commit_thread_base(struct thread_base_plan *plan)
{
    arch_thread_set_base(plan->gs, plan->base);
}

/* --- waiting --- */

void commit_thread_yield(void)
{
    thread_yield();
}

void commit_thread_sleep(uint64_t deadline, enum error *outcome)
{
    *outcome = wait_until(deadline, 0);
}

void commit_thread_sleep_until(uint64_t deadline, uint64_t slack, enum error *outcome)
{
    *outcome = wait_until(deadline, slack);
}

void commit_thread_park(uint64_t deadline, enum error *outcome)
{
    *outcome = thread_park(deadline);
}

void commit_thread_unpark(struct thread *thread)
{
    thread_unpark(thread);
}

void commit_thread_exchange(struct thread *thread, uint64_t deadline, enum error *outcome)
{
    *outcome = thread_unpark_and_park(thread, deadline);
}
