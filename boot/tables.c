/* What the firmware left in its configuration table, and its clock. */
#include "boot/acpi.h"
#include "boot/clock.h"
#include "boot/firmware.h"
#include "boot/handover.h"
#include "lib/text.h"

static const void *configuration(EFI_GUID guid)
{
    for (UINTN i = 0; i < firmware->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *entry = &firmware->ConfigurationTable[i];
        if (memcmp(&entry->VendorGuid, &guid, sizeof(guid)) == 0) {
            return entry->VendorTable;
        }
    }
    return NULL;
}

static uint64_t first_of(EFI_GUID preferred, EFI_GUID other)
{
    const void *table = configuration(preferred);
    return (uint64_t)(uintptr_t)(table != NULL ? table : configuration(other));
}

static void read_clock(struct bootboot *bootboot)
{
    EFI_TIME time;
    if (EFI_ERROR(firmware->RuntimeServices->GetTime(&time, NULL))) {
        return;
    }
    struct clock_time local = {
        .year = time.Year,
        .month = time.Month,
        .day = time.Day,
        .hour = time.Hour,
        .minute = time.Minute,
        .second = time.Second,
        .hundredth = (uint8_t)(time.Nanosecond / 10000000),
        .zone = time.TimeZone,
    };
    clock_to_bcd(&local, bootboot->datetime);
    bootboot->timezone = clock_zone(&local);
}

void tables_find(struct handover *handover)
{
    struct bootboot *bootboot = handover->bootboot;
    uint64_t pointer = first_of((EFI_GUID)ACPI_20_TABLE_GUID, (EFI_GUID)ACPI_TABLE_GUID);
    const void *root = acpi_root((const void *)(uintptr_t)pointer, handover->policy.prefers_rsdt);
    bootboot->acpi_ptr = (uint64_t)(uintptr_t)root;
    bootboot->smbi_ptr = first_of((EFI_GUID)SMBIOS_TABLE_GUID, (EFI_GUID)SMBIOS3_TABLE_GUID);
    bootboot->mp_ptr = (uint64_t)(uintptr_t)configuration((EFI_GUID)MPS_TABLE_GUID);
    bootboot->efi_ptr = (uint64_t)(uintptr_t)firmware;
    read_clock(bootboot);
}
