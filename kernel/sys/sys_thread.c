/*
 * System calls on the calling thread and the clock.
 */
#include "kernel/sys/context.h"
#include "kernel/sys/calls.h"

enum error sys_null(void)
{
    return ERR_NONE;
}

enum error sys_thread_exit(void)
{
    thread_set_end(thread_current(), END_EXIT, 0);
    thread_kill(thread_current()); /* it leaves on the way back to user mode */
    return ERR_NONE;
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
