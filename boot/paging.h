/*
 * Page tables in the making: four levels, from pages that a callback delivers. Tables are reached at their
 * physical addresses, which the firmware maps one to one. Pure but for the callback.
 */
#ifndef QUIRE_BOOT_PAGING_H
#define QUIRE_BOOT_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#define PAGING_WRITE      (1ull << 1)
#define PAGING_NO_EXECUTE (1ull << 63)

struct paging {
    uint64_t *root;          /* NULL before the first mapping */
    uint64_t *(*take)(void); /* a zeroed page below 4 GiB, NULL when there is none */
    bool has_gib_pages;      /* whether the processor knows pages of 1 GiB */
};

#define PAGING_4_KIB 0
#define PAGING_2_MIB 1
#define PAGING_1_GIB 2 /* where the processor knows them; else 2 MiB */

/*
 * Map whole pages, replacing nothing: the range must not be mapped yet. Uses the largest pages that addresses
 * and size allow, but none larger than `largest`. False when there is no memory for a table.
 */
bool paging_map(struct paging *paging, uint64_t address, uint64_t physical, uint64_t bytes, uint64_t flags,
                unsigned largest);

#endif
