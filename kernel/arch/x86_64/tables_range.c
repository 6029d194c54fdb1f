/*
 * Page tables over ranges; see tables.h. Processors mark leaves as accessed and dirty at any time, so a leaf
 * that stays is changed by locked instructions; one that goes is just overwritten, since what was marked in
 * it matters no more.
 */
#include "kernel/arch/x86_64/tables_cursor.h"
#include "kernel/arch/x86_64/tables_make.h"
#include "kernel/debug/panic.h"

/* Fill entries of level 1 with frames in a row. */
static void fill(uint64_t *entry, uint64_t count, uint64_t leaf)
{
#pragma clang loop unroll_count(8)
    for (uint64_t i = 0; i < count; i++) {
        CHECKED_ASSERT(entry[i] == 0);
        __atomic_store_n(&entry[i], leaf, __ATOMIC_RELAXED);
        leaf += PAGE_SIZE;
    }
}

uint64_t tables_map_until(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned most,
                          unsigned flags, struct table_stock *stock)
{
    struct cursor_path path;
    struct cursor c = cursor_start(&path, root, virtual, virtual + bytes - 1);
    uint64_t offset = physical.value - virtual;
    uint64_t count;
    do {
        while (!cursor_is_lowest(&c)) {
            uint64_t *entry = cursor_entry(&c);
            if (*entry == 0 && c.shift <= level_shift(most) && cursor_is_whole(&c) &&
                ((c.virtual + offset) & cursor_rest(&c)) == 0) {
                break;
            }
            ASSERT(!entry_is_large(*entry));
            if (*entry == 0) {
                if (stock->count == 0) {
                    return c.virtual - virtual;
                }
                table_make(entry, c.virtual, stock);
                *cursor_owner(&c) += c.one;
            }
            cursor_down(&c);
        }
        count = cursor_run(&c);
        fill(cursor_entry(&c), count, (c.virtual + offset) | leaf_bits(flags, cursor_is_lowest(&c) ? 1 : 2));
        *cursor_owner(&c) += c.one * count;
    } while (cursor_pass(&c, count, NULL));
    return bytes;
}

void tables_map(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t bytes, uint64_t leaf_size,
                unsigned flags, struct table_stock *stock)
{
    uint64_t reach = table_reach, left = TABLES_LARGE - virtual % TABLES_LARGE;
    uint64_t *owner = bytes <= left && is_user_half(virtual) ? owner_of_small(root, virtual) : NULL;
    if (__builtin_expect(owner != NULL, 1)) { /* all in a table that is there */
        fill(ENTRY_BELOW(*owner, 1), bytes / PAGE_SIZE, physical.value | leaf_bits_small[flags % 64]);
        *owner += bytes / PAGE_SIZE * PTE_COUNT_ONE;
        return;
    }
    uint64_t done =
        bytes == 0 ? 0
                   : tables_map_until(root, virtual, physical, bytes, level_of_leaf(leaf_size), flags, stock);
    ASSERT(done == bytes);
}

/* Empty entries of level 1. Returns how many were not. */
static uint64_t empty(uint64_t *entry, uint64_t count)
{
    uint64_t found = 0;
#pragma clang loop unroll_count(8)
    for (uint64_t i = 0; i < count; i++) {
        found += __atomic_load_n(&entry[i], __ATOMIC_RELAXED) != 0;
        __atomic_store_n(&entry[i], 0, __ATOMIC_RELAXED);
    }
    return found;
}

/*
 * The way to the entry of one page of a space. Where nothing is, to an entry that says so; NULL for what is
 * more, and where a large leaf is.
 */
static inline uint64_t *small_entry(paddr_t root, uint64_t virtual, uint64_t bytes, uint64_t **owner)
{
    if (bytes != PAGE_SIZE || !is_user_half(virtual)) {
        return NULL;
    }
    unsigned shift = level_shift(table_levels);
    uint64_t *entry = table_at(root) + (virtual >> shift) % TABLE_ENTRIES;
    while (shift > PAGE_SHIFT && *entry != 0) {
        if (__builtin_expect(!entry_is_table(*entry), 0)) {
            return NULL;
        }
        shift -= 9;
        *owner = entry;
        entry = table_at(entry_table(*entry)) + (virtual >> shift) % TABLE_ENTRIES;
    }
    return entry;
}

void tables_unmap(paddr_t root, uint64_t virtual, uint64_t bytes, struct table_gather *gather)
{
    uint64_t none = 0, *owner = &none, *only = small_entry(root, virtual, bytes, &owner);
    if (only != NULL && *only == 0) {
        return;
    }
    if (only != NULL && (*owner & PTE_COUNT_MASK) > PTE_COUNT_ONE) { /* the table does not become empty */
        __atomic_store_n(only, 0, __ATOMIC_RELAXED);
        *owner -= PTE_COUNT_ONE;
        gather->leaves++;
        return;
    }
    struct cursor_path path;
    struct cursor c = cursor_start(&path, root, virtual, virtual + bytes - 1);
    if (bytes == 0) {
        return;
    }
    while (cursor_find(&c, gather)) {
        uint64_t count = cursor_run(&c);
        ASSERT(cursor_is_lowest(&c) || cursor_is_whole(&c));
        uint64_t found = empty(cursor_entry(&c), count);
        *cursor_owner(&c) -= c.one * found;
        gather->leaves += found;
        if (!cursor_pass(&c, count, gather)) {
            break;
        }
    }
}

/*
 * Give entries the rights in `bits`, but none to write that they do not have. Returns how many lost one:
 * where the right to write changes, or that to execute is taken.
 */
static uint64_t protect(uint64_t *entry, uint64_t count, uint64_t bits)
{
    uint64_t keep = ~PTE_RIGHTS | (bits & PTE_WRITE), no_execute = bits & PTE_NX, lost = 0;
    for (uint64_t *end = entry + count; entry < end; entry++) {
        uint64_t old = __atomic_load_n(entry, __ATOMIC_RELAXED), new = (old & keep) | no_execute;
        if (old == 0 || old == new) {
            continue;
        }
        while (!__atomic_compare_exchange_n(entry, &old, new, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            new = (old & keep) | no_execute;
        }
        lost += ((old ^ new) & (PTE_WRITE | no_execute)) != 0;
    }
    return lost;
}

void tables_protect(paddr_t root, uint64_t virtual, uint64_t bytes, unsigned flags,
                    struct table_gather *gather)
{
    if ((flags & (MAP_READ | MAP_WRITE | MAP_EXECUTE)) == 0) {
        tables_unmap(root, virtual, bytes, gather); /* what is present can be read */
        return;
    }
    uint64_t none = 0, *owner = &none, *only = small_entry(root, virtual, bytes, &owner);
    if (only != NULL) {
        gather->leaves += protect(only, 1, leaf_bits(flags, 1));
        return;
    }
    struct cursor_path path;
    struct cursor c = cursor_start(&path, root, virtual, virtual + bytes - 1);
    while (bytes > 0 && cursor_find(&c, NULL)) {
        uint64_t count = cursor_run(&c);
        ASSERT(cursor_is_lowest(&c) || cursor_is_whole(&c));
        gather->leaves += protect(cursor_entry(&c), count, leaf_bits(flags, 1));
        if (!cursor_pass(&c, count, NULL)) {
            break;
        }
    }
}

static uint64_t restrict_run(uint64_t *entry, uint64_t count)
{
    uint64_t lost = 0;
    for (uint64_t *end = entry + count; entry < end; entry++) {
        if ((__atomic_load_n(entry, __ATOMIC_RELAXED) & PTE_WRITE) != 0) {
            __atomic_and_fetch(entry, ~PTE_WRITE, __ATOMIC_RELAXED);
            lost++;
        }
    }
    return lost;
}

void tables_restrict(paddr_t root, uint64_t virtual, uint64_t bytes, struct table_gather *gather)
{
    struct cursor_path path;
    struct cursor c = cursor_start(&path, root, virtual, virtual + bytes - 1);
    while (bytes > 0 && cursor_find(&c, NULL)) {
        uint64_t count = cursor_run(&c);
        gather->leaves += restrict_run(cursor_entry(&c), count);
        if (!cursor_pass(&c, count, NULL)) {
            break;
        }
    }
}

/* Take the mark of use off. Returns how many had it. */
static uint64_t age(uint64_t *entry, uint64_t count)
{
    uint64_t used = 0;
    for (uint64_t *end = entry + count; entry < end; entry++) {
        if ((__atomic_load_n(entry, __ATOMIC_RELAXED) & PTE_ACCESSED) != 0) {
            __atomic_and_fetch(entry, ~PTE_ACCESSED, __ATOMIC_RELAXED);
            used++;
        }
    }
    return used;
}

uint64_t tables_age(paddr_t root, uint64_t virtual, uint64_t bytes)
{
    struct cursor_path path;
    struct cursor c = cursor_start(&path, root, virtual, virtual + bytes - 1);
    uint64_t pages = 0;
    while (bytes > 0 && cursor_find(&c, NULL)) {
        uint64_t count = cursor_run(&c);
        uint64_t size = cursor_is_lowest(&c) ? 1 : cursor_pages(&c);
        pages += size * age(cursor_entry(&c), count);
        if (!cursor_pass(&c, count, NULL)) {
            break;
        }
    }
    return pages;
}

static uint64_t present(const uint64_t *entry, uint64_t count)
{
    uint64_t found = 0;
    for (const uint64_t *end = entry + count; entry < end; entry++) {
        found += *entry & PTE_PRESENT;
    }
    return found;
}

void tables_count(paddr_t root, uint64_t virtual, uint64_t bytes, struct tables_count *count)
{
    struct cursor_path path;
    struct cursor c = cursor_start(&path, root, virtual, virtual + bytes - 1);
    *count = (struct tables_count){0};
    for (bool more = bytes > 0; more;) {
        uint64_t entry = *cursor_entry(&c), passed = 1;
        if (cursor_is_lowest(&c)) {
            passed = cursor_run(&c);
            count->pages += present(cursor_entry(&c), passed);
        } else if (entry_is_large(entry)) {
            count->pages += cursor_pages(&c);
            count->large_pages += cursor_pages(&c);
            count->huge_pages += c.shift > level_shift(2) ? cursor_pages(&c) : 0;
        } else if (entry_is_table(entry) && c.shift == level_shift(2) && c.one != 0 && cursor_is_whole(&c)) {
            count->pages += (entry & PTE_COUNT_MASK) >> PTE_COUNT_SHIFT;
        } else if (entry_is_table(entry)) {
            cursor_down(&c);
            continue;
        }
        more = cursor_pass(&c, passed, NULL);
    }
}
