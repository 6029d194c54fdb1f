/*
 * System calls on threads and the clock.
 */
#include "kernel/sys/context.h"
#include "kernel/sys/calls.h"

#include "kernel/sched/budget.h"

enum error sys_null(void)
{
    return ERR_NONE;
}

static bool outside_user_half(uaddr_t entry, uaddr_t stack)
{
    return !user_range_valid(entry, 1) || stack.value < USER_LOWEST || stack.value > USER_HIGHEST;
}

enum error sys_thread_start(struct task *task, uaddr_t entry, uaddr_t stack, uint64_t argument,
                            uint64_t *result)
{
    struct thread *thread;
    if (outside_user_half(entry, stack)) {
        return ERR_BAD_ADDRESS;
    }
    enum error error = task_start_thread(task, entry.value, stack.value, argument, false, &thread);
    if (error == ERR_NONE) {
        *result = thread->number;
        thread_release(thread);
    }
    return error;
}

enum error sys_thread_create(struct task *task, uaddr_t entry, uaddr_t stack, uint64_t argument,
                             uint64_t suspended, uint64_t *result)
{
    struct thread *thread;
    if (outside_user_half(entry, stack)) {
        return ERR_BAD_ADDRESS;
    }
    enum error error = task_start_thread(task, entry.value, stack.value, argument, true, &thread);
    if (error != ERR_NONE) {
        return error;
    }
    thread_retain(thread); /* for what is yet to be done with it */
    error = handle_give(&thread->object, RIGHT_ALL, result);
    if (error != ERR_NONE) {
        thread_kill(thread, 0);
    } else if (suspended == 0) {
        error = thread_resume(thread);
    }
    thread_release(thread);
    return error;
}

/* The thread leaves on the way back to user mode. */
enum error sys_thread_quit(uint64_t status)
{
    thread_end(thread_current(), END_EXIT, (uint32_t)status);
    return ERR_NONE;
}

enum error sys_thread_exit(void)
{
    return sys_thread_quit(0);
}

enum error sys_thread_self(uint64_t *result)
{
    thread_retain(thread_current());
    return handle_give(&thread_current()->object, RIGHT_ALL, result);
}

enum error sys_thread_join(struct thread *thread, uint64_t deadline, uint64_t *result)
{
    struct thread_end end = {0};
    enum error error = thread_join(thread, deadline, &end);
    *result = (uint64_t)end.kind << 32 | end.status;
    return error;
}

enum error sys_thread_kill(struct thread *thread, uint64_t status)
{
    thread_kill(thread, (uint32_t)status);
    return ERR_NONE;
}

enum error sys_thread_suspend(struct thread *thread)
{
    return thread_suspend(thread);
}

enum error sys_thread_resume(struct thread *thread)
{
    return thread_resume(thread);
}

enum error sys_thread_priority(struct thread *thread, uint64_t priority)
{
    if (priority > task_ceiling(caller())) {
        return ERR_NO_RIGHT;
    }
    thread_set_priority(thread, (uint8_t)priority);
    return ERR_NONE;
}

enum error sys_thread_slice(struct thread *thread, uint64_t slice)
{
    thread_set_slice(thread, slice);
    return ERR_NONE;
}

enum error sys_thread_budget(struct thread *thread, uint64_t period, uint64_t quantum)
{
    bool none = period == 0;
    if (!none && (period < BUDGET_PERIOD_LEAST || quantum < BUDGET_QUANTUM_LEAST || quantum > period)) {
        return ERR_BAD_ARGUMENT;
    }
    return thread_set_budget(thread, period, quantum);
}

enum error sys_thread_cpus(struct thread *thread, uaddr_t mask, uint64_t mask_length)
{
    struct cpu_mask cpus_allowed = {0};
    _Static_assert(sizeof(cpus_allowed) == 32, "syscalls.tbl");
    enum error error = copy_from_user(&cpus_allowed, mask, mask_length);
    return error != ERR_NONE ? error : thread_set_affinity(thread, &cpus_allowed);
}

enum error sys_thread_park(uint64_t deadline)
{
    return thread_park(deadline);
}

enum error sys_thread_unpark(struct thread *thread)
{
    thread_unpark(thread);
    return ERR_NONE;
}

enum error sys_thread_exchange(struct thread *thread, uint64_t deadline)
{
    return thread_unpark_and_park(thread, deadline);
}

enum error sys_thread_sleep_until(uint64_t deadline, uint64_t slack)
{
    return wait_until(deadline, slack);
}

enum error sys_thread_yield(void)
{
    thread_yield();
    return ERR_NONE;
}

enum error sys_thread_sleep(uint64_t deadline)
{
    return wait_until(deadline, 0);
}

enum error sys_clock_read(uint64_t *result)
{
    *result = arch_clock();
    return ERR_NONE;
}

enum error sys_thread_affinity(uint64_t cpu)
{
    if (cpu != UINT64_MAX && cpu >= arch_cpu_count()) {
        return ERR_NOT_FOUND;
    }
    thread_bind(cpu == UINT64_MAX ? CPU_ANY : (uint32_t)cpu);
    return ERR_NONE;
}
