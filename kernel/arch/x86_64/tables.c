/*
 * Page tables, one address at a time; see tables.h. tables_enter and tables_missing are in the path of each
 * fault: straight down while the tables are there, and the long way only when one is not.
 */
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/tables_cursor.h"
#include "kernel/arch/x86_64/tables_make.h"
#include "kernel/debug/panic.h"

#define SELDOM __attribute__((noinline))

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
static SELDOM bool leaf_covers(uint64_t entry, unsigned level, uint64_t virtual, uint64_t leaf, unsigned want)
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
static SELDOM bool leaf_put_below(uint64_t *owner, unsigned level, uint64_t leaf)
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
static SELDOM void leaf_split(uint64_t *entry, unsigned level, uint64_t virtual, struct table_stock *stock)
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

/* Where one address is in the tables, going down: an entry, and the one above that counts it. */
struct place {
    uint64_t *entry, *owner;
    uint64_t virtual;
    unsigned level;
};

static inline struct place place_root(paddr_t root, uint64_t virtual)
{
    uint64_t *entry = table_at(root) + level_index(table_levels, virtual);
    return (struct place){.entry = entry, .virtual = virtual, .level = table_levels};
}

static inline void place_down(struct place *p)
{
    p->owner = p->entry;
    p->level--;
    p->entry = table_at(entry_table(*p->entry)) + level_index(p->level, p->virtual);
}

/* Count an entry more. Those of the root are not counted. */
static inline void place_count(struct place *p)
{
    if (p->owner != NULL) {
        *p->owner += PTE_COUNT_ONE;
    }
}

/* Down one level, with a table made or a leaf split where it is not a table. */
static inline __attribute__((always_inline)) void place_down_making(struct place *p,
                                                                    struct table_stock *stock)
{
    if (*p->entry == 0) {
        ASSERT(stock->count > 0);
        table_make(p->entry, p->virtual, stock);
        place_count(p);
    } else if (__builtin_expect(entry_is_large(*p->entry), 0)) {
        leaf_split(p->entry, p->level, p->virtual, stock);
    }
    place_down(p);
}

/* tables_enter, as it is called, when the leaf is large or a table is missing. */
static SELDOM bool enter_making(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t leaf_size,
                                unsigned flags, struct table_stock *stock)
{
    unsigned want = level_of_leaf(leaf_size);
    ASSERT(leaf_size == level_span(want) && is_aligned(virtual | physical.value, leaf_size));
    uint64_t leaf = physical.value | leaf_bits(flags, want) | PTE_ACCESSED;
    struct place p = place_root(root, virtual);
    while (p.level > want) {
        if (__builtin_expect(entry_is_large(*p.entry), 0) &&
            leaf_covers(*p.entry, p.level, virtual, leaf, want)) {
            return false;
        }
        place_down_making(&p, stock);
    }
    if (want > 1 && entry_is_table(*p.entry)) {
        return leaf_put_below(p.entry, want, leaf);
    }
    ASSERT(p.owner != NULL); /* no leaf is in the root */
    return leaf_put(p.entry, p.owner, leaf);
}

/* The leaf is used at once: it is marked, so that the processor need not. */
static inline uint64_t small_leaf(paddr_t physical, unsigned flags)
{
    return physical.value | leaf_bits_small[flags % 64] | PTE_ACCESSED;
}

bool tables_enter_new(paddr_t root, uint64_t virtual, paddr_t physical, unsigned flags)
{
    uint64_t reach = table_reach, *owner = owner_of_small(root, virtual);
    if (__builtin_expect(owner == NULL, 0)) {
        return false;
    }
    uint64_t *entry = ENTRY_BELOW(*owner, 1);
    if (__builtin_expect(__atomic_load_n(entry, __ATOMIC_RELAXED) != 0, 0)) {
        return false;
    }
    __atomic_store_n(entry, small_leaf(physical, flags), __ATOMIC_RELEASE);
    *owner += PTE_COUNT_ONE;
    return true;
}

bool tables_enter_new_large(paddr_t root, uint64_t virtual, paddr_t physical, unsigned flags)
{
    uint64_t reach = table_reach, *owner = owner_of_large(root, virtual);
    uint64_t *entry = owner != NULL ? ENTRY_BELOW(*owner, 2) : NULL;
    if (__builtin_expect(entry == NULL || __atomic_load_n(entry, __ATOMIC_RELAXED) != 0, 0)) {
        return false;
    }
    __atomic_store_n(entry, physical.value | leaf_bits(flags, 2) | PTE_ACCESSED, __ATOMIC_RELEASE);
    *owner += PTE_COUNT_ONE;
    return true;
}

bool tables_replace(paddr_t root, uint64_t virtual, paddr_t physical, unsigned flags)
{
    uint64_t reach = table_reach, *owner = owner_of_small(root, virtual);
    uint64_t *entry = owner != NULL ? ENTRY_BELOW(*owner, 1) : NULL;
    if (__builtin_expect(entry == NULL || __atomic_load_n(entry, __ATOMIC_RELAXED) == 0, 0)) {
        return false;
    }
    __atomic_store_n(entry, small_leaf(physical, flags), __ATOMIC_RELEASE);
    return true;
}

bool tables_enter(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t leaf_size, unsigned flags,
                  struct table_stock *stock)
{
    uint64_t reach = table_reach, *owner = leaf_size == PAGE_SIZE ? owner_of_small(root, virtual) : NULL;
    return owner != NULL ? leaf_put(ENTRY_BELOW(*owner, 1), owner, small_leaf(physical, flags))
                         : enter_making(root, virtual, physical, leaf_size, flags, stock);
}

/* The tables that a range needs below one entry, so that leaves of level `want` can be there. */
static uint64_t needed_below(unsigned shift, unsigned want, uint64_t virtual, uint64_t last)
{
    uint64_t tables = 0;
    for (; shift > level_shift(want); shift -= 9) {
        tables += (last >> shift) - (virtual >> shift) + 1;
    }
    return tables;
}

static SELDOM uint64_t missing_in_range(paddr_t root, uint64_t virtual, uint64_t last, unsigned want)
{
    struct cursor_path path;
    struct cursor c = cursor_start(&path, root, virtual, last);
    uint64_t missing = 0;
    do {
        while (entry_is_table(*cursor_entry(&c)) && c.shift > level_shift(want + 1)) {
            cursor_down(&c);
        }
        if (!entry_is_table(*cursor_entry(&c))) {
            missing += needed_below(c.shift, want, c.virtual, cursor_reach(&c));
        }
    } while (cursor_pass(&c, 1, NULL));
    return missing;
}

static inline uint64_t missing_at(paddr_t root, uint64_t virtual, unsigned want)
{
    struct place p = place_root(root, virtual);
    while (p.level > want && entry_is_table(*p.entry)) {
        place_down(&p);
    }
    return p.level - want;
}

/* tables_missing, as it is called, for more than one page. */
static SELDOM uint64_t missing_somewhere(paddr_t root, uint64_t virtual, uint64_t bytes, uint64_t leaf_size)
{
    unsigned want = level_of_leaf(leaf_size);
    if (bytes == 0) {
        return 0;
    }
    return bytes <= leaf_size ? missing_at(root, virtual, want)
                              : missing_in_range(root, virtual, virtual + bytes - 1, want);
}

uint64_t tables_missing(paddr_t root, uint64_t virtual, uint64_t bytes, uint64_t leaf_size)
{
    uint64_t reach = table_reach;
    if (__builtin_expect(bytes == PAGE_SIZE && leaf_size == PAGE_SIZE && table_levels == 4, 1)) {
        uint64_t entry = *ENTRY_IN(root.value, 4);
        if (!entry_is_table(entry)) {
            return 3;
        }
        entry = *ENTRY_BELOW(entry, 3);
        if (!entry_is_table(entry)) {
            return 2;
        }
        return entry_is_table(*ENTRY_BELOW(entry, 2)) ? 0 : 1;
    }
    return missing_somewhere(root, virtual, bytes, leaf_size);
}

uint64_t tables_split_cost(paddr_t root, uint64_t boundary)
{
    struct place p = place_root(root, boundary);
    while (p.level > 1 && entry_is_table(*p.entry)) {
        place_down(&p);
    }
    uint64_t cost = 0;
    for (unsigned level = p.level; level > 1 && *p.entry != 0; level--) {
        cost += !is_aligned(boundary, level_span(level));
    }
    return cost;
}

void tables_split(paddr_t root, uint64_t boundary, struct table_stock *stock)
{
    struct place p = place_root(root, boundary);
    while (p.level > 1 && *p.entry != 0 && !is_aligned(boundary, level_span(p.level))) {
        place_down_making(&p, stock);
    }
}

void tables_join(paddr_t root, uint64_t virtual, paddr_t physical, unsigned flags, struct table_stock *stock,
                 struct table_gather *gather)
{
    ASSERT(is_aligned(virtual | physical.value, TABLES_LARGE));
    struct place p = place_root(root, virtual);
    while (p.level > 2) {
        place_down_making(&p, stock);
    }
    uint64_t *entry = p.entry, leaf = physical.value | leaf_bits(flags, 2), old = *entry;
    if (!entry_is_table(old)) {
        ASSERT(p.owner != NULL);
        gather->leaves += leaf_put(entry, p.owner, leaf);
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
