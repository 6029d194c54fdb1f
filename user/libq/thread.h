/*
 * Threads of this program, each with a stack of its own over a gap that is never mapped, so that an overflow
 * faults. A thread ends when its function returns.
 */
#ifndef QUIRE_LIBQ_THREAD_H
#define QUIRE_LIBQ_THREAD_H

#include <stdint.h>

#include "abi/error.h"

#define THREAD_STACK_BYTES 65536ull
#define THREADS_MOST       1024u

/* Owned by who called thread_create, and must live until thread_join. */
struct thread {
    void (*function)(void *argument);
    void *argument;
    uint32_t handle;
    uint32_t slot; /* which stack it has */
};

/* On failure nothing is left behind. ERR_LIMIT when THREADS_MOST threads have stacks. */
enum error thread_create(struct thread *thread, void (*function)(void *argument), void *argument) MUST_CHECK;

/* The same, but it does not run before sys_thread_resume(thread->handle). */
enum error thread_prepare(struct thread *thread, void (*function)(void *argument), void *argument) MUST_CHECK;

/*
 * Wait until the thread has ended, and give its stack back. ERR_TIMED_OUT leaves everything as it was, for
 * another try.
 */
enum error thread_join(struct thread *thread, uint64_t deadline) MUST_CHECK;

#endif
