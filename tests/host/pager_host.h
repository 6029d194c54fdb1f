/*
 * A pager for host tests that answers from a thread of its own, which stands for one CPU: pages hold their
 * numbers. What is asked for at its end is answered first.
 */
#ifndef QUIRE_TESTS_HOST_PAGER_HOST_H
#define QUIRE_TESTS_HOST_PAGER_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/mm/memory_pager.h"

/* For memory_make_paged. */
extern struct memory_pager pager_host;

/* Atomic: objects that have let go of it. */
extern uint32_t pager_host_released;

/*
 * The thread begins, as CPU `cpu`. Whoever asks calls `at_once`, and gets the page at once when it says so;
 * the thread calls `between` each time around, which is what its CPU has to do besides.
 */
void pager_host_start(unsigned cpu, bool (*at_once)(uint64_t page), void (*between)(void));
void pager_host_stop(void);

#endif
