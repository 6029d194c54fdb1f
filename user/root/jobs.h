/* The programs that were started from the prompt and have not been reported as ended. */
#ifndef QUIRE_ROOT_JOBS_H
#define QUIRE_ROOT_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/system.h"

/* Statuses that jobs_run makes up: it could not start, it was killed, a fault ended it. */
#define JOB_NOT_STARTED 127u
#define JOB_KILLED      126u
#define JOB_FAULT       125u

/*
 * Run bin/ARGV[0] and wait for its end, or kill it on Ctrl-C. Anything but a good end is reported on the
 * console. `frames` is what its account gets, 0 what is usual. Returns its exit status, or one of the above.
 */
uint32_t jobs_run(size_t argc, char *const *argv, uint64_t frames);

/* Start bin/ARGV[0] and go on; says its number, or why it did not start. */
void jobs_start(size_t argc, char *const *argv, uint64_t frames);

/* Report the background jobs that have ended, and forget them. */
void jobs_announce(void);

/* The handle of the task with this number, if it is a job's. It stays the job's. */
bool jobs_find(uint64_t number, uint32_t *task);

/* Kill the job with this task number. False when there is none. */
bool jobs_kill(uint64_t number);

#endif
