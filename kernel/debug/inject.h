/*
 * Failure injection, for tests: the n-th charge or allocation of the calling thread fails as if there were no
 * memory. Off, it costs a look at a variable that never changes.
 */
#ifndef QUIRE_KERNEL_INJECT_H
#define QUIRE_KERNEL_INJECT_H

#include <stdbool.h>
#include <stdint.h>

/* The boot environment says inject=1. Set once at boot. */
extern bool inject_on;

/* Is this charge or allocation of the calling thread the one that is to fail? Only to be asked when
 * inject_on. */
bool inject_strikes(void);

/* The n-th one from now on fails, of the calling thread; 0: none does. */
void inject_arm(uint32_t n);

static inline bool inject_fails(void)
{
    return __builtin_expect(inject_on, 0) && inject_strikes();
}

#endif
