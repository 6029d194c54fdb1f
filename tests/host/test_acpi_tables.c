/*
 * The kernel's parsers of ACPI tables: what they find in good ones, and that no damaged one leads them
 * outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/arch/x86_64/acpi_tables.h"
#include "tests/host/random.h"

static void put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof(value));
}

static void a_madt_names_processors_controllers_and_overrides(void **state)
{
    (void)state;
    uint8_t table[44 + 8 + 8 + 16 + 12 + 10] = {0};
    uint8_t *e = table + 44;
    e[0] = 0, e[1] = 8, e[4] = 1; /* enabled */
    e += 8;
    e[0] = 0, e[1] = 8, e[4] = 0; /* not */
    e += 8;
    e[0] = 9, e[1] = 16, e[8] = 1; /* x2APIC, enabled */
    e += 16;
    e[0] = 1, e[1] = 12;
    put32(e + 4, 0xfec00000);
    put32(e + 8, 24);
    e += 12;
    e[0] = 2, e[1] = 10, e[3] = 9, e[4] = 20, e[8] = 0x0d;
    struct acpi_machine m = {0};
    acpi_parse_madt(table, sizeof(table), &m);
    assert_int_equal(m.processors, 2);
    assert_int_equal(m.ioapics, 1);
    assert_int_equal(m.ioapic[0].address, 0xfec00000);
    assert_int_equal(m.ioapic[0].first, 24);
    assert_int_equal(m.overrides, 1);
    assert_int_equal(m.override[0].line, 9);
    assert_int_equal(m.override[0].interrupt.global, 20);
    assert_int_equal(m.override[0].interrupt.flags, 0x0d);
}

static void put64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof(value));
}

static void an_srat_names_the_domains_of_memory_and_processors(void **state)
{
    (void)state;
    uint8_t table[48 + 16 + 40 + 40 + 24] = {0};
    uint8_t *e = table + 48;
    e[0] = 0, e[1] = 16, e[2] = 2, e[3] = 7, e[4] = 1, e[9] = 1; /* domain 0x102, APIC id 7 */
    e += 16;
    e[0] = 1, e[1] = 40, e[28] = 1;
    put32(e + 2, 3);
    put64(e + 8, 0x100000000);
    put64(e + 16, 0x40000000);
    e += 40;
    e[0] = 1, e[1] = 40, e[28] = 0; /* not enabled */
    put64(e + 16, 0x1000);
    e += 40;
    e[0] = 2, e[1] = 24, e[12] = 1;
    put32(e + 4, 5);
    put32(e + 8, 300);
    static struct acpi_machine m;
    acpi_parse_srat(table, sizeof(table), &m);
    assert_int_equal(m.nears, 2);
    assert_int_equal(m.near[0].domain, 0x102);
    assert_int_equal(m.near[0].apic_id, 7);
    assert_int_equal(m.near[1].domain, 5);
    assert_int_equal(m.near[1].apic_id, 300);
    assert_int_equal(m.memories, 1);
    assert_int_equal(m.memory[0].domain, 3);
    assert_int_equal(m.memory[0].address, 0x100000000);
    assert_int_equal(m.memory[0].bytes, 0x40000000);
}

static void sleep_values_are_found_in_each_encoding(void **state)
{
    (void)state;
    static const uint8_t forms[][16] = {
        {0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x0a, 0x06, 0, 0},
        {0x08, '_', 'S', '5', '_', 0x12, 0x40, 0x06, 0x04, 0x0b, 0x05, 0x00, 0x0a, 0x06},
        {0x08, '\\', '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0a, 0x05, 0x0a, 0x06, 0},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        uint8_t table[36 + 20 + 16] = {0};
        memcpy(table + 36 + 10, forms[i], sizeof(forms[i]));
        struct acpi_machine m = {0};
        acpi_parse_s5(table, sizeof(table), &m);
        assert_true(m.s5);
        assert_int_equal(m.s5_a, 5);
        assert_int_equal(m.s5_b, 6);
    }
}

static void a_string_that_only_looks_like_s5_is_passed_over(void **state)
{
    (void)state;
    uint8_t table[36 + 40] = {0};
    memcpy(table + 40, "x_S5_\x12\x06\x04\x0a\x05\x0a\x06", 12);
    struct acpi_machine m = {0};
    acpi_parse_s5(table, sizeof(table), &m);
    assert_false(m.s5);
}

static void the_fadt_gives_ports_and_the_dsdt(void **state)
{
    (void)state;
    uint8_t table[244] = {0};
    put32(table + 40, 0x1000);
    put32(table + 64, 0x604);
    put32(table + 76, 0x608);
    put32(table + 112, 1u << 8 | 1u << 10);
    table[116] = 1;
    put32(table + 120, 0xcf9);
    table[128] = 6;
    struct acpi_machine m = {0};
    assert_int_equal(acpi_parse_fadt(table, sizeof(table), &m), 0x1000);
    assert_int_equal(m.pm1a_control, 0x604);
    assert_int_equal(m.pm_timer, 0x608);
    assert_true(m.pm_timer_32);
    assert_true(m.reset.present && !m.reset.memory);
    assert_int_equal(m.reset.address, 0xcf9);
    put32(table + 140, 0x2000); /* the 64-bit form wins */
    assert_int_equal(acpi_parse_fadt(table, sizeof(table), &m), 0x2000);
    memset(&m, 0, sizeof(m));
    assert_int_equal(acpi_parse_fadt(table, 115, &m), 0);
    assert_int_equal(m.pm1a_control, 0);
}

static void random_bytes_of_any_length_are_survived(void **state)
{
    (void)state;
    struct random random = {5};
    for (unsigned round = 0; round < 200000; round++) {
        uint32_t length = random_next(&random) % 96;
        uint8_t *table =
            malloc(length == 0 ? 1 : length); /* exactly as long, so that a step outside is seen */
        for (uint32_t i = 0; i < length; i++) {
            table[i] = (uint8_t)random_next(&random);
        }
        if (length > 60) {
            memcpy(table + 40 + random_next(&random) % 8, "\x08_S5_\x12", 6);
        }
        struct acpi_machine m = {0};
        acpi_parse_madt(table, length, &m);
        acpi_parse_srat(table, length, &m);
        acpi_parse_hpet(table, length, &m);
        acpi_parse_fadt(table, length, &m);
        acpi_parse_s5(table, length, &m);
        (void)acpi_checksum_good(table, length);
        assert_true(m.memories <= ACPI_MEMORIES && m.nears <= ACPI_NEAR);
        assert_true(m.ioapics <= ACPI_IOAPICS && m.overrides <= ACPI_OVERRIDES);
        free(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_madt_names_processors_controllers_and_overrides),
        cmocka_unit_test(an_srat_names_the_domains_of_memory_and_processors),
        cmocka_unit_test(sleep_values_are_found_in_each_encoding),
        cmocka_unit_test(a_string_that_only_looks_like_s5_is_passed_over),
        cmocka_unit_test(the_fadt_gives_ports_and_the_dsdt),
        cmocka_unit_test(random_bytes_of_any_length_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
