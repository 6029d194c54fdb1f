/*
 * What the tests inside the kernel share: threads on every CPU, and a wait for them; random numbers.
 */
#ifndef QUIRE_TESTS_KERNEL_SUPPORT_H
#define QUIRE_TESTS_KERNEL_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/arch/arch.h"
#include "kernel/init/selftest.h"
#include "kernel/sched/thread.h"

/* Return from a test with this text when the condition does not hold. */
#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            return #condition;                                                                               \
        }                                                                                                    \
    } while (0)

/* Run body(number) in `per_cpu` threads bound to each CPU, and wait until all have returned. NULL, or what is
 * wrong. */
const char *test_on_all_cpus(unsigned per_cpu, const char *(*body)(unsigned number));

/*
 * Stacks of ended threads are kept for the next ones. Before counting frames, run two threads for each CPU,
 * all at once: none returns before all have come. NULL, or what is wrong.
 */
const char *test_make_stacks(void);

/* xorshift64*, G. Marsaglia 2003; the state is not 0. */
static inline uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

#endif
