/* System calls of which every register is known before and looked at after. */
#ifndef QUIRE_UTEST_REGISTERS_H
#define QUIRE_UTEST_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/error.h"

#define FLAG_CARRY     (1u << 0)
#define FLAG_PARITY    (1u << 2)
#define FLAG_SIGN      (1u << 7)
#define FLAG_STEP      (1u << 8)
#define FLAG_INTERRUPT (1u << 9)
#define FLAG_DIRECTION (1u << 10)
#define FLAG_OVERFLOW  (1u << 11)
#define FLAG_IOPL      (3u << 12)
#define FLAG_NESTED    (1u << 14)
#define FLAG_ALIGNMENT (1u << 18)
#define FLAG_ID        (1u << 21)

/*
 * Make the call, and look whether it ends with this error and leaves what it must in each register. `result`:
 * it has one, so rdx may be anything. False: a test has failed, and what was wrong is told.
 */
bool registers_clean(uint64_t number, uint64_t first, uint64_t second, enum error expected, bool result);

/* The flags with which the call null returns when these are set before. */
uint64_t registers_flags(uint64_t flags);

#endif
