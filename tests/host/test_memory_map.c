/* memory_map_build against a byte map of a small address space, and the forms that loaders really produce. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/mm/memory_map.h"
#include "tests/host/random.h"

#define PAGES 48
#define UNITS (PAGES * 256) /* a unit is 16 bytes, the granularity of sizes */

enum { NOTHING, COVERED, USED };

static struct memory_map_entry entry(uint64_t address, uint64_t size, unsigned type)
{
    return (struct memory_map_entry){address, size | type};
}

static void mark(uint8_t *units, uint64_t begin, uint64_t end, uint8_t what)
{
    for (uint64_t i = begin; i < end && i < UNITS; i++)
        if (units[i] < what)
            units[i] = what;
}

static void random_maps_match_a_byte_map(void **state)
{
    (void)state;
    struct random random = {1};
    for (int round = 0; round < 20000; round++) {
        static uint8_t units[UNITS];
        struct memory_map_entry entries[12];
        struct memory_range exclude[3], out[PAGES];
        size_t count = random_below(&random, 13), excluded = random_below(&random, 4), found;
        memset(units, NOTHING, sizeof units);
        for (size_t i = 0; i < count; i++) {
            uint64_t shift = random_below(&random, 2) * 8;
            uint64_t begin = random_below(&random, UNITS) >> shift << shift;
            uint64_t size = random_below(&random, UNITS / 3) >> shift << shift;
            unsigned type = random_below(&random, 3) ? 1 : (unsigned)random_below(&random, 16);
            entries[i] = entry(begin * 16, size * 16, type);
            mark(units, begin, begin + size, type == 1 ? COVERED : USED);
        }
        for (size_t i = 0; i < excluded; i++) {
            exclude[i] = (struct memory_range){pfn(random_below(&random, PAGES)), {random_below(&random, 4)}};
            uint64_t begin = exclude[i].first.value * 256;
            mark(units, begin, begin + exclude[i].count.value * 256, USED);
        }
        assert_int_equal(memory_map_build(entries, count, exclude, excluded, out, PAGES, &found), ERR_NONE);
        size_t range = 0;
        for (uint64_t page = 0; page < PAGES * 2; page++) {
            bool usable = page < PAGES;
            for (uint64_t i = page * 256; usable && i < page * 256 + 256; i++)
                usable = units[i] == COVERED;
            while (range < found && out[range].first.value + out[range].count.value <= page)
                range++;
            /* An entry can reach beyond the byte map: there only entries that begin inside can make it
             * usable. */
            if (page < PAGES)
                assert_int_equal(range < found && out[range].first.value <= page, usable);
        }
        for (size_t i = 1; i < found; i++)
            assert_true(out[i - 1].first.value + out[i - 1].count.value < out[i].first.value);
    }
}

static void touching_entries_merge_even_inside_a_page(void **state)
{
    (void)state;
    struct memory_map_entry entries[] = {entry(0x1800, 0x2800, 1), entry(0x0, 0x1800, 1)};
    struct memory_range out[2];
    size_t found;
    assert_int_equal(memory_map_build(entries, 2, NULL, 0, out, 2, &found), ERR_NONE);
    assert_int_equal(found, 1);
    assert_int_equal(out[0].first.value, 0);
    assert_int_equal(out[0].count.value, 4);
}

static void entries_that_cannot_be_true_are_not_believed(void **state)
{
    (void)state;
    struct memory_map_entry entries[] = {
        entry(UINT64_MAX - 0xfff, 0x10000, 1),
        entry((uint64_t)1 << 52, 0x10000, 1),
        entry(((uint64_t)1 << 52) - 0x1000, 0x2000, 1),
        entry(0x1000, 0, 1),
        entry(0x5000, ~(uint64_t)15, 1),
    };
    struct memory_range out[1];
    size_t found;
    assert_int_equal(memory_map_build(entries, 5, NULL, 0, out, 1, &found), ERR_NONE);
    assert_int_equal(found, 0);
}

static void a_used_entry_that_wraps_blocks_to_the_top(void **state)
{
    (void)state;
    struct memory_map_entry entries[] = {entry(0, 1 * GIB, 1), entry(0x10000, ~(uint64_t)15, 0)};
    struct memory_range out[1];
    size_t found;
    assert_int_equal(memory_map_build(entries, 2, NULL, 0, out, 1, &found), ERR_NONE);
    assert_int_equal(found, 1);
    assert_int_equal(out[0].count.value, 16);
}

static void the_last_page_below_52_bits_counts(void **state)
{
    (void)state;
    struct memory_map_entry entries[] = {entry(((uint64_t)1 << 52) - 0x2000, 0x2000, 1)};
    struct memory_range out[1];
    size_t found;
    assert_int_equal(memory_map_build(entries, 1, NULL, 0, out, 1, &found), ERR_NONE);
    assert_int_equal(found, 1);
    assert_int_equal(out[0].first.value, ((uint64_t)1 << 40) - 2);
    assert_int_equal(out[0].count.value, 2);
}

static void too_many_ranges_are_refused_and_the_lowest_kept(void **state)
{
    (void)state;
    struct memory_map_entry entries[] = {entry(0x8000, 0x1000, 1), entry(0x1000, 0x1000, 1),
                                         entry(0x4000, 0x1000, 1)};
    struct memory_range out[2];
    size_t found;
    assert_int_equal(memory_map_build(entries, 3, NULL, 0, out, 2, &found), ERR_TOO_LARGE);
    assert_int_equal(found, 2);
    assert_int_equal(out[1].first.value, 4);
    assert_int_equal(memory_map_build(entries, 2, NULL, 0, out, 2, &found), ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_maps_match_a_byte_map),
        cmocka_unit_test(touching_entries_merge_even_inside_a_page),
        cmocka_unit_test(entries_that_cannot_be_true_are_not_believed),
        cmocka_unit_test(a_used_entry_that_wraps_blocks_to_the_top),
        cmocka_unit_test(the_last_page_below_52_bits_counts),
        cmocka_unit_test(too_many_ranges_are_refused_and_the_lowest_kept),
    };
    return cmocka_run_group_tests_name("memory_map", tests, NULL, NULL);
}
