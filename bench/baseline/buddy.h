/*
 * The textbook buddy allocator, to measure against: one spin lock; per order a doubly linked list of the free
 * blocks, with the links in an array beside the arena, and a bitmap that says which blocks are free.
 */
#ifndef QUIRE_BENCH_BASELINE_BUDDY_H
#define QUIRE_BENCH_BASELINE_BUDDY_H

#include <stdbool.h>
#include <stdint.h>

#define BASELINE_ORDERS 19

/* The bytes of zeroed metadata for so many frames, a multiple of 2^18. */
uint64_t baseline_bytes(uint64_t frames);
void baseline_init(uint64_t frames, void *metadata);
bool baseline_alloc(unsigned order, uint64_t *first);
void baseline_free(uint64_t first, unsigned order);
/* Free blocks of the order. */
uint64_t baseline_blocks(unsigned order);

#endif
