/* The way out: boot services end, the cores start, the kernel is entered. Nothing can be reported behind it.
 */
#include "boot/cpu.h"
#include "boot/firmware.h"
#include "boot/handover.h"
#include "lib/text.h"
#include "lib/units.h"

#define EXIT_TRIES 8
#define PIC_MASTER 0x21
#define PIC_SLAVE  0xa1
#define PIC_ALL    0xff
#define CR4_PCIDE  (1u << 17)
#define CR4_CET    (1u << 23)
/* start_join, as the copy of it is called. */
typedef void __attribute__((ms_abi, noreturn)) start_function(struct start_page *);

/* The map changes with every allocation, also with those of events that the first try sets off. */
static bool exit_boot_services(struct handover *handover)
{
    EFI_STATUS status = EFI_INVALID_PARAMETER;
    for (int i = 0; i < EXIT_TRIES && status == EFI_INVALID_PARAMETER; i++) {
        UINTN key;
        if (!memory_map_read(&handover->map, &key, handover->map_room)) {
            break;
        }
        status = services->ExitBootServices(image, key);
    }
    return !EFI_ERROR(status);
}

static void fill_bootboot(struct handover *handover)
{
    struct bootboot *bootboot = handover->bootboot;
    size_t entries = memory_map_convert(&handover->map, bootboot->map, BOOTBOOT_MAP_ENTRIES);
    memcpy(bootboot->magic, "BOOT", sizeof(bootboot->magic));
    bootboot->size = (uint32_t)(offsetof(struct bootboot, map) + entries * sizeof(bootboot->map[0]));
    bootboot->protocol = handover->policy.is_static ? BOOTBOOT_PROTOCOL_STATIC : BOOTBOOT_PROTOCOL_DYNAMIC;
    bootboot->extensions = BOOTBOOT_OWN_PARTS;
    bootboot->initrd_ptr = (uint64_t)(uintptr_t)handover->bundle_data;
    bootboot->initrd_size = handover->bundle_size;
}

/*
 * Switch to the kernel's page tables, which map this code too, and go through the start page like the other
 * cores. The firmware may use five levels; they are left, or entered, together with long mode, in the start
 * page, and until then the same tables hang below one more.
 */
static _Noreturn void join(struct handover *handover)
{
    uint64_t cr4 = read_cr4();
    uint64_t top = (uint64_t)(uintptr_t)handover->paging.root;
    if ((cr4 & CR4_LA57) != 0) {
        top = (uint64_t)(uintptr_t)handover->fifth_level;
    }
    write_cr4(cr4 & ~(uint64_t)(CR4_PCIDE | CR4_CET));
    write_cr3(top);
    start_function *enter = (start_function *)(void *)(handover->start->code + (start_join - start_code));
    enter(handover->start);
    __builtin_unreachable();
}

bool handover_leave(struct handover *handover)
{
    if (!exit_boot_services(handover)) {
        return fail(handover->kernel_name, "the firmware does not let go of the machine (ExitBootServices)");
    }
    interrupts_off();
    write_port(PIC_MASTER, PIC_ALL);
    write_port(PIC_SLAVE, PIC_ALL);
    fill_bootboot(handover);
    cores_start(handover);
    if (handover->policy.finish != NULL) {
        handover->policy.finish(handover);
    }
    join(handover);
}
