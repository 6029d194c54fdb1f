/*
 * What a BOOTBOOT loader hands over: the information structure and the environment, copied into the kernel's
 * own memory before the loader's pages are left, and checked. The protocol is described in docs/boot.md.
 */
#ifndef QUIRE_KERNEL_HANDOVER_H
#define QUIRE_KERNEL_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/mm/memory_map.h"

#define HANDOVER_PAGE 4096

/* The loader's own parts are RAM, and free when all cores have left them, also where the map calls them used.
 */
#define HANDOVER_OWN_PARTS 1

/* The header of the information structure; memory map entries follow up to the end of the page. */
struct bootboot {
    uint8_t magic[4];
    uint32_t size;
    uint8_t protocol;
    uint8_t fb_type;
    uint16_t numcores;
    uint16_t bspid;
    int16_t timezone;
    uint8_t datetime[8]; /* UTC, BCD: century year month day hour minute second 1/100 */
    uint64_t initrd_ptr;
    uint64_t initrd_size;
    uint64_t fb_ptr;
    uint32_t fb_size;
    uint32_t fb_width;
    uint32_t fb_height;
    uint32_t fb_scanline;
    uint64_t acpi_ptr;
    uint64_t smbi_ptr;
    uint64_t efi_ptr;
    uint64_t mp_ptr;
    uint64_t extensions; /* not of the protocol: 0, or HANDOVER_OWN_PARTS from our loader */
    uint8_t reserved[24];
    struct memory_map_entry map[(HANDOVER_PAGE - 128) / 16];
};

_Static_assert(sizeof(struct bootboot) == HANDOVER_PAGE, "the structure is one page");

struct handover {
    struct bootboot info;
    char environment[HANDOVER_PAGE];
    size_t map_entries;
};

extern struct handover handover;

/* Copy and check; returns what is wrong, or NULL. */
const char *handover_take(const struct bootboot *info, const char *environment);

/* "uefi, level 2" and the like. */
const char *handover_loader(void);

/* The value of a key of the environment; false when it is not there. */
bool handover_option(const char *key, const char **value, size_t *length);

/* Is the key there with exactly this value? */
bool handover_option_is(const char *key, const char *value);

/* Seconds since 1970-01-01 UTC when the loader read the clock, 0 if it did not. */
uint64_t handover_time(void);

#endif
