/*
 * Memory in pieces of any size. Small pieces come from power-of-two lists carved out of 64 KiB chunks, which
 * are kept for reuse; a large one is pages of its own, and goes back to the kernel at once. Every piece is
 * aligned to 16 bytes. Any thread may call; the lists are under one lock.
 */
#ifndef QUIRE_LIBQ_HEAP_H
#define QUIRE_LIBQ_HEAP_H

#include <stddef.h>

/* Not zeroed. NULL when there is no memory, or when bytes is 0. */
void *heap_allocate(size_t bytes);

/* NULL is allowed. A pointer that heap_allocate did not give, or that was released before, traps. */
void heap_release(void *content);

#endif
