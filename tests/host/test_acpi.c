/* boot/acpi on tables made here. Those behind 32-bit pointers are mapped low in the address space. */
#define _GNU_SOURCE
#include "tests/host/host.h"

#include <sys/mman.h>

#include "boot/acpi.h"

/* Tables in one low page: RSDP at 0, XSDT at 64, RSDT at 192, MADT at 320. */
static uint8_t *page;

enum { XSDT = 64, RSDT = 192, MADT = 320, MADT_ROOM = 1024 };

static void put(size_t at, uint64_t value, size_t bytes)
{
    memcpy(page + at, &value, bytes);
}

static void sum(size_t at, size_t bytes, size_t sum_at)
{
    uint8_t total = 0;
    page[at + sum_at] = 0;
    for (size_t i = 0; i < bytes; i++) {
        total = (uint8_t)(total + page[at + i]);
    }
    page[at + sum_at] = (uint8_t)-total;
}

static void finish_table(size_t at, const char *signature, size_t length)
{
    for (size_t i = 0; i < 4; i++) {
        page[at + i] = (uint8_t)signature[i];
    }
    put(at + 4, length, 4);
    sum(at, length, 9);
}

static void make_root(unsigned revision)
{
    memset(page, 0, MADT);
    memcpy(page, "RSD PTR ", sizeof("RSD PTR "));
    page[15] = (uint8_t)revision;
    put(16, (uintptr_t)page + RSDT, 4);
    put(20, 36, 4);
    put(24, (uintptr_t)page + XSDT, 8);
    put(XSDT + 36, 0, 8); /* an empty entry has to be passed over */
    put(XSDT + 44, (uintptr_t)page + MADT, 8);
    finish_table(XSDT, "XSDT", 52);
    put(RSDT + 36, (uintptr_t)page + MADT, 4);
    finish_table(RSDT, "RSDT", 40);
    sum(0, 20, 8);
    sum(0, 36, 32);
}

static size_t madt_add_apic(size_t at, uint8_t apic_id, uint32_t flags)
{
    put(MADT + at, 0x0800 | (uint64_t)apic_id << 24 | (uint64_t)flags << 32, 8);
    return at + 8;
}

static size_t madt_add_x2apic(size_t at, uint32_t apic_id, uint32_t flags)
{
    put(MADT + at, 0x1009 | (uint64_t)apic_id << 32, 8);
    put(MADT + at + 8, flags, 8);
    return at + 16;
}

static void the_xsdt_comes_first_unless_it_is_missing(void **state)
{
    (void)state;
    make_root(2);
    assert_ptr_equal(acpi_root(page, false), page + XSDT);
    assert_ptr_equal(acpi_root(page, true), page + RSDT);
    page[XSDT + 20] ^= 1;
    assert_ptr_equal(acpi_root(page, false), page + RSDT);
    make_root(0);
    assert_ptr_equal(acpi_root(page, false), page + RSDT);
    page[3] ^= 1;
    assert_null(acpi_root(page, false));
    make_root(2);
    page[17] ^= 1; /* the checksum of the root pointer no longer holds */
    assert_null(acpi_root(page, false));
    assert_null(acpi_root(NULL, false));
}

static void tables_are_found_by_signature_and_sum(void **state)
{
    (void)state;
    make_root(2);
    memset(page + MADT, 0, MADT_ROOM);
    finish_table(MADT, "APIC", 44);
    assert_ptr_equal(acpi_find(page + XSDT, "APIC"), page + MADT);
    assert_ptr_equal(acpi_find(page + RSDT, "APIC"), page + MADT);
    assert_null(acpi_find(page + XSDT, "HPET"));
    page[MADT + 40] ^= 1;
    assert_null(acpi_find(page + XSDT, "APIC"));
    assert_null(acpi_find(NULL, "APIC"));
}

static void enabled_processors_are_listed_in_order(void **state)
{
    (void)state;
    uint32_t ids[16];
    size_t at = 44;
    memset(page + MADT, 0, MADT_ROOM);
    at = madt_add_apic(at, 4, 1);
    at = madt_add_apic(at, 0, 1);
    at = madt_add_apic(at, 1, 2); /* only online capable */
    put(MADT + at, 0x0c01, 12);   /* an I/O APIC */
    at += 12;
    at = madt_add_apic(at, 255, 1);
    at = madt_add_x2apic(at, 300, 1);
    at = madt_add_x2apic(at, 4, 1); /* the same once more */
    at = madt_add_x2apic(at, 0xffffffff, 1);
    finish_table(MADT, "APIC", at);
    assert_int_equal(acpi_processors(page + MADT, ids, 16), 3);
    assert_int_equal(ids[0], 4);
    assert_int_equal(ids[1], 0);
    assert_int_equal(ids[2], 300);
    assert_int_equal(acpi_processors(page + MADT, ids, 2), 3);
    assert_int_equal(acpi_processors(NULL, ids, 16), 0);
}

static void a_damaged_record_ends_the_list(void **state)
{
    (void)state;
    uint32_t ids[16];
    memset(page + MADT, 0, MADT_ROOM);
    size_t at = madt_add_apic(44, 7, 1);
    put(MADT + at, 0x0100, 8); /* a length of 1 would never end */
    finish_table(MADT, "APIC", at + 8);
    assert_int_equal(acpi_processors(page + MADT, ids, 16), 1);
    put(MADT + at, 0xff00, 8); /* longer than the table */
    assert_int_equal(acpi_processors(page + MADT, ids, 16), 1);
}

static int map_page(void **state)
{
    (void)state;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    return page == MAP_FAILED ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_xsdt_comes_first_unless_it_is_missing),
        cmocka_unit_test(tables_are_found_by_signature_and_sum),
        cmocka_unit_test(enabled_processors_are_listed_in_order),
        cmocka_unit_test(a_damaged_record_ends_the_list),
    };
    return cmocka_run_group_tests_name("acpi", tests, map_page, NULL);
}
