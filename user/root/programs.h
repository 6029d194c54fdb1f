/* The programs of the init bundle, and what each is trusted with. */
#ifndef QUIRE_ROOT_PROGRAMS_H
#define QUIRE_ROOT_PROGRAMS_H

#include <stddef.h>

#include "lib/bundle.h"
#include "user/libq/process.h"

/* The init bundle; opened once at the start. */
extern struct bundle bundle;

enum error programs_open(void) MUST_CHECK;

/*
 * Create the program bin/NAME, where NAME is argv[0], with the handles it may have. It does not run yet. On
 * failure a line on the console has said why. It gets an account of its own: of `frames`, or with 0 of the
 * part of what the machine has left that it is trusted with.
 */
enum error programs_create(size_t argc, char *const *argv, uint64_t frames,
                           struct process *process) MUST_CHECK;

#endif
