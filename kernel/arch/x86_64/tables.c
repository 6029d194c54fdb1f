/*
 * Page tables, one address at a time; see tables.h. tables_enter and tables_missing are in the path of each
 * fault: straight down while the tables are there, and the long way only when one is not.
 */
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/tables_cursor.h"
#include "kernel/arch/x86_64/tables_make.h"
#include "kernel/debug/panic.h"

unsigned table_levels = 4;
uint64_t table_reach;

/* Bits by flags: MAP_WRITE and PTE_WRITE are the same bit, and so on as it comes. */
#define LEAF(f)                                                                                              \
    (PTE_PRESENT | (((f)&MAP_WRITE) != 0 ? PTE_WRITE : 0) | (((f)&MAP_USER) != 0 ? PTE_USER : PTE_GLOBAL) |  \
     (((f)&MAP_EXECUTE) != 0 ? 0 : PTE_NX) | (((f)&MAP_UNCACHED) != 0 ? PTE_PCD | PTE_PWT : 0) |             \
     (((f)&MAP_COMBINE) != 0 ? PTE_PAT_SMALL : 0))
#define LEAVES_4(f)  LEAF(f), LEAF((f) + 1u), LEAF((f) + 2u), LEAF((f) + 3u)
#define LEAVES_16(f) LEAVES_4(f), LEAVES_4((f) + 4u), LEAVES_4((f) + 8u), LEAVES_4((f) + 12u)

const uint64_t leaf_bits_small[64] = {LEAVES_16(0u), LEAVES_16(16u), LEAVES_16(32u), LEAVES_16(48u)};

bool tables_has_huge(void)
{
    return feature_used(FEATURE_pdpe1gb);
}

/* Is the larger leaf's part at this address the same as `leaf` of level `want`, with these or more rights? */
static bool leaf_covers(uint64_t entry, unsigned level, uint64_t virtual, uint64_t leaf, unsigned want)
{
    while (level > want) {
        entry = leaf_part(entry, level, level_index(level - 1, virtual));
        level--;
    }
    return leaf_is_same(entry, leaf) && (leaf & ~entry & PTE_WRITE) == 0 && (entry & ~leaf & PTE_NX) == 0;
}

/* Put a leaf where nothing is, or one of the same size. */
static inline bool leaf_put(uint64_t *entry, uint64_t *owner, uint64_t leaf)
{
    uint64_t old = __atomic_load_n(entry, __ATOMIC_RELAXED);
    if (old == 0) {
        __atomic_store_n(entry, leaf, __ATOMIC_RELEASE);
        *owner += PTE_COUNT_ONE;
        return false;
    }
    if (!leaf_is_same(old, leaf)) {
        __atomic_store_n(entry, leaf, __ATOMIC_RELEASE);
        return true;
    }
    if ((leaf & ~old & PTE_WRITE) != 0) {
        __atomic_or_fetch(entry, PTE_WRITE, __ATOMIC_RELEASE);
    }
    if ((old & ~leaf & PTE_NX) != 0) {
        __atomic_and_fetch(entry, ~PTE_NX, __ATOMIC_RELEASE);
    }
    return false;
}

/* Put the parts of a large leaf of the level into the table that is in its place. */
static bool leaf_put_below(uint64_t *owner, unsigned level, uint64_t leaf)
{
    uint64_t *table = table_at(entry_table(*owner));
    bool replaced = false;
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t part = leaf_part(leaf, level, i);
        if (level > 2 && entry_is_table(table[i])) {
            replaced |= leaf_put_below(&table[i], level - 1, part);
        } else {
            replaced |= leaf_put(&table[i], owner, part);
        }
    }
    return replaced;
}

/* Put a table in the place of a large leaf of the level, of smaller leaves that say the same. */
static void leaf_split(uint64_t *entry, unsigned level, uint64_t virtual, struct table_stock *stock)
{
    ASSERT(stock->count > 0);
    uint64_t table, old = __atomic_load_n(entry, __ATOMIC_RELAXED);
    table_make(&table, virtual, stock);
    uint64_t *parts = table_at(entry_table(table));
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        parts[i] = leaf_part(old, level, i);
    }
    table += is_user_half(virtual) ? TABLE_ENTRIES * PTE_COUNT_ONE : 0;
    uint64_t marks = __atomic_exchange_n(entry, table, __ATOMIC_ACQ_REL) & ~old & PTE_MARKS;
    for (unsigned i = 0; marks != 0 && i < TABLE_ENTRIES; i++) { /* a processor was quicker */
        __atomic_or_fetch(&parts[i], marks, __ATOMIC_RELAXED);
    }
}

/* Down one level, with a table made or a leaf split where it is not a table. */
static void down_making(struct cursor *c, struct table_stock *stock)
{
    uint64_t *entry = cursor_entry(c);
    if (*entry == 0) {
        ASSERT(stock->count > 0);
        table_make(entry, c->virtual, stock);
        *cursor_owner(c) += c->one;
    } else if (entry_is_large(*entry)) {
        leaf_split(entry, c->level, c->virtual, stock);
    }
    cursor_down(c);
}

/* tables_enter, as it is called, when the leaf is large or a table is missing. */
static __attribute__((noinline)) bool enter_making(paddr_t root, uint64_t virtual, paddr_t physical,
                                                   uint64_t leaf_size, unsigned flags,
                                                   struct table_stock *stock)
{
    unsigned want = level_of_leaf(leaf_size);
    ASSERT(leaf_size == level_span(want) && is_aligned(virtual | physical.value, leaf_size));
    uint64_t leaf = physical.value | leaf_bits(flags, want) | PTE_ACCESSED;
    struct cursor c;
    cursor_start(&c, root, virtual, virtual);
    while (c.level > want) {
        uint64_t entry = *cursor_entry(&c);
        if (entry_is_large(entry) && leaf_covers(entry, c.level, virtual, leaf, want)) {
            return false;
        }
        down_making(&c, stock);
    }
    if (want > 1 && entry_is_table(*cursor_entry(&c))) {
        return leaf_put_below(cursor_entry(&c), want, leaf);
    }
    return leaf_put(cursor_entry(&c), cursor_owner(&c), leaf);
}

/* The entry of this level for the address in a table. */
#define ENTRY_IN(table, level)    ((uint64_t *)(uintptr_t)((table) + reach) + level_index(level, virtual))
#define ENTRY_BELOW(entry, level) ENTRY_IN((entry)&PTE_FRAME, level)

bool tables_enter(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t leaf_size, unsigned flags,
                  struct table_stock *stock)
{
    uint64_t reach = table_reach;
    if (__builtin_expect(leaf_size == PAGE_SIZE && table_levels == 4, 1)) {
        uint64_t entry = *ENTRY_IN(root.value, 4);
        if (__builtin_expect(entry_is_table(entry), 1)) {
            entry = *ENTRY_BELOW(entry, 3);
            if (__builtin_expect(entry_is_table(entry), 1)) {
                uint64_t *owner = ENTRY_BELOW(entry, 2);
                if (__builtin_expect(entry_is_table(*owner), 1)) {
                    /* Used at once: marked here, so that the processor need not. */
                    uint64_t leaf = physical.value | leaf_bits_small[flags % 64] | PTE_ACCESSED;
                    return leaf_put(ENTRY_BELOW(*owner, 1), owner, leaf);
                }
            }
        }
    }
    return enter_making(root, virtual, physical, leaf_size, flags, stock);
}

/* The tables that a range needs below one entry of a level, so that leaves of level `want` can be there. */
static uint64_t needed_below(unsigned level, unsigned want, uint64_t virtual, uint64_t last)
{
    uint64_t tables = 0;
    for (; level > want; level--) {
        tables += (last >> level_shift(level)) - (virtual >> level_shift(level)) + 1;
    }
    return tables;
}

static __attribute__((noinline)) uint64_t missing_in_range(paddr_t root, uint64_t virtual, uint64_t last,
                                                           unsigned want)
{
    struct cursor c;
    uint64_t missing = 0;
    cursor_start(&c, root, virtual, last);
    do {
        while (entry_is_table(*cursor_entry(&c)) && c.level - 1 > want) {
            cursor_down(&c);
        }
        if (!entry_is_table(*cursor_entry(&c))) {
            missing += needed_below(c.level, want, c.virtual, cursor_reach(&c));
        }
    } while (cursor_pass(&c, 1, NULL));
    return missing;
}

uint64_t tables_missing(paddr_t root, uint64_t virtual, uint64_t bytes, uint64_t leaf_size)
{
    uint64_t reach = table_reach, entry = root.value;
    unsigned want = level_of_leaf(leaf_size), level = table_levels;
    if (bytes > leaf_size) {
        return missing_in_range(root, virtual, virtual + bytes - 1, want);
    }
    for (; level > want; level--) {
        entry = *ENTRY_BELOW(entry, level);
        if (!entry_is_table(entry)) {
            break;
        }
    }
    return bytes > 0 ? level - want : 0;
}

uint64_t tables_split_cost(paddr_t root, uint64_t boundary)
{
    struct cursor c;
    cursor_start(&c, root, boundary, boundary);
    while (c.level > 1 && entry_is_table(*cursor_entry(&c))) {
        cursor_down(&c);
    }
    uint64_t cost = 0;
    for (unsigned level = c.level; level > 1 && *cursor_entry(&c) != 0; level--) {
        cost += !is_aligned(boundary, level_span(level));
    }
    return cost;
}

void tables_split(paddr_t root, uint64_t boundary, struct table_stock *stock)
{
    struct cursor c;
    cursor_start(&c, root, boundary, boundary);
    while (c.level > 1 && *cursor_entry(&c) != 0 && !is_aligned(boundary, level_span(c.level))) {
        down_making(&c, stock);
    }
}

void tables_join(paddr_t root, uint64_t virtual, paddr_t physical, unsigned flags, struct table_stock *stock,
                 struct table_gather *gather)
{
    ASSERT(is_aligned(virtual | physical.value, TABLES_LARGE));
    struct cursor c;
    cursor_start(&c, root, virtual, virtual);
    while (c.level > 2) {
        down_making(&c, stock);
    }
    uint64_t *entry = cursor_entry(&c), leaf = physical.value | leaf_bits(flags, 2), old = *entry;
    if (!entry_is_table(old)) {
        gather->leaves += leaf_put(entry, cursor_owner(&c), leaf);
        return;
    }
    /* Processors may still be in the table below, and must find nothing there, once it is out of the way. */
    __atomic_store_n(entry, leaf, __ATOMIC_RELEASE);
    uint64_t *parts = table_at(entry_table(old));
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        gather->leaves += parts[i] != 0;
        __atomic_store_n(&parts[i], 0, __ATOMIC_RELAXED);
    }
    gather_table(gather, entry_table(old));
}
