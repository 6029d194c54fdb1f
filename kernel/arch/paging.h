/*
 * The part of address translation that only booting and a panic need: where tables come from, the kernel's
 * root, and a look at tables that somebody else made. The everyday part is in arch.h.
 */
#ifndef QUIRE_KERNEL_PAGING_H
#define QUIRE_KERNEL_PAGING_H

#include "kernel/arch/arch.h"

/* Where the walker gets frames for tables, before there is a frame allocator and after. */
struct paging_source {
    enum error (*take)(paddr_t *frame); /* a zeroed frame */
    void (*give)(paddr_t frame);
    uint64_t offset; /* from a physical address of a table to where it can be reached */
};

/* How many levels the tables have: as the loader left the CPU. First of all. */
void paging_find_levels(void);

void paging_set_source(const struct paging_source *from);

/* The root of the kernel; set once when it is built. */
void paging_set_kernel_root(paddr_t root);

/* Make the tables below the root in all regions of the kernel half, so that every space can share them and
 * regions have no table in common that changes. */
enum error paging_prepare_kernel_half(paddr_t root) MUST_CHECK;

/* Load a root into this CPU. */
void paging_load(paddr_t root);
paddr_t paging_loaded(void);

/* Print how an address is translated, level by level, with print(); for a panic. Touches only mapped tables.
 */
void paging_explain(paddr_t root, uint64_t virtual, void (*print)(const char *format, ...));

/* Call visit for the frame of each table that this root uses. For the tables of the loader. */
void paging_visit_tables(paddr_t root, void (*visit)(paddr_t table, void *context), void *context);

/*
 * Call visit for each leaf that this root maps at or above `from` and below `end` (0: up to the top): its
 * first address, its bytes, and MAP_* flags.
 */
void paging_visit_leaves(paddr_t root, uint64_t from, uint64_t end,
                         void (*visit)(uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags,
                                       void *context),
                         void *context);

#endif
