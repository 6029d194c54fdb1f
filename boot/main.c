/*
 * Quire's loader: a UEFI application that starts a kernel by the BOOTBOOT protocol, level 2. This file reads
 * from top to bottom as the boot. docs/boot.md says what the kernel finds.
 */
#include "boot/firmware.h"
#include "boot/handover.h"
#include "lib/units.h"

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *table);

static bool take_pages(struct handover *handover)
{
    handover->map_room = memory_map_room();
    handover->map.data = memory_take(handover->map_room, MEMORY_SCRATCH);
    handover->bootboot = memory_take(PAGE_SIZE, MEMORY_LIVE);
    handover->fifth_level = memory_take(PAGE_SIZE, MEMORY_SCRATCH);
    if (handover->map.data == NULL || handover->bootboot == NULL || handover->fifth_level == NULL) {
        return fail("BOOTX64.EFI", "there is no memory below 4 GiB");
    }
    return true;
}

/* Comes back only when something is wrong, which has been printed by then. */
static void boot(struct handover *handover)
{
    if (!take_pages(handover) || !bundle_read(handover) || !environment_read(handover) ||
        !kernel_load(handover)) {
        return;
    }
    tables_find(handover);
    if (!cores_prepare(handover)) {
        return;
    }
    screen_open(handover);
    if (space_build(handover)) {
        handover_leave(handover);
    }
}

EFI_STATUS efi_main(EFI_HANDLE handle, EFI_SYSTEM_TABLE *table)
{
    static struct handover handover;
    firmware_open(handle, table);
    boot(&handover);
    firmware_close();
    wait_for_key();
    return EFI_LOAD_ERROR;
}
