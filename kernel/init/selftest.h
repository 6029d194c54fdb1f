/*
 * Tests that run inside the kernel. A kernel linked for tests has some (tests/guest/kernel), the product
 * none; they run when the environment says test=1.
 */
#ifndef QUIRE_KERNEL_SELFTEST_H
#define QUIRE_KERNEL_SELFTEST_H

#include <stdbool.h>

struct selftest {
    const char *name;         /* the promise that it checks */
    const char *(*run)(void); /* NULL, or what is wrong */
};

#define SELFTEST(function, promise)                                                                          \
    static const char *function(void);                                                                       \
    static const struct selftest function##_entry                                                            \
        __attribute__((used, section(".kernel_tests"))) = {promise, function};                               \
    static const char *function(void)

/* Run all there are, a line each; in a thread. */
void selftest_run(void);

#endif
