/*
 * Finding and checking ACPI tables; see acpi.h. Layouts: ACPI specification 6.4, sections 5.2.6 to 5.2.12.
 */
#include "kernel/arch/x86_64/acpi.h"

#include "kernel/arch/x86_64/acpi_tables.h"
#include "kernel/debug/log.h"
#include "kernel/mm/device.h"
#include "kernel/mm/node.h"
#include "lib/text.h"

#define TABLE_LIMIT (4 * MIB)

struct acpi_machine acpi_machine;

/* Map a whole table and check it; NULL with a line in the log when it is bad. */
static const uint8_t *table_map(uint64_t physical, uint32_t *length)
{
    const uint8_t *head = physical == 0 ? NULL : device_map(paddr(physical), ACPI_HEADER, MAP_READ);
    if (head == NULL) {
        log_warn("acpi: no table can be mapped at %lx", physical);
        return NULL;
    }
    *length = acpi_u32(head + 4);
    if (*length < ACPI_HEADER || *length > TABLE_LIMIT) {
        log_warn("acpi: table '%.4s' at %lx claims %u bytes; ignored", (const char *)head, physical, *length);
        return NULL;
    }
    const uint8_t *table = device_map(paddr(physical), *length, MAP_READ);
    if (table == NULL || !acpi_checksum_good(table, *length)) {
        log_warn("acpi: table '%.4s' at %lx has a bad checksum; ignored", (const char *)head, physical);
        return NULL;
    }
    return table;
}

static void table_take(const uint8_t *table, uint32_t length)
{
    if (text_matches((const char *)table, 4, "APIC")) {
        acpi_parse_madt(table, length, &acpi_machine);
    } else if (text_matches((const char *)table, 4, "SRAT")) {
        acpi_parse_srat(table, length, &acpi_machine);
    } else if (text_matches((const char *)table, 4, "HPET")) {
        acpi_parse_hpet(table, length, &acpi_machine);
    } else if (text_matches((const char *)table, 4, "FACP")) {
        uint64_t dsdt_at = acpi_parse_fadt(table, length, &acpi_machine);
        uint32_t dsdt_length;
        const uint8_t *dsdt = dsdt_at == 0 ? NULL : table_map(dsdt_at, &dsdt_length);
        if (dsdt != NULL) {
            acpi_parse_s5(dsdt, dsdt_length, &acpi_machine);
        }
    }
}

void acpi_find(paddr_t root)
{
    uint32_t length;
    if (root.value == 0) {
        log_warn("acpi: the loader handed over no tables");
        return;
    }
    const uint8_t *table = table_map(root.value, &length);
    if (table == NULL) {
        return;
    }
    bool wide = text_matches((const char *)table, 4, "XSDT");
    if (!wide && !text_matches((const char *)table, 4, "RSDT")) {
        log_warn("acpi: neither XSDT nor RSDT at %lx but '%.4s'", root.value, (const char *)table);
        return;
    }
    unsigned size = wide ? 8 : 4;
    for (uint32_t at = ACPI_HEADER; at + size <= length; at += size) {
        uint32_t entry_length;
        const uint8_t *entry = table_map(wide ? acpi_u64(table + at) : acpi_u32(table + at), &entry_length);
        if (entry != NULL) {
            table_take(entry, entry_length);
        }
    }
    for (unsigned i = 0; i < acpi_machine.memories; i++) {
        const struct acpi_memory *m = &acpi_machine.memory[i];
        node_add_memory(m->domain, paddr_to_pfn(paddr(m->address)), (pages_t){m->bytes >> PAGE_SHIFT});
    }
    log_info("acpi: %u processors, %u I/O APICs, %u memory nodes, hpet %s, power-off %s",
             acpi_machine.processors, acpi_machine.ioapics, node_count(),
             acpi_machine.hpet != 0 ? "yes" : "no", acpi_machine.s5 ? "yes" : "no");
}

uint32_t acpi_domain_of(uint32_t apic_id)
{
    for (unsigned i = 0; i < acpi_machine.nears; i++) {
        if (acpi_machine.near[i].apic_id == apic_id) {
            return acpi_machine.near[i].domain;
        }
    }
    return 0;
}

struct acpi_interrupt acpi_isa_interrupt(unsigned line)
{
    for (unsigned i = 0; i < acpi_machine.overrides; i++) {
        if (acpi_machine.override[i].line == line) {
            return acpi_machine.override[i].interrupt;
        }
    }
    return (struct acpi_interrupt){line, 0};
}
