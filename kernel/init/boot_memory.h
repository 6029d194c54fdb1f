/*
 * Memory from the loader's map to a working frame allocator. Three steps, on the boot processor, each relying
 * on the one before:
 *
 *   boot_memory_find   which RAM is free, by the map, less everything that is still in use;
 *   boot_memory_map    the kernel's own page tables: image with its rights, aperture over the free RAM; loads
 * them; boot_memory_start  metadata and start of the frame allocator; from here on frames and heap work.
 */
#ifndef QUIRE_KERNEL_BOOT_MEMORY_H
#define QUIRE_KERNEL_BOOT_MEMORY_H

#include "lib/units.h"

/* Each stops with a panic that names the reason: a machine without memory cannot run. */
void boot_memory_find(void);
void boot_memory_map(void);
void boot_memory_start(unsigned cpus);

/* Bytes of RAM that are not given out: the kernel image, the bundle, tables of the loader, its own tables. */
uint64_t boot_memory_reserved(void);

/* The first 2 MiB chunk, from this number on, in which there is RAM that frames are made of; UINT64_MAX:
 * none. */
uint64_t boot_memory_next_chunk(uint64_t chunk);

/* Physical address of the init bundle; the size is handover.info.initrd_size. */
paddr_t boot_memory_bundle(void);

#endif
