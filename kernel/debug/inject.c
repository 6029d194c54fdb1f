/*
 * Failure injection; see inject.h.
 */
#include "kernel/debug/inject.h"

#include "kernel/sched/thread.h"

bool inject_on;

bool inject_strikes(void)
{
    struct thread *self = thread_current();
    return self != NULL && self->inject_left > 0 && --self->inject_left == 0;
}

void inject_arm(uint32_t n)
{
    thread_current()->inject_left = n;
}
