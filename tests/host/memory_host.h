/*
 * What memory objects need around them on a Linux host beside kernel_host.h: RAM, with the frame allocator as
 * it is, and the functions of the architecture and the scheduler that they call.
 */
#ifndef QUIRE_TESTS_HOST_MEMORY_HOST_H
#define QUIRE_TESTS_HOST_MEMORY_HOST_H

#include "kernel/mm/frame.h"
#include "kernel/mm/memory.h"
#include "tests/host/kernel_host.h"

/* RAM of so many frames, all free, and so many CPUs; the calling thread is number 0. */
void memory_host_start(uint64_t frames, unsigned cpus);

/* Frames that have contents, from 0 on, if that is more than RAM: for devices. Set before the first start. */
extern uint64_t memory_host_reach;

/* The calling thread is CPU `number` from now on. */
void memory_host_enter(unsigned number);

/* What a frame contains. */
void *memory_host_frame(pfn_t frame);

/* More holders beside the first than this cannot be counted; less than FRAME_SHARES_MOST, so that tests get
 * there. */
extern uint32_t memory_host_shares_most;

/* Holders that are counted, beside the first, over all frames. */
uint64_t memory_host_shares(void);

/* Called before a frame or block is given back. */
extern void (*memory_host_released)(pfn_t first, uint64_t count);

/* Blocks that were cleared, and what others do meanwhile, called once. */
extern uint64_t memory_host_blocks_cleared; /* atomic */
extern void (*memory_host_while_clearing)(void);

/* Blocks are cleared by giving their memory back to the host, and not filled when they are given back: for
 * tests with far more memory than they touch. */
extern bool memory_host_thin;

/* Whoever the calling thread waits for does not run meanwhile: it is killed where it waits. */
extern bool memory_host_waits_in_vain;

#endif
