/*
 * The kernel's heap: objects of a few size classes, cut from single frames, and larger ones by whole blocks
 * of frames. Memory comes back to the frame allocator when all objects of a frame are free. Out of memory is
 * NULL.
 *
 * Every allocation is freed with the size it was made with; that saves a header and is checked.
 */
#ifndef QUIRE_KERNEL_HEAP_H
#define QUIRE_KERNEL_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "abi/error.h"

/* Aligned to 64 bytes, or to the size if that is a smaller power of two. Contents are undefined. Takes
 * LOCK_HEAP. */
void *heap_alloc(size_t bytes) MUST_CHECK;

/* The same, filled with zeros. */
void *heap_alloc_zeroed(size_t bytes) MUST_CHECK;

/* NULL is allowed. */
void heap_free(void *object, size_t bytes);

/* Bytes in use by objects, and frames that the heap holds, for tests and figures. */
void heap_count(uint64_t *object_bytes, uint64_t *frames);

#endif
