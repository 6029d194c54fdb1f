/* Threads that count until they are told to stop, for tests of who runs when. */
#ifndef QUIRE_UTEST_COUNTING_H
#define QUIRE_UTEST_COUNTING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "user/libq/clock.h"

/* Longer than anything here takes, if it comes at all. */
#define LONG    (30 * SECOND)
#define DEFAULT 128

/* Tell all of them to stop. */
extern _Atomic bool counting_over;

/* The body of a thread: count in the word that is its argument. */
void count_on(void *argument);

/* The same, but with sleeps and yields in between, and until it is killed. */
void sleep_and_yield(void *argument);

/* Wait until the word is at least so much. */
bool comes(_Atomic uint64_t *word, uint64_t least);

#endif
