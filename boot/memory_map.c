/*
 * Each descriptor is first boiled down to a struct range in its own place (descriptors are larger than
 * ranges, so writing never overtakes reading); those are sorted, cut where they overlap, merged and written
 * out.
 */
#include "boot/memory_map.h"

#include "lib/text.h"
#include "lib/units.h"

#define ADDRESS_END ((uint64_t)1 << 52) /* the architecture's limit of physical addresses */

enum efi_type {
    EFI_RESERVED,
    EFI_LOADER_CODE,
    EFI_LOADER_DATA,
    EFI_BOOT_CODE,
    EFI_BOOT_DATA,
    EFI_RUNTIME_CODE,
    EFI_RUNTIME_DATA,
    EFI_CONVENTIONAL,
    EFI_UNUSABLE,
    EFI_ACPI_TABLES,
    EFI_ACPI_NVS,
    EFI_MMIO,
    EFI_MMIO_PORTS,
};

struct range {
    uint64_t begin;
    uint64_t end;
    uint64_t type;
};

_Static_assert(sizeof(struct range) <= sizeof(struct efi_region), "ranges are made in place");

static uint64_t protocol_type(uint32_t efi_type)
{
    switch (efi_type) {
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA:
    case EFI_BOOT_CODE:
    case EFI_BOOT_DATA:
    case EFI_CONVENTIONAL:
        return BOOTBOOT_MAP_FREE;
    case EFI_ACPI_TABLES:
    case EFI_ACPI_NVS:
        return BOOTBOOT_MAP_ACPI;
    case EFI_MMIO:
    case EFI_MMIO_PORTS:
        return BOOTBOOT_MAP_MMIO;
    default:
        return BOOTBOOT_MAP_USED;
    }
}

/* RAM that the identity map has to reach. Reserved regions are left out: far up they can be anything. */
static bool is_ram(uint32_t efi_type)
{
    return (efi_type >= EFI_LOADER_CODE && efi_type <= EFI_CONVENTIONAL) || efi_type == EFI_ACPI_TABLES ||
           efi_type == EFI_ACPI_NVS;
}

static size_t region_count(const struct efi_map *map)
{
    return map->stride >= sizeof(struct efi_region) ? map->bytes / map->stride : 0;
}

/* Region number `index`, cut to whole pages below the limit of physical addresses; empty ones have no pages.
 */
static struct efi_region region_get(const struct efi_map *map, size_t index)
{
    struct efi_region region;
    memcpy(&region, (const uint8_t *)map->data + index * map->stride, sizeof(region));
    region.physical = align_down(region.physical, PAGE_SIZE);
    uint64_t room = region.physical < ADDRESS_END ? (ADDRESS_END - region.physical) / PAGE_SIZE : 0;
    region.pages = region.pages < room ? region.pages : room;
    return region;
}

static size_t ranges_make(struct efi_map *from, struct range *ranges)
{
    size_t count = 0;
    for (size_t i = 0; i < region_count(from); i++) {
        struct efi_region region = region_get(from, i);
        if (region.pages > 0) {
            uint64_t end = region.physical + region.pages * PAGE_SIZE;
            ranges[count++] = (struct range){region.physical, end, protocol_type(region.type)};
        }
    }
    return count;
}

/* By begin; of two with the same begin the one that is not free comes first. Firmware delivers nearly sorted.
 */
static bool comes_before(const struct range *a, const struct range *b)
{
    if (a->begin != b->begin) {
        return a->begin < b->begin;
    }
    return a->type != BOOTBOOT_MAP_FREE && b->type == BOOTBOOT_MAP_FREE;
}

static void ranges_sort(struct range *ranges, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct range moved = ranges[i];
        size_t at = i;
        for (; at > 0 && comes_before(&moved, &ranges[at - 1]); at--) {
            ranges[at] = ranges[at - 1];
        }
        ranges[at] = moved;
    }
}

/*
 * Add a range behind the others, of which the last may begin later once it has been cut. Free memory gives
 * way where they overlap; what a free range loses behind the intruder is lost, since nothing else is safe to
 * say of a map that contradicts itself.
 */
static size_t range_append(struct range *ranges, size_t count, struct range next)
{
    while (count > 0 && ranges[count - 1].type == BOOTBOOT_MAP_FREE && next.type != BOOTBOOT_MAP_FREE &&
           ranges[count - 1].begin >= next.begin) {
        count--;
    }
    if (count > 0) {
        struct range *last = &ranges[count - 1];
        if (next.type == last->type && next.begin <= last->end) {
            last->end = next.end > last->end ? next.end : last->end;
            return count;
        }
        if (next.begin < last->end && last->type == BOOTBOOT_MAP_FREE) {
            last->end = next.begin;
        } else if (next.begin < last->end) {
            next.begin = last->end;
        }
    }
    if (next.begin < next.end) {
        ranges[count++] = next;
    }
    return count;
}

static size_t ranges_merge(struct range *ranges, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        kept = range_append(ranges, kept, ranges[i]);
    }
    return kept;
}

/* The range that is missed least: a used one, else the smallest. */
static size_t least_useful(const struct range *ranges, size_t count)
{
    size_t least = 0;
    for (size_t i = 1; i < count; i++) {
        bool is_used = ranges[i].type == BOOTBOOT_MAP_USED;
        bool least_is_used = ranges[least].type == BOOTBOOT_MAP_USED;
        bool is_smaller = ranges[i].end - ranges[i].begin < ranges[least].end - ranges[least].begin;
        if ((is_used && !least_is_used) || (is_used == least_is_used && is_smaller)) {
            least = i;
        }
    }
    return least;
}

size_t memory_map_convert(struct efi_map *from, struct bootboot_map_entry *to, size_t limit)
{
    struct range *ranges = from->data;
    size_t count = ranges_make(from, ranges);
    ranges_sort(ranges, count);
    count = ranges_merge(ranges, count);
    while (count > limit) {
        size_t gone = least_useful(ranges, count);
        memmove(&ranges[gone], &ranges[gone + 1], (count - gone - 1) * sizeof(*ranges));
        count--;
    }
    for (size_t i = 0; i < count; i++) {
        to[i].address = ranges[i].begin;
        to[i].size_and_type = (ranges[i].end - ranges[i].begin) | ranges[i].type;
    }
    from->bytes = 0;
    return count;
}

uint64_t memory_map_top(const struct efi_map *map)
{
    uint64_t top = 0;
    for (size_t i = 0; i < region_count(map); i++) {
        struct efi_region region = region_get(map, i);
        uint64_t end = region.physical + region.pages * PAGE_SIZE;
        if (is_ram(region.type) && region.pages > 0 && end > top) {
            top = end;
        }
    }
    return top;
}

/* How much of the range lies in regions that are RAM. */
static uint64_t ram_within(const struct efi_map *map, uint64_t address, uint64_t bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < region_count(map); i++) {
        struct efi_region region = region_get(map, i);
        uint64_t end = region.physical + region.pages * PAGE_SIZE;
        uint64_t from = region.physical > address ? region.physical : address;
        uint64_t to = end < address + bytes ? end : address + bytes;
        if (is_ram(region.type) && from < to) {
            sum += to - from;
        }
    }
    return sum;
}

bool memory_map_is_ram(const struct efi_map *map, uint64_t address, uint64_t bytes)
{
    return ram_within(map, address, bytes) >= bytes;
}

bool memory_map_touches_ram(const struct efi_map *map, uint64_t address, uint64_t bytes)
{
    return ram_within(map, address, bytes) > 0;
}
