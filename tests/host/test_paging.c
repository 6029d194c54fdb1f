/* boot/paging: every address is translated as it was mapped, by the largest pages that are allowed. */
#include "tests/host/host.h"

#include "boot/paging.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define TABLES_MOST 64

static uint64_t *tables[TABLES_MOST];
static unsigned table_count;
static unsigned table_limit;

static uint64_t *take(void)
{
    if (table_count == table_limit) {
        return NULL;
    }
    uint64_t *table = aligned_alloc(4096, 4096);
    memset(table, 0, 4096);
    tables[table_count++] = table;
    return table;
}

static int begin(void **state)
{
    (void)state;
    table_limit = TABLES_MOST;
    return 0;
}

static int give_all(void **state)
{
    (void)state;
    while (table_count > 0) {
        free(tables[--table_count]);
    }
    return 0;
}

/* Walk as a processor does. 0 when not present; else the entry, and the physical address and page size. */
static uint64_t translate(const struct paging *paging, uint64_t address, uint64_t *physical, uint64_t *page)
{
    const uint64_t *table = paging->root;
    for (unsigned shift = 39;; shift -= 9) {
        uint64_t entry = table[address >> shift & 511];
        if ((entry & 1) == 0) {
            return 0;
        }
        if (shift == 12 || (entry & 0x80) != 0) {
            *page = 1ull << shift;
            *physical = (entry & 0x000ffffffffff000ull & ~(*page - 1)) | (address & (*page - 1));
            return entry;
        }
        table = (const uint64_t *)(uintptr_t)(entry & 0x000ffffffffff000ull);
    }
}

static void assert_mapped(const struct paging *paging, uint64_t address, uint64_t to, uint64_t page_size,
                          uint64_t flags)
{
    uint64_t physical = 0, page = 0;
    uint64_t entry = translate(paging, address, &physical, &page);
    assert_int_equal(physical, to);
    assert_int_equal(page, page_size);
    assert_int_equal(entry & (PAGING_WRITE | PAGING_NO_EXECUTE), flags);
}

static void assert_not_mapped(const struct paging *paging, uint64_t address)
{
    uint64_t physical, page;
    assert_int_equal(translate(paging, address, &physical, &page), 0);
}

static void pages_are_as_large_as_they_may_be(void **state)
{
    (void)state;
    struct paging paging = {.take = take, .has_gib_pages = true};
    assert_true(paging_map(&paging, 0, 0, 2 * MIB, PAGING_WRITE, PAGING_4_KIB));
    assert_true(paging_map(&paging, 2 * MIB, 2 * MIB, GIB - 2 * MIB, PAGING_WRITE, PAGING_2_MIB));
    assert_true(paging_map(&paging, GIB, GIB, 3 * GIB, PAGING_WRITE, PAGING_1_GIB));
    assert_mapped(&paging, 0x1234, 0x1234, 4 * KIB, PAGING_WRITE);
    assert_mapped(&paging, 2 * MIB - 1, 2 * MIB - 1, 4 * KIB, PAGING_WRITE);
    assert_mapped(&paging, 2 * MIB, 2 * MIB, 2 * MIB, PAGING_WRITE);
    assert_mapped(&paging, GIB - 1, GIB - 1, 2 * MIB, PAGING_WRITE);
    assert_mapped(&paging, GIB, GIB, GIB, PAGING_WRITE);
    assert_mapped(&paging, 4 * GIB - 1, 4 * GIB - 1, GIB, PAGING_WRITE);
    assert_not_mapped(&paging, 4 * GIB);
    assert_int_equal(table_count, 4);
}

static void without_gib_pages_smaller_ones_serve(void **state)
{
    (void)state;
    struct paging paging = {.take = take, .has_gib_pages = false};
    assert_true(paging_map(&paging, 512 * GIB, 512 * GIB, 2 * GIB, 0, PAGING_1_GIB));
    assert_mapped(&paging, 513 * GIB + 5, 513 * GIB + 5, 2 * MIB, 0);
    assert_not_mapped(&paging, 514 * GIB);
}

static void unlike_alignment_needs_small_pages(void **state)
{
    (void)state;
    struct paging paging = {.take = take, .has_gib_pages = true};
    uint64_t high = 0xffffffffd0000000ull;
    assert_true(paging_map(&paging, high, 0x80001000, 5 * MIB, PAGING_NO_EXECUTE, PAGING_2_MIB));
    assert_mapped(&paging, high, 0x80001000, 4 * KIB, PAGING_NO_EXECUTE);
    assert_mapped(&paging, high + 5 * MIB - 1, 0x80001000 + 5 * MIB - 1, 4 * KIB, PAGING_NO_EXECUTE);
    assert_not_mapped(&paging, high + 5 * MIB);
    assert_true(paging_map(&paging, high + 6 * MIB, 0x40000000, 3 * MIB, PAGING_WRITE, PAGING_2_MIB));
    assert_mapped(&paging, high + 6 * MIB, 0x40000000, 2 * MIB, PAGING_WRITE);
    assert_mapped(&paging, high + 8 * MIB, 0x40200000, 4 * KIB, PAGING_WRITE);
}

static void the_last_page_of_all_can_be_mapped(void **state)
{
    (void)state;
    struct paging paging = {.take = take};
    assert_true(paging_map(&paging, 0 - 4 * KIB, 0x7000, 4 * KIB, PAGING_WRITE, PAGING_4_KIB));
    assert_mapped(&paging, UINT64_MAX, 0x7fff, 4 * KIB, PAGING_WRITE);
}

static void running_out_of_tables_is_an_error(void **state)
{
    (void)state;
    for (table_limit = 0; table_limit < 4; table_limit++) {
        struct paging paging = {.take = take};
        assert_false(paging_map(&paging, 0, 0, 4 * KIB, 0, PAGING_4_KIB));
        give_all(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_are_as_large_as_they_may_be, begin, give_all),
        cmocka_unit_test_setup_teardown(without_gib_pages_smaller_ones_serve, begin, give_all),
        cmocka_unit_test_setup_teardown(unlike_alignment_needs_small_pages, begin, give_all),
        cmocka_unit_test_setup_teardown(the_last_page_of_all_can_be_mapped, begin, give_all),
        cmocka_unit_test_setup_teardown(running_out_of_tables_is_an_error, begin, give_all),
    };
    return cmocka_run_group_tests_name("paging", tests, NULL, NULL);
}
