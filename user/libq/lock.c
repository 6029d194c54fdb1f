/* How a thread waits for a lock; see lock.h. */
#include "user/libq/lock.h"

#include "syscalls.h"

void lock_yield(void)
{
    sys_thread_yield();
}
