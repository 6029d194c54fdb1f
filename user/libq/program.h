/*
 * The life of a program: it starts in main with the arguments of its startup block, and ends when main
 * returns, or here. libq has no exit handlers and no globals to destroy; the kernel takes everything back.
 */
#ifndef QUIRE_LIBQ_PROGRAM_H
#define QUIRE_LIBQ_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "abi/startup.h"
#include "user/libq/status.h"

/* The startup block of this program; set before main, never changed. */
extern const struct startup *startup;

int main(int argc, char **argv);

_Noreturn void program_exit(uint32_t status);

/* Print "NAME: " and the formatted text as a line, and end with STATUS_SAID: wrong use, or no way to go on.
 */
_Noreturn void program_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The argument as a number from `low` to `high`. Anything else ends the program with a line that says what
 * was expected of the argument called `name`.
 */
uint64_t program_number(const char *name, const char *argument, uint64_t low, uint64_t high);

#endif
