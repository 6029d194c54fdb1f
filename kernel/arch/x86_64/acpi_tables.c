/*
 * Parsers of single ACPI tables; see acpi_tables.h. Offsets: ACPI specification 6.4, tables 5.9 (FADT), 5.19
 * to 5.27 (MADT), 5.59 to 5.62 (SRAT); IA-PC HPET specification 1.0a, 3.2.4; AML encoding: ACPI 6.4, 20.2.
 */
#include "kernel/arch/x86_64/acpi_tables.h"

#include "lib/text.h"

uint32_t acpi_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

uint64_t acpi_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint16_t acpi_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

bool acpi_checksum_good(const uint8_t *table, uint32_t length)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < length; i++) {
        sum = (uint8_t)(sum + table[i]);
    }
    return sum == 0;
}

#define MADT_ENTRIES      44
#define MADT_LOCAL_APIC   0
#define MADT_IO_APIC      1
#define MADT_OVERRIDE     2
#define MADT_LOCAL_X2APIC 9
#define MADT_ENABLED      1u

static void madt_processor(struct acpi_machine *m, uint32_t apic_id, uint32_t flags)
{
    bool known = (flags & MADT_ENABLED) == 0 || m->processors == ACPI_CPUS;
    for (unsigned i = 0; i < m->processors && !known; i++) {
        known = m->processor[i] == apic_id;
    }
    if (!known) {
        m->processor[m->processors++] = apic_id;
    }
}

static void madt_entry(const uint8_t *e, uint8_t length, struct acpi_machine *m)
{
    if (e[0] == MADT_LOCAL_APIC && length >= 8) {
        madt_processor(m, e[3], acpi_u32(e + 4));
    } else if (e[0] == MADT_LOCAL_X2APIC && length >= 16) {
        madt_processor(m, acpi_u32(e + 4), acpi_u32(e + 8));
    } else if (e[0] == MADT_IO_APIC && length >= 12 && m->ioapics < ACPI_IOAPICS) {
        m->ioapic[m->ioapics++] = (struct acpi_ioapic){acpi_u32(e + 4), acpi_u32(e + 8)};
    } else if (e[0] == MADT_OVERRIDE && length >= 10 && m->overrides < ACPI_OVERRIDES) {
        m->override[m->overrides++] = (struct acpi_override){e[3], {acpi_u32(e + 4), acpi_u16(e + 8)}};
    }
}

/* Go through entries that begin with a type and a length, from offset `at` on. */
static void each_entry(const uint8_t *table, uint32_t length, uint32_t at, struct acpi_machine *machine,
                       void (*take)(const uint8_t *entry, uint8_t size, struct acpi_machine *machine))
{
    while (at + 2 <= length) {
        uint8_t size = table[at + 1];
        if (size < 2 || at + size > length) {
            return;
        }
        take(table + at, size, machine);
        at += size;
    }
}

void acpi_parse_madt(const uint8_t *table, uint32_t length, struct acpi_machine *machine)
{
    each_entry(table, length, MADT_ENTRIES, machine, madt_entry);
}

/* ACPI 6.4, tables 5.59 to 5.62. */
#define SRAT_ENTRIES      48
#define SRAT_LOCAL_APIC   0
#define SRAT_MEMORY       1
#define SRAT_LOCAL_X2APIC 2
#define SRAT_ENABLED      1u

static void srat_near(struct acpi_machine *m, uint32_t domain, uint32_t apic_id, uint32_t flags)
{
    if ((flags & SRAT_ENABLED) != 0 && m->nears < ACPI_NEAR) {
        m->near[m->nears++] = (struct acpi_near){domain, apic_id};
    }
}

static void srat_entry(const uint8_t *e, uint8_t length, struct acpi_machine *m)
{
    if (e[0] == SRAT_LOCAL_APIC && length >= 16) {
        srat_near(m, e[2] | (acpi_u32(e + 8) & 0xffffff00), e[3], acpi_u32(e + 4));
    } else if (e[0] == SRAT_LOCAL_X2APIC && length >= 24) {
        srat_near(m, acpi_u32(e + 4), acpi_u32(e + 8), acpi_u32(e + 12));
    } else if (e[0] == SRAT_MEMORY && length >= 40 && (acpi_u32(e + 28) & SRAT_ENABLED) != 0 &&
               acpi_u64(e + 16) != 0 && m->memories < ACPI_MEMORIES) {
        m->memory[m->memories++] = (struct acpi_memory){acpi_u32(e + 2), acpi_u64(e + 8), acpi_u64(e + 16)};
    }
}

void acpi_parse_srat(const uint8_t *table, uint32_t length, struct acpi_machine *machine)
{
    each_entry(table, length, SRAT_ENTRIES, machine, srat_entry);
}

void acpi_parse_hpet(const uint8_t *table, uint32_t length, struct acpi_machine *machine)
{
    /* Generic address structure at 40: space 0 is memory. */
    if (length >= 56 && table[40] == 0) {
        machine->hpet = acpi_u64(table + 44);
    }
}

#define FADT_DSDT         40
#define FADT_SMI_COMMAND  48
#define FADT_ACPI_ENABLE  52
#define FADT_PM1A_CONTROL 64
#define FADT_PM1B_CONTROL 68
#define FADT_PM_TIMER     76
#define FADT_CENTURY      108
#define FADT_FLAGS        112
#define FADT_RESET        116
#define FADT_RESET_VALUE  128
#define FADT_X_DSDT       140
#define FLAG_TIMER_32     (1u << 8)
#define FLAG_RESET        (1u << 10)

uint64_t acpi_parse_fadt(const uint8_t *table, uint32_t length, struct acpi_machine *machine)
{
    if (length < FADT_FLAGS + 4) {
        return 0;
    }
    uint32_t flags = acpi_u32(table + FADT_FLAGS);
    machine->smi_command = acpi_u32(table + FADT_SMI_COMMAND);
    machine->acpi_enable = table[FADT_ACPI_ENABLE];
    machine->pm1a_control = acpi_u32(table + FADT_PM1A_CONTROL);
    machine->pm1b_control = acpi_u32(table + FADT_PM1B_CONTROL);
    machine->pm_timer = acpi_u32(table + FADT_PM_TIMER);
    machine->century = table[FADT_CENTURY];
    machine->pm_timer_32 = (flags & FLAG_TIMER_32) != 0;
    if ((flags & FLAG_RESET) != 0 && length > FADT_RESET_VALUE && table[FADT_RESET] <= 1) {
        machine->reset =
            (struct acpi_register){true, table[FADT_RESET] == 0, acpi_u64(table + FADT_RESET + 4)};
        machine->reset_value = table[FADT_RESET_VALUE];
    }
    uint64_t dsdt = length >= FADT_X_DSDT + 8 ? acpi_u64(table + FADT_X_DSDT) : 0;
    return dsdt != 0 ? dsdt : acpi_u32(table + FADT_DSDT);
}

#define AML_NAME    0x08
#define AML_PACKAGE 0x12
#define AML_BYTE    0x0a
#define AML_WORD    0x0b
#define AML_DWORD   0x0c

/* An integer constant at *at; false when it is none or lies outside. */
static bool aml_integer(const uint8_t *code, uint32_t length, uint32_t *at, uint8_t *value)
{
    if (*at >= length) {
        return false;
    }
    uint8_t op = code[(*at)++];
    unsigned bytes = op == AML_BYTE ? 1 : op == AML_WORD ? 2 : op == AML_DWORD ? 4 : 0;
    if (bytes == 0) {
        *value = op; /* ZeroOp and OneOp are their own values */
        return op <= 1;
    }
    if (length - *at < bytes) {
        return false;
    }
    *value = code[*at];
    *at += bytes;
    return true;
}

void acpi_parse_s5(const uint8_t *table, uint32_t length, struct acpi_machine *machine)
{
    for (uint32_t i = ACPI_HEADER + 1; i + 8 < length; i++) {
        if (table[i] != '_' || !text_matches((const char *)table + i, 4, "_S5_")) {
            continue;
        }
        bool root = table[i - 1] == AML_NAME || (table[i - 1] == '\\' && table[i - 2] == AML_NAME);
        if (!root || table[i + 4] != AML_PACKAGE) {
            continue;
        }
        uint32_t at = i + 5;
        at += (uint32_t)(table[at] >> 6) + 1; /* PkgLength: the top bits count the bytes that follow */
        at += 1;                              /* number of elements */
        uint8_t a, b;
        if (aml_integer(table, length, &at, &a) && aml_integer(table, length, &at, &b)) {
            machine->s5 = true;
            machine->s5_a = a;
            machine->s5_b = b;
            return;
        }
    }
}
