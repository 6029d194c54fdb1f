/*
 * What the quarantine and the requests (tlb.c) know of each other. Everybody else: tlb.h.
 */
#ifndef QUIRE_KERNEL_QUARANTINE_H
#define QUIRE_KERNEL_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

/* Is there no request that a CPU has yet to answer? Says the number of the last one in any case: what was
 * made unreachable before this call is out of reach of all CPUs once it is answered. */
bool tlb_all_answered(uint64_t *last);

/* 4 KiB frames in it now. */
uint64_t quarantine_frames(uint64_t *most);

#endif
