/*
 * The RAM of the machine, by the loader's map, and what of it is in use before the kernel gives out anything.
 * On the boot processor, still on the loader's page tables.
 */
#ifndef QUIRE_KERNEL_BOOT_RAM_H
#define QUIRE_KERNEL_BOOT_RAM_H

#include "kernel/mm/memory_map.h"
#include "lib/units.h"

/* Why a range of frames is in use. */
enum held_for {
    HELD_FIRMWARE, /* page 0: firmware's own in the oldest sense, and what a null pointer would reach */
    HELD_IMAGE,
    HELD_BUNDLE,
    HELD_LOADER, /* page tables, stacks, the page of start-up code: until no core can run on them any more */
};

struct held_range {
    struct memory_range frames;
    enum held_for reason;
};

/* Look at everything. Panics when the map has no RAM to work with, with the reason. */
void boot_ram_find(void);

/* All RAM that can ever be given out: sorted, disjoint, merged ranges. */
const struct memory_range *boot_ram(size_t *count);

/* What of it is in use: disjoint ranges, each wholly RAM. */
const struct held_range *boot_ram_held(size_t *count);

/* The RAM that is free: `boot_ram` less `boot_ram_held`, in the same form. */
const struct memory_range *boot_ram_free(size_t *count);

/* How much RAM lies at this frame or above it. */
pages_t boot_ram_beyond(pfn_t end);

/* Leave RAM from this frame on alone; says in the log how much that is. */
void boot_ram_limit(pfn_t end);

#endif
