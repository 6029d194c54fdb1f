/*
 * Looking after the frame allocator while the system runs.
 *
 * frames=debug: frames are filled when they are given back, and looked at when they are taken again. Who
 * writes to what he has given back, or lets a device do it, is told of, with whose it was.
 *
 * audit=SECONDS: idle CPUs check the books of the allocator and of the heap, when that is so long ago.
 */
#ifndef QUIRE_KERNEL_FRAME_DEBUG_H
#define QUIRE_KERNEL_FRAME_DEBUG_H

#include <stdint.h>

/* Before the first request to the frame allocator, with windows. A frame that changed is a panic. */
void frame_debug_start(void);

/* Audit in idle time, not more often than this; 0: never. */
void frame_debug_audit(uint64_t nanoseconds);

/* In the idle thread. Books that do not balance are a panic. */
void frame_debug_idle(void);

#endif
