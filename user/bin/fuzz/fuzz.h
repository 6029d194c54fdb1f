/*
 * The fuzzer of system calls: a worker makes calls from the grammar of the table with arguments that are
 * valid, nearly valid or random; a supervisor starts workers, one after the other, in an account of their
 * own, sees to it that they go on, and compares the books before and after.
 */
#ifndef QUIRE_FUZZ_FUZZ_H
#define QUIRE_FUZZ_FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "syscall_grammar.h"

#define FUZZ_THREADS_MOST 8

/* Where worker and supervisor meet. */
#define FUZZ_SHARED_AT 0x0000600000000000ull

struct fuzz_shared {
    /* Set by the supervisor, before the worker starts. */
    uint64_t seed;
    uint32_t threads;
    uint32_t account; /* handles of the worker: what it may do beside what every program may */
    uint32_t console;
    uint32_t system;

    _Atomic uint64_t calls; /* made so far, by all workers */
    _Atomic uint64_t most;  /* and how many there are to be */
    _Atomic uint64_t tried[SYS_COUNT];
    _Atomic uint64_t done[SYS_COUNT]; /* of them, without an error */
    _Atomic uint64_t kinds[64];       /* how often each error came */
};

/* What a worker does until it is told to stop, or ends by what it tries. */
int fuzz_work(void);

/* What a supervisor does: this many calls, or for so many seconds if that is not 0. The exit status. */
int fuzz_supervise(uint64_t seed, uint64_t calls, uint64_t seconds);

/* A random number; the state is the thread's own. */
static inline uint64_t fuzz_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ull;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline uint64_t fuzz_below(uint64_t *state, uint64_t limit)
{
    return (fuzz_next(state) >> 32) * limit >> 32;
}

#endif
