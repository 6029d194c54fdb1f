/*
 * All that the root server waits for: one notification, of which bits are set by the console and by the end
 * of any of its tasks.
 */
#ifndef QUIRE_ROOT_EVENTS_H
#define QUIRE_ROOT_EVENTS_H

#include <stdint.h>

#include "abi/error.h"

#define EVENT_CONSOLE 1u /* bytes were typed */
#define EVENT_TASK    2u /* a task ended; which, is to be looked up */

/* Create the notification and have the console set its bit. Once, at the start. */
enum error events_open(void) MUST_CHECK;

/* Have the console set it from now on; a program that may read the console could have taken it for itself. */
enum error events_watch_console(void) MUST_CHECK;

/* Have the end of the task set EVENT_TASK. */
enum error events_watch_task(uint32_t task) MUST_CHECK;

/* Wait until one of these events came since it was last waited for. */
void events_wait(uint64_t mask);

/* The same, but not beyond the deadline. */
void events_wait_until(uint64_t mask, uint64_t deadline);

#endif
