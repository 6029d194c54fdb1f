/* kernel/arch/x86_64/acpi_tables: no table may make a parser read outside, or fill more than there is room
 * for. */
#include <assert.h>
#include <stdint.h>

#include "kernel/arch/x86_64/acpi_tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct acpi_machine machine = {0};
    acpi_parse_madt(data, (uint32_t)size, &machine);
    acpi_parse_srat(data, (uint32_t)size, &machine);
    acpi_parse_hpet(data, (uint32_t)size, &machine);
    (void)acpi_parse_fadt(data, (uint32_t)size, &machine);
    acpi_parse_s5(data, (uint32_t)size, &machine);
    (void)acpi_checksum_good(data, (uint32_t)size);
    assert(machine.ioapics <= ACPI_IOAPICS && machine.overrides <= ACPI_OVERRIDES);
    assert(machine.memories <= ACPI_MEMORIES && machine.nears <= ACPI_NEAR);
    return 0;
}
