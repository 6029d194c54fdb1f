/*
 * Everything about one boot: what has been found and loaded so far, on the way to the kernel. Each function
 * below does one step; those that return bool have printed why when they return false.
 */
#ifndef QUIRE_BOOT_HANDOVER_H
#define QUIRE_BOOT_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/bootboot.h"
#include "boot/layout.h"
#include "boot/memory_map.h"
#include "boot/paging.h"
#include "boot/policy.h"
#include "boot/settings.h"
#include "boot/start.h"
#include "lib/bundle.h"

#define NAME_TEXT  128
#define CORES_MOST 1024

#define CR0_HANDOVER 0x80000033u /* PG NE ET MP PE: caches on (CD=0, NW=0), WP=0 */
#define CR4_HANDOVER 0x00000620u /* OSXMMEXCPT OSFXSR PAE */
#define CR4_LA57     0x00001000u /* five levels, with levels=5 */
#define EFER_LME     0x00000100u
#define EFER_NXE     0x00000800u

struct handover {
    struct policy policy;
    struct settings settings;

    const char *bundle_file; /* the file that the bundle came from, for messages */
    uint8_t *bundle_data;
    uint64_t bundle_size;
    struct bundle bundle;

    const char *config_file;
    char *environment; /* one page, NUL-terminated */

    char kernel_name[NAME_TEXT]; /* for messages */
    struct layout layout;
    uint8_t *kernel; /* from layout.base on, as it shall lie in memory */

    uint32_t apic_ids[CORES_MOST]; /* of the cores to start, in the order of the MADT */
    size_t core_count;
    size_t boot_core; /* index of this one */
    bool may_start_cores;
    bool has_no_execute; /* the processors know NX */
    uint64_t ticks_a_ms; /* of the time stamp counter */
    uint8_t *stacks;
    uint64_t stack_bytes; /* of all cores, whole pages */

    struct start_page *start;
    struct start_slot *slots; /* core_count of them */

    struct paging paging;
    uint64_t *fifth_level; /* one page, used where the firmware runs with five levels, or the kernel is to */
    struct bootboot *bootboot;
    struct efi_map map;
    size_t map_room;
};

/* boot/initrd.c: read and expand the bundle. */
bool bundle_read(struct handover *handover);

/* boot/config.c: read the environment, from the file or the bundle, and the loader's settings from it. */
bool environment_read(struct handover *handover);

/* boot/kernel.c: find the kernel in the bundle, check it, and put its segments in place. */
bool kernel_load(struct handover *handover);

/* boot/screen.c: switch to the mode asked for and describe the framebuffer; without one the fields stay 0. */
void screen_open(struct handover *handover);

/* boot/tables.c: ACPI, SMBIOS and MP tables, and the time. */
void tables_find(struct handover *handover);

/* boot/cores.c: find out which processors there are, and make ready what they need to start. */
bool cores_prepare(struct handover *handover);
/* After boot services: start them, wait for them, give each its index and stack. */
void cores_start(struct handover *handover);

/* boot/space.c: the page tables that the kernel is entered with. */
bool space_build(struct handover *handover);

/* boot/leave.c: leave boot services and enter the kernel. Returns only when the firmware refuses. */
bool handover_leave(struct handover *handover);

#endif
