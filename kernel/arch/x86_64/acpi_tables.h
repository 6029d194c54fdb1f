/*
 * Parsers of single ACPI tables: pure functions over the bytes of a table of known length, for the host's
 * tests too. Each reads only what lies inside and leaves out what does not make sense.
 */
#ifndef QUIRE_X86_ACPI_TABLES_H
#define QUIRE_X86_ACPI_TABLES_H

#include "kernel/arch/x86_64/acpi.h"

#define ACPI_HEADER 36

uint32_t acpi_u32(const uint8_t *bytes);
uint64_t acpi_u64(const uint8_t *bytes);

/* All bytes of a table add up to 0. */
bool acpi_checksum_good(const uint8_t *table, uint32_t length);

void acpi_parse_madt(const uint8_t *table, uint32_t length, struct acpi_machine *machine);
void acpi_parse_srat(const uint8_t *table, uint32_t length, struct acpi_machine *machine);
void acpi_parse_hpet(const uint8_t *table, uint32_t length, struct acpi_machine *machine);

/* Returns the physical address of the DSDT, 0 if none. */
uint64_t acpi_parse_fadt(const uint8_t *table, uint32_t length, struct acpi_machine *machine);

/* Find the sleep values for S5 in the AML of a DSDT. */
void acpi_parse_s5(const uint8_t *table, uint32_t length, struct acpi_machine *machine);

#endif
