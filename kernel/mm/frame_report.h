/*
 * Giving back frames where it is a bug of the kernel's if that fails, with a report that says whose they are.
 */
#ifndef QUIRE_KERNEL_FRAME_REPORT_H
#define QUIRE_KERNEL_FRAME_REPORT_H

#include <stddef.h>

#include "kernel/mm/frame.h"

/* As frame_free; panics, with what is recorded of the frame, when the allocator refuses. */
void frame_release(pfn_t first, unsigned order);

/* What is recorded of a frame, in words: "held for page tables, 1 frame from 12345000 on, account 0". Returns
 * text. */
const char *frame_describe(pfn_t frame, char *text, size_t bytes);

#endif
