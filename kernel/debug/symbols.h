/*
 * Names of the kernel's functions, from a table that the build puts into the image.
 */
#ifndef QUIRE_KERNEL_SYMBOLS_H
#define QUIRE_KERNEL_SYMBOLS_H

#include <stdint.h>

/* The function that holds the address, and how far behind its start that is; NULL when it is none of ours. */
const char *symbol_find(uint64_t address, uint64_t *offset);

#endif
