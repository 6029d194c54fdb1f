/*
 * System calls on the calling thread and the clock.
 */
#include "kernel/sys/calls.h"
#include "kernel/sys/plans.h"

void commit_null(void)
{
}

void commit_thread_exit(void)
{
    thread_kill(thread_current()); /* it leaves on the way back to user mode */
}

void commit_thread_yield(void)
{
    thread_yield();
}

void commit_thread_sleep(uint64_t deadline, enum error *outcome)
{
    thread_wait_begin();
    enum error error = thread_block(deadline);
    *outcome = error == ERR_TIMED_OUT ? ERR_NONE : error;
}

void commit_clock_read(uint64_t *result)
{
    *result = arch_clock();
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
    thread_set_affinity(plan->cpu);
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
