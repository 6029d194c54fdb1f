/*
 * Memory from the loader's map to a working frame allocator; on the boot processor, in this order.
 */
#ifndef QUIRE_KERNEL_BOOT_MEMORY_H
#define QUIRE_KERNEL_BOOT_MEMORY_H

#include "lib/units.h"

/*
 * Find the RAM, leave the loader's page tables for the kernel's own, start the frame allocator for this many
 * CPUs, and let it know what is in use already; from here on frames and heap work. Panics with the reason
 * when that cannot be: a machine without memory cannot run.
 */
void boot_memory_start(unsigned cpus);

/* Give back what only the loader used. For when every core that the loader counted has left it. */
void boot_memory_reclaim(void);

/* Physical address of the init bundle; the size is handover.info.initrd_size. */
paddr_t boot_memory_bundle(void);

#endif
