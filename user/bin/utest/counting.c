/* Threads that count; see counting.h. */
#include "user/bin/utest/counting.h"

#include "syscalls.h"

_Atomic bool counting_over;

void count_on(void *argument)
{
    while (!counting_over) {
        atomic_fetch_add((_Atomic uint64_t *)argument, 1);
    }
}

bool comes(_Atomic uint64_t *word, uint64_t least)
{
    uint64_t deadline = clock_after(LONG);
    while (*word < least && clock_now() < deadline) {
        clock_sleep(MILLISECOND);
    }
    return *word >= least;
}

void sleep_and_yield(void *argument)
{
    for (unsigned i = 0;; i++) {
        atomic_fetch_add((_Atomic uint64_t *)argument, 1);
        if (i % 3 == 0) {
            clock_sleep(100 * MICROSECOND);
        } else {
            sys_thread_yield();
        }
    }
}
