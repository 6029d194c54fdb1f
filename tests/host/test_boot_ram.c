/*
 * Finding the RAM at boot (kernel/init/boot_ram.c) against a map of pages: random memory maps, with the parts
 * of a loader in the middle of free memory, in used memory, or in holes.
 */
#include "tests/host/host.h"

#include <stdio.h>

#include "kernel/arch/paging.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/init/boot_ram.h"
#include "kernel/init/handover.h"
#include "tests/host/random.h"

#define PAGES  512
#define TABLES 300

/* What the loader is made of, for the functions of the kernel that look at it. */
struct handover handover;
const char bootboot[PAGE_SIZE] __attribute__((aligned(4096)));
const char environment[PAGE_SIZE] __attribute__((aligned(4096)));

#define IMAGE_PAGES 6
const char image_start[IMAGE_PAGES * PAGE_SIZE] __attribute__((aligned(4096)));
__asm__(".globl image_end\nimage_end = image_start + 6 * 4096"); /* as the linker script makes it */

static uint64_t image_at[IMAGE_PAGES], bootboot_at, environment_at, stack_at; /* frames */
static uint64_t tables[TABLES];
static unsigned table_count;
static unsigned warnings;

static uint64_t frame_behind(uint64_t virtual)
{
    uint64_t image_page = (virtual - (uint64_t)(uintptr_t)image_start) / PAGE_SIZE;
    if (image_page < IMAGE_PAGES)
        return image_at[image_page];
    if (virtual == (uint64_t)(uintptr_t)bootboot)
        return bootboot_at;
    if (virtual == (uint64_t)(uintptr_t)environment)
        return environment_at;
    return virtual == 0 - PAGE_SIZE ? stack_at : UINT64_MAX;
}

struct arch_translation arch_translate(paddr_t root, uint64_t virtual)
{
    (void)root;
    uint64_t frame = frame_behind(virtual);
    return (struct arch_translation){.present = frame != UINT64_MAX, .physical = paddr(frame << PAGE_SHIFT)};
}

paddr_t paging_loaded(void)
{
    return paddr(0);
}

void paging_visit_tables(paddr_t root, void (*visit)(paddr_t table, void *context), void *context)
{
    (void)root;
    for (unsigned i = 0; i < table_count; i++)
        visit(paddr(tables[i] << PAGE_SHIFT), context);
}

void log_line(enum log_level level, const char *format, ...)
{
    (void)format;
    warnings += level == LOG_WARN;
}

void panic(const char *format, ...)
{
    fail_msg("panic: %s", format);
    abort();
}

/* The model: what is to be found of each page. */
enum { NOTHING, FREE, USED };
static uint8_t map[PAGES];
static int reason[PAGES]; /* enum held_for; -1: not held */

static void model_hold(uint64_t frame, enum held_for why)
{
    if (frame < PAGES && reason[frame] < 0)
        reason[frame] = (int)why;
}

static void add_entry(uint64_t first, uint64_t count, unsigned type)
{
    handover.info.map[handover.map_entries++] =
        (struct memory_map_entry){first << PAGE_SHIFT, count << PAGE_SHIFT | type};
    for (uint64_t i = first; i < first + count && i < PAGES; i++)
        map[i] = type != 1 ? USED : map[i] == USED ? USED : FREE;
}

/* Page 20 on: the lowest ones are held anyway. */
static uint64_t random_page(struct random *random)
{
    return 20 + random_below(random, PAGES - 20);
}

static void make_loader(struct random *random, unsigned number_of_tables)
{
    table_count = number_of_tables;
    for (unsigned i = 0; i < table_count; i++)
        tables[i] = random_page(random);
    for (unsigned i = 0; i < IMAGE_PAGES; i++)
        image_at[i] = random_page(random);
    bootboot_at = random_page(random);
    environment_at = random_page(random);
    stack_at = random_page(random);
    handover.info.initrd_ptr = random_page(random) << PAGE_SHIFT | random_below(random, 4096);
    handover.info.initrd_size = random_below(random, 20 * PAGE_SIZE);
}

static void model_loader(void)
{
    uint64_t bundle = handover.info.initrd_ptr, bytes = handover.info.initrd_size;
    model_hold(0, HELD_FIRMWARE);
    for (unsigned i = 0; i < IMAGE_PAGES; i++)
        model_hold(image_at[i], HELD_IMAGE);
    for (uint64_t at = bundle >> PAGE_SHIFT; bytes && at <= (bundle + bytes - 1) >> PAGE_SHIFT; at++)
        model_hold(at, HELD_BUNDLE);
    for (uint64_t at = 1; at < 16; at++)
        model_hold(at, HELD_LOADER);
    model_hold(bootboot_at, HELD_LOADER);
    model_hold(environment_at, HELD_LOADER);
    model_hold(stack_at, HELD_LOADER);
    for (unsigned i = 0; i < table_count; i++)
        model_hold(tables[i], HELD_LOADER);
}

static void start(struct random *random, bool own_parts)
{
    memset(&handover, 0, sizeof handover);
    memset(map, NOTHING, sizeof map);
    memset(reason, -1, sizeof reason);
    warnings = 0;
    handover.info.extensions = own_parts ? HANDOVER_OWN_PARTS : 0;
    for (uint64_t n = random_below(random, 12); n-- > 0;)
        add_entry(random_below(random, 430), random_below(random, 60), random_below(random, 4) ? 1 : 0);
    add_entry(500, 12, 1);
    add_entry(PAGES + 100, 4, 1); /* there is some free RAM in any case */
}

static bool in_ranges(const struct memory_range *ranges, size_t count, uint64_t page)
{
    for (size_t i = 0; i < count; i++)
        if (page >= ranges[i].first.value && page < ranges[i].first.value + ranges[i].count.value)
            return true;
    return false;
}

static int held_reason(uint64_t page)
{
    size_t count;
    const struct held_range *held = boot_ram_held(&count);
    int found = -1;
    for (size_t i = 0; i < count; i++)
        if (in_ranges(&held[i].frames, 1, page)) {
            assert_int_equal(found, -1);
            found = (int)held[i].reason;
        }
    return found;
}

static void check_form(const struct memory_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(ranges[i].count.value > 0);
        assert_true(i == 0 || ranges[i - 1].first.value + ranges[i - 1].count.value < ranges[i].first.value);
    }
}

static void what_is_found_matches_a_map_of_pages(void **state)
{
    (void)state;
    struct random random = {11};
    for (int round = 0; round < 4000; round++) {
        bool own_parts = round % 2 == 0;
        start(&random, own_parts);
        make_loader(&random, (unsigned)random_below(&random, 30));
        model_loader();
        size_t rams, frees;
        boot_ram_find();
        const struct memory_range *ram = boot_ram(&rams), *free_ram = boot_ram_free(&frees);
        check_form(ram, rams);
        check_form(free_ram, frees);
        for (uint64_t page = 0; page < PAGES; page++) {
            bool is_ram = map[page] == FREE || (reason[page] >= 0 && (map[page] != USED || own_parts));
            assert_int_equal(in_ranges(ram, rams, page), is_ram);
            assert_int_equal(held_reason(page), is_ram ? reason[page] : -1);
            assert_int_equal(in_ranges(free_ram, frees, page), is_ram && reason[page] < 0);
        }
        assert_int_equal(warnings, 0);
    }
}

static void too_many_pieces_cost_memory_and_no_more(void **state)
{
    (void)state;
    struct random random = {12};
    start(&random, true);
    make_loader(&random, 0);
    table_count = TABLES;
    for (unsigned i = 0; i < TABLES; i++)
        tables[i] = 1000 + 2 * i;
    handover.info.map[0] = (struct memory_map_entry){0, (uint64_t)2000 << PAGE_SHIFT | MEMORY_MAP_FREE};
    handover.map_entries = 1;
    boot_ram_find();
    size_t count;
    const struct memory_range *free_ram = boot_ram_free(&count);
    for (unsigned i = 0; i < TABLES; i++)
        assert_false(in_ranges(free_ram, count, tables[i]));
    assert_true(in_ranges(free_ram, count, 900));
    assert_true(in_ranges(free_ram, count, 1999));
    assert_int_equal(warnings, 1);
}

static void a_limit_cuts_everything_above_it(void **state)
{
    (void)state;
    struct random random = {13};
    start(&random, true);
    make_loader(&random, 4);
    stack_at = 505;
    boot_ram_find();
    size_t count;
    const struct memory_range *ranges = boot_ram(&count);
    uint64_t beyond = 0;
    for (uint64_t frame = 502; frame < 2 * PAGES; frame++)
        beyond += in_ranges(ranges, count, frame);
    assert_true(beyond > 0);
    assert_int_equal(boot_ram_beyond(pfn(502)).value, beyond);
    boot_ram_limit(pfn(502));
    assert_int_equal(boot_ram_beyond(pfn(502)).value, 0);
    ranges = boot_ram(&count);
    assert_false(in_ranges(ranges, count, 502));
    assert_true(in_ranges(ranges, count, 501));
    ranges = boot_ram_free(&count);
    assert_false(in_ranges(ranges, count, 503));
    assert_int_equal(held_reason(505), -1);
    assert_int_equal(warnings, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_found_matches_a_map_of_pages),
        cmocka_unit_test(too_many_pieces_cost_memory_and_no_more),
        cmocka_unit_test(a_limit_cuts_everything_above_it),
    };
    return cmocka_run_group_tests_name("boot_ram", tests, NULL, NULL);
}
