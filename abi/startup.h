/*
 * What a program finds when it starts: rdi of its first thread holds the address of this block, which lies in
 * read-only memory of its own. Strings are NUL-terminated and lie behind the block in the same memory.
 */
#ifndef QUIRE_ABI_STARTUP_H
#define QUIRE_ABI_STARTUP_H

#include <stdint.h>

#define STARTUP_MAGIC 0x5154524154535155ull

struct startup {
    uint64_t magic;       /* STARTUP_MAGIC */
    uint32_t self;        /* handle: the task itself */
    uint32_t console;     /* handle: the console, 0 if none was given */
    uint32_t system;      /* handle: the machine, 0 if none was given */
    uint32_t bundle;      /* handle: memory object of the init bundle, 0 if none was given */
    uint32_t account;     /* handle: the account that pays for the task, 0 if none was given */
    uint32_t lender;      /* handle: an account to lend from, other than its own; 0 if none was given */
    uint64_t bundle_size; /* bytes of the bundle that are meaningful */
    uint64_t clock;       /* address of the clock page (abi/clock.h) */
    uint64_t argc;
    uint64_t argv; /* address of argc pointers to strings, then a 0 */
};

#endif
