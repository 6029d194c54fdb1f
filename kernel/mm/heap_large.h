/*
 * Objects of the heap that are whole frames: the smallest number of them that will do, whatever it is. Each
 * has a record in a table, so its size is known, though no header is kept in it.
 */
#ifndef QUIRE_KERNEL_HEAP_LARGE_H
#define QUIRE_KERNEL_HEAP_LARGE_H

#include "kernel/mm/heap.h"

void *heap_large_alloc(size_t bytes, const void *caller) MUST_CHECK;
void heap_large_free(void *object, size_t bytes, const void *caller);

/* What the debug mode keeps back goes to the frames; false when that is nothing. */
bool heap_large_drain(void);

void heap_large_count(struct system_slab *out);
bool heap_large_audit(struct heap_fault *fault) MUST_CHECK;

/* The object that this address lies in, and its size; NULL when it is none. */
const void *heap_large_find(const void *at, size_t *bytes);

#endif
