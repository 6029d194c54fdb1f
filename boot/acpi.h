/*
 * The few ACPI tables that the loader needs: the root, and the list of processors in the MADT. Tables are
 * firmware's and taken at the addresses that it gives; their lengths and checksums are checked.
 */
#ifndef QUIRE_BOOT_ACPI_H
#define QUIRE_BOOT_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The table of tables behind a root pointer: the XSDT, or the RSDT where there is none or `prefers_rsdt`.
 * NULL when the root pointer or both are damaged.
 */
const void *acpi_root(const void *root_pointer, bool prefers_rsdt);

/* The first table with this signature of four letters; NULL when there is none that is whole. */
const void *acpi_find(const void *root, const char *signature);

/*
 * The local APIC ids of the processors that are enabled, in the order of the MADT. At most `limit` are
 * stored; returns how many there are.
 */
size_t acpi_processors(const void *madt, uint32_t *apic_ids, size_t limit);

#endif
