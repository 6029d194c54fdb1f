/*
 * Whole zeroed pages of memory for this program, from the kernel. The handle of the memory object is closed
 * as soon as it is mapped: the mapping alone keeps it.
 */
#ifndef QUIRE_LIBQ_PAGES_H
#define QUIRE_LIBQ_PAGES_H

#include <stdint.h>

#include "abi/error.h"

/* The bytes are rounded up to pages. On failure nothing is taken. */
enum error pages_take(uint64_t bytes, void **pages) MUST_CHECK;

/*
 * Map all of a memory object, which has so many bytes, into a task, to be read and written; an address of 0
 * lets the kernel choose. The pages and what finds them are there when this returns: a touch cannot fail any
 * more.
 */
enum error pages_map(uint32_t task, uint32_t memory, uint64_t address, uint64_t bytes,
                     uint64_t *where) MUST_CHECK;

/* Give back all that one pages_take gave. */
void pages_give(void *pages);

#endif
