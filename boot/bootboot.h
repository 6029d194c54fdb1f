/*
 * What the loader hands to the kernel: the information structure of the BOOTBOOT protocol, and the addresses
 * where things are at level 1. One page, little endian; the memory map follows the header.
 */
#ifndef QUIRE_BOOT_BOOTBOOT_H
#define QUIRE_BOOT_BOOTBOOT_H

#include <stddef.h>
#include <stdint.h>

#define BOOTBOOT_PROTOCOL_STATIC  1 /* level 1, loaded by a BIOS loader */
#define BOOTBOOT_PROTOCOL_DYNAMIC 6 /* level 2, loaded by a UEFI loader */

/*
 * What the page tables, the stacks, this page, the environment, the bundle and the kernel lie in is the
 * loader's own RAM, though the map calls it used, and no core that is not counted in numcores will ever run
 * on it.
 */
#define BOOTBOOT_OWN_PARTS 1

#define BOOTBOOT_FB_ARGB 0 /* blue in the lowest byte */
#define BOOTBOOT_FB_RGBA 1
#define BOOTBOOT_FB_ABGR 2
#define BOOTBOOT_FB_BGRA 3

#define BOOTBOOT_MAP_USED 0
#define BOOTBOOT_MAP_FREE 1
#define BOOTBOOT_MAP_ACPI 2
#define BOOTBOOT_MAP_MMIO 3

/* Type in the low 4 bits of size_and_type; the rest is the size in bytes. */
struct bootboot_map_entry {
    uint64_t address;
    uint64_t size_and_type;
};

#define BOOTBOOT_MAP_ENTRIES 248

struct bootboot {
    char magic[4]; /* "BOOT" */
    uint32_t size; /* bytes in use */
    uint8_t protocol;
    uint8_t fb_type;
    uint16_t numcores;
    uint16_t bspid;
    int16_t timezone;    /* minutes */
    uint8_t datetime[8]; /* UTC in BCD: century, year, month, day, hour, minute, second, 1/100 s */
    uint64_t initrd_ptr; /* physical, like all addresses here */
    uint64_t initrd_size;
    uint64_t fb_ptr;
    uint32_t fb_size;
    uint32_t fb_width;
    uint32_t fb_height;
    uint32_t fb_scanline; /* bytes */
    uint64_t acpi_ptr;    /* XSDT or RSDT */
    uint64_t smbi_ptr;
    uint64_t efi_ptr;
    uint64_t mp_ptr;
    uint64_t extensions; /* 0 in the protocol: BOOTBOOT_OWN_PARTS */
    uint64_t reserved[3];
    struct bootboot_map_entry map[BOOTBOOT_MAP_ENTRIES];
};

_Static_assert(offsetof(struct bootboot, datetime) == 0x10, "BOOTBOOT");
_Static_assert(offsetof(struct bootboot, acpi_ptr) == 0x40, "BOOTBOOT");
_Static_assert(offsetof(struct bootboot, map) == 0x80, "BOOTBOOT");
_Static_assert(sizeof(struct bootboot) == 4096, "BOOTBOOT: one page");

#define BOOTBOOT_LOWEST      0xffffffffc0000000ull /* no address of the kernel's may be below */
#define BOOTBOOT_WINDOW      0x1000000ull          /* the least that a framebuffer or MMIO window spans */
#define BOOTBOOT_KERNEL_MOST 0x1000000ull          /* code, data and bss together */
#define BOOTBOOT_STACK_LEAST 1024ull

#define BOOTBOOT_LEVEL1_MMIO        0xfffffffff8000000ull
#define BOOTBOOT_LEVEL1_FB          0xfffffffffc000000ull
#define BOOTBOOT_LEVEL1_BOOTBOOT    0xffffffffffe00000ull
#define BOOTBOOT_LEVEL1_ENVIRONMENT 0xffffffffffe01000ull

#endif
