/*
 * The memory of the frame allocator's records: a region of its own, zeroed memory that is made when it is
 * first touched. So a machine with terabytes starts as quickly as one with gigabytes, and the allocator, for
 * which zero means "free, and never looked at", need not know.
 *
 * The physical memory is set aside whole at boot; the page tables are made then, too, so that a first touch
 * needs nothing that could fail.
 */
#ifndef QUIRE_KERNEL_FRAME_TABLE_H
#define QUIRE_KERNEL_FRAME_TABLE_H

#include <stdbool.h>

#include "abi/error.h"
#include "lib/units.h"

/* Use these frames, of any content, from now on. Once, at boot, with the kernel's tables and windows in
 * place. ERR_NO_MEMORY for page tables; ERR_TOO_LARGE when the region is too small. */
enum error frame_table_place(pfn_t first, uint64_t bytes) MUST_CHECK;

/* Where the region begins. */
void *frame_table_start(void);

/*
 * From the page fault of a kernel access: true when the address lies in the region, and its page is there
 * now. Takes no lock of the ranks, since it can happen under any.
 */
bool frame_table_touch(uint64_t address);

/* Bytes that are there so far. */
uint64_t frame_table_bytes(void);

/* For frame_tell_untouched. */
bool frame_table_untouched(const void *at);

#endif
