/*
 * The startup block of a new program (abi/startup.h): header, argument pointers and strings in one piece of
 * memory. Nothing here makes a system call.
 */
#ifndef QUIRE_LIBQ_STARTUP_BLOCK_H
#define QUIRE_LIBQ_STARTUP_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "abi/startup.h"

/* The bytes that a block with these arguments needs. */
size_t startup_block_bytes(size_t argc, const char *const *argv);

/*
 * Fill the block at `to`, which has startup_block_bytes of room and will be seen by the program at the
 * address `where`. magic, argc and argv are set here, everything else is taken from `head`.
 */
void startup_block_fill(void *to, uint64_t where, const struct startup *head, size_t argc,
                        const char *const *argv);

#endif
