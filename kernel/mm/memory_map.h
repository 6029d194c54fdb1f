/*
 * From the loader's memory map to the RAM that may be used: sorted, disjoint, merged ranges of whole pages.
 *
 * Pure code: no state, no allocation. The map is foreign input, and every form of it is coped with: unsorted,
 * overlapping, touching and zero-length entries, odd alignment, ends that wrap or exceed 52 bits.
 */
#ifndef QUIRE_KERNEL_MM_MEMORY_MAP_H
#define QUIRE_KERNEL_MM_MEMORY_MAP_H

#include "abi/error.h"
#include "lib/units.h"

/* One entry of the BOOTBOOT memory map: the low 4 bits of the second word are the type, the rest the size. */
struct memory_map_entry {
    uint64_t address;
    uint64_t size_and_type;
};

#define MEMORY_MAP_FREE 1u

struct memory_range {
    pfn_t first;
    pages_t count;
};

/*
 * Write the free RAM to `out`: what at least one free entry covers and no other entry and no range of
 * `exclude` touches. A page counts only when all of it is free. A free entry that wraps or reaches above 52
 * bits is not believed at all; a used one blocks up to the top. ERR_TOO_LARGE when there are more than
 * `capacity` ranges: then `out` holds the lowest ones and `*out_count` is `capacity`.
 */
enum error memory_map_build(const struct memory_map_entry *entries, size_t entry_count,
                            const struct memory_range *exclude, size_t exclude_count,
                            struct memory_range *out, size_t capacity, size_t *out_count) MUST_CHECK;

#endif
