/* Between the files of the page-table walker, and for the kernel's own mappings (paging.c). */
#ifndef QUIRE_X86_TABLES_MAKE_H
#define QUIRE_X86_TABLES_MAKE_H

#include "kernel/arch/x86_64/page_entry.h"

/* The level that has leaves of this size, or smaller ones where the CPU has none so large. */
static inline unsigned level_of_leaf(uint64_t leaf_size)
{
    return leaf_size < TABLES_LARGE ? 1 : leaf_size < TABLES_HUGE || !tables_has_huge() ? 2 : 3;
}

/* The entry of this level for the address in a table. */
#define ENTRY_IN(table, level)    ((uint64_t *)(uintptr_t)((table) + reach) + level_index(level, virtual))
#define ENTRY_BELOW(entry, level) ENTRY_IN((entry)&PTE_FRAME, level)

/* The entry of level 3 above the large leaf of the address; NULL when a table is missing or a leaf is huge.
 */
static inline uint64_t *owner_of_large(paddr_t root, uint64_t virtual)
{
    uint64_t reach = table_reach;
    uint64_t entry = *ENTRY_IN(root.value, 4);
    if (__builtin_expect(!entry_is_table(entry) || table_levels != 4, 0)) {
        return NULL;
    }
    uint64_t *owner = ENTRY_BELOW(entry, 3);
    return __builtin_expect(entry_is_table(*owner), 1) ? owner : NULL;
}

/* The entry of level 2 above the small leaf of the address, in the same way. */
static inline uint64_t *owner_of_small(paddr_t root, uint64_t virtual)
{
    uint64_t reach = table_reach;
    const uint64_t *above = owner_of_large(root, virtual);
    if (__builtin_expect(above == NULL, 0)) {
        return NULL;
    }
    uint64_t *owner = ENTRY_BELOW(*above, 2);
    return __builtin_expect(entry_is_table(*owner), 1) ? owner : NULL;
}

/* A table from the stock, which is not empty, into the empty entry. The caller counts it. */
static inline void table_make(uint64_t *entry, uint64_t virtual, struct table_stock *stock)
{
    paddr_t table = stock->first;
    uint64_t *words = table_at(table);
    stock->first = paddr(words[0]);
    stock->count--;
    words[0] = 0;
    __atomic_store_n(entry, table.value | table_bits(virtual), __ATOMIC_RELEASE);
}

/*
 * tables_map with leaves up to this level, in either half, as far as the stock goes: returns how many bytes
 * were mapped. The same again for the rest goes on.
 */
uint64_t tables_map_until(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned most,
                          unsigned flags, struct table_stock *stock);

#endif
