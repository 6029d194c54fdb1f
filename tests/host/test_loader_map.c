/*
 * boot/memory_map against a model that paints each region page by page: the result is sorted, merged, and
 * calls free only pages that every region which has them calls free.
 */
#include "tests/host/host.h"

#include "boot/memory_map.h"

#define PAGE         4096ull
#define MODEL_PAGES  512
#define REGIONS_MOST 60
#define STRIDE       48 /* real firmware's descriptors are longer than the structure */

enum {
    RESERVED = 0,
    LOADER_DATA = 2,
    BOOT_CODE = 3,
    RUNTIME = 5,
    CONVENTIONAL = 7,
    ACPI = 9,
    NVS = 10,
    MMIO = 11,
    PORTS = 12
};

struct raw {
    uint8_t data[REGIONS_MOST * STRIDE];
    struct efi_map map;
};

static void raw_begin(struct raw *raw)
{
    raw->map = (struct efi_map){.data = raw->data, .bytes = 0, .stride = STRIDE};
}

static void raw_add(struct raw *raw, uint32_t type, uint64_t physical, uint64_t pages)
{
    struct efi_region region = {.type = type, .physical = physical, .pages = pages};
    memset(raw->data + raw->map.bytes, 0xee, STRIDE);
    memcpy(raw->data + raw->map.bytes, &region, sizeof(region));
    raw->map.bytes += STRIDE;
}

static void assert_entry(const struct bootboot_map_entry *entry, uint64_t address, uint64_t size,
                         unsigned type)
{
    assert_int_equal(entry->address, address);
    assert_int_equal(entry->size_and_type, size | type);
}

static void types_are_translated_and_neighbours_merged(void **state)
{
    (void)state;
    struct raw raw;
    struct bootboot_map_entry out[BOOTBOOT_MAP_ENTRIES];
    raw_begin(&raw);
    raw_add(&raw, ACPI, 10 * PAGE, 1);
    raw_add(&raw, CONVENTIONAL, 4 * PAGE, 2);
    raw_add(&raw, LOADER_DATA, 2 * PAGE, 2);
    raw_add(&raw, BOOT_CODE, 0, 2);
    raw_add(&raw, RUNTIME, 6 * PAGE, 1);
    raw_add(&raw, RESERVED, 7 * PAGE, 1);
    raw_add(&raw, NVS, 11 * PAGE, 1);
    raw_add(&raw, MMIO, 20 * PAGE, 1);
    raw_add(&raw, PORTS, 21 * PAGE, 1);
    raw_add(&raw, CONVENTIONAL, 30 * PAGE, 0);
    raw_add(&raw, 14, 31 * PAGE, 1);
    assert_int_equal(memory_map_convert(&raw.map, out, BOOTBOOT_MAP_ENTRIES), 5);
    assert_entry(&out[0], 0, 6 * PAGE, BOOTBOOT_MAP_FREE);
    assert_entry(&out[1], 6 * PAGE, 2 * PAGE, BOOTBOOT_MAP_USED);
    assert_entry(&out[2], 10 * PAGE, 2 * PAGE, BOOTBOOT_MAP_ACPI);
    assert_entry(&out[3], 20 * PAGE, 2 * PAGE, BOOTBOOT_MAP_MMIO);
    assert_entry(&out[4], 31 * PAGE, 1 * PAGE, BOOTBOOT_MAP_USED);
}

static void impossible_sizes_are_cut(void **state)
{
    (void)state;
    struct raw raw;
    struct bootboot_map_entry out[BOOTBOOT_MAP_ENTRIES];
    raw_begin(&raw);
    raw_add(&raw, CONVENTIONAL, 0, UINT64_MAX);
    raw_add(&raw, CONVENTIONAL, UINT64_MAX - 5, 3);
    assert_int_equal(memory_map_convert(&raw.map, out, BOOTBOOT_MAP_ENTRIES), 1);
    assert_entry(&out[0], 0, 1ull << 52, BOOTBOOT_MAP_FREE);
    raw_begin(&raw);
    raw_add(&raw, CONVENTIONAL, 0, 1);
    raw.map.stride = 8;
    assert_int_equal(memory_map_convert(&raw.map, out, BOOTBOOT_MAP_ENTRIES), 0);
}

static void too_many_entries_lose_the_least_useful(void **state)
{
    (void)state;
    struct raw raw;
    struct bootboot_map_entry out[3];
    raw_begin(&raw);
    raw_add(&raw, CONVENTIONAL, 0, 5);
    raw_add(&raw, RESERVED, 5 * PAGE, 100);
    raw_add(&raw, CONVENTIONAL, 105 * PAGE, 1);
    raw_add(&raw, ACPI, 106 * PAGE, 2);
    raw_add(&raw, CONVENTIONAL, 108 * PAGE, 3);
    assert_int_equal(memory_map_convert(&raw.map, out, 3), 3);
    assert_entry(&out[0], 0, 5 * PAGE, BOOTBOOT_MAP_FREE);
    assert_entry(&out[1], 106 * PAGE, 2 * PAGE, BOOTBOOT_MAP_ACPI);
    assert_entry(&out[2], 108 * PAGE, 3 * PAGE, BOOTBOOT_MAP_FREE);
}

static bool is_free_type(uint32_t type)
{
    return type == LOADER_DATA || type == BOOT_CODE || type == CONVENTIONAL;
}

static void assert_shape(const struct bootboot_map_entry *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t size = out[i].size_and_type & ~15ull;
        assert_true(size > 0 && out[i].address % PAGE == 0 && size % PAGE == 0);
        if (i + 1 < count) {
            bool same = ((out[i].size_and_type ^ out[i + 1].size_and_type) & 15) == 0;
            assert_true(out[i].address + size <= out[i + 1].address);
            assert_false(same && out[i].address + size == out[i + 1].address);
        }
    }
}

/* Regions that may overlap: what comes out as free is free in the model; without overlaps, all of it. */
static void random_round(uint64_t *seed, bool may_overlap)
{
    static const uint32_t types[] = {RESERVED, LOADER_DATA, BOOT_CODE, RUNTIME, CONVENTIONAL,
                                     ACPI,     NVS,         MMIO,      PORTS};
    uint8_t painted[MODEL_PAGES] = {0}, is_free[MODEL_PAGES];
    struct raw raw;
    struct bootboot_map_entry out[BOOTBOOT_MAP_ENTRIES];
    bool found[MODEL_PAGES] = {false};
    memset(is_free, 1, sizeof(is_free));
    raw_begin(&raw);
    for (int i = 0; i < REGIONS_MOST; i++) {
        uint32_t type = types[next_number(seed) % 9];
        size_t at = next_number(seed) % (MODEL_PAGES - 20), pages = next_number(seed) % 20, taken = 0;
        for (size_t page = at; page < at + pages; page++) {
            taken += painted[page];
        }
        if (taken > 0 && !may_overlap) {
            continue;
        }
        raw_add(&raw, type, at * PAGE, pages);
        for (size_t page = at; page < at + pages; page++) {
            painted[page] = 1;
            is_free[page] &= is_free_type(type);
        }
    }
    size_t count = memory_map_convert(&raw.map, out, BOOTBOOT_MAP_ENTRIES);
    assert_shape(out, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t first = out[i].address / PAGE, pages = out[i].size_and_type / PAGE;
        for (uint64_t page = first; page < first + pages; page++) {
            found[page] = (out[i].size_and_type & 15) == BOOTBOOT_MAP_FREE;
            assert_true(painted[page] && (!found[page] || is_free[page]));
        }
    }
    for (size_t page = 0; page < MODEL_PAGES && !may_overlap; page++) {
        assert_int_equal(found[page], painted[page] && is_free[page]);
    }
}

static void random_maps_agree_with_the_model(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < 3000; round++) {
        random_round(&seed, false);
        random_round(&seed, true);
    }
}

static void ram_is_found(void **state)
{
    (void)state;
    struct raw raw;
    raw_begin(&raw);
    raw_add(&raw, CONVENTIONAL, 16 * PAGE, 8);
    raw_add(&raw, BOOT_CODE, 24 * PAGE, 8);
    raw_add(&raw, RESERVED, 1000 * PAGE, 8);
    raw_add(&raw, MMIO, 2000 * PAGE, 8);
    assert_int_equal(memory_map_top(&raw.map), 32 * PAGE);
    assert_true(memory_map_is_ram(&raw.map, 16 * PAGE, 16 * PAGE));
    assert_false(memory_map_is_ram(&raw.map, 16 * PAGE, 17 * PAGE));
    assert_true(memory_map_touches_ram(&raw.map, 31 * PAGE, 100 * PAGE));
    assert_false(memory_map_touches_ram(&raw.map, 32 * PAGE, 4000 * PAGE));
    assert_false(memory_map_touches_ram(&raw.map, 0, 16 * PAGE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_translated_and_neighbours_merged),
        cmocka_unit_test(impossible_sizes_are_cut),
        cmocka_unit_test(too_many_entries_lose_the_least_useful),
        cmocka_unit_test(random_maps_agree_with_the_model),
        cmocka_unit_test(ram_is_found),
    };
    return cmocka_run_group_tests_name("loader_map", tests, NULL, NULL);
}
