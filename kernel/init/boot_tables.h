/*
 * The kernel's own page tables: made while the loader's are still loaded, from frames that are taken before
 * there is a frame allocator.
 */
#ifndef QUIRE_KERNEL_BOOT_TABLES_H
#define QUIRE_KERNEL_BOOT_TABLES_H

#include "kernel/mm/memory_map.h"

/*
 * Make the tables and load them: the image with its rights; tables, and no more, for the regions where more
 * is mapped later; and the aperture, either with all RAM but the image in it, or, `safe`, with just the
 * frames of these tables. After boot_ram_find. Panics when memory does not suffice.
 */
void boot_tables_make(bool safe);

/* The windows of this CPU, and the region of the frames' records with `bytes` of memory behind it, from this
 * frame on. */
void boot_tables_records(pfn_t first, uint64_t bytes);

/* The frames that all this took, in a row; from now on tables come from the frame allocator. */
struct memory_range boot_tables_end(void);

#endif
