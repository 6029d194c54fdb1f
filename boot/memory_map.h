/*
 * The firmware's memory map turned into the protocol's: sorted, neighbours of one type merged, nothing
 * overlapping. Pure: works on copies of the tables, calls nothing.
 */
#ifndef QUIRE_BOOT_MEMORY_MAP_H
#define QUIRE_BOOT_MEMORY_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/bootboot.h"

/* A descriptor as UEFI lays it out (UEFI 2.10, 7.2.3); real ones may be longer. */
struct efi_region {
    uint32_t type;
    uint32_t pad;
    uint64_t physical;
    uint64_t virtual;
    uint64_t pages;
    uint64_t attributes;
};

/* A firmware map: `bytes` bytes of descriptors that are `stride` bytes apart. */
struct efi_map {
    void *data;
    size_t bytes;
    size_t stride;
};

/*
 * Fill `to`, at most `limit` entries, and return how many there are. Memory that only the loader or boot
 * services used is free; EfiReservedMemoryType is what the kernel still runs from, and used. Where regions
 * overlap, the memory is free only if all agree. When there are too many entries, used ones go first (a hole
 * says the same), then the smallest. The firmware's map is overwritten: it serves as the place to sort in.
 */
size_t memory_map_convert(struct efi_map *from, struct bootboot_map_entry *to, size_t limit);

/* The end of the highest RAM, and whether all of a range is RAM. */
uint64_t memory_map_top(const struct efi_map *map);
bool memory_map_is_ram(const struct efi_map *map, uint64_t address, uint64_t bytes);
/* Is any byte of the range RAM? */
bool memory_map_touches_ram(const struct efi_map *map, uint64_t address, uint64_t bytes);

#endif
