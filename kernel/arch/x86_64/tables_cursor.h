/*
 * A cursor goes over a range of addresses through the tables: down where there is a table, on, and up again,
 * so that each table is entered once. It is inlined where it is used, and what a use does not need falls
 * away.
 */
#ifndef QUIRE_X86_TABLES_CURSOR_H
#define QUIRE_X86_TABLES_CURSOR_H

#include "kernel/arch/x86_64/page_entry.h"

#define CURSOR_INLINE static inline __attribute__((always_inline))

/* Where it came by: the entry that it is at, one of level 1 being the first, and those above that lead there.
 */
struct cursor_path {
    uint64_t *entries[TABLE_LEVELS_MOST + 1];
    uint64_t above_root; /* where the entries of the root are counted, for nobody */
};

/* Apart from its path, so that all of this can be in registers. */
struct cursor {
    uint64_t virtual; /* where it is: the first address of the range, later that of an entry */
    uint64_t last;    /* address of the range */
    uint64_t one;     /* what an entry more or less in a table is in the entry above: PTE_COUNT_ONE, or 0 */
    uint64_t **at;    /* in the path */
    uint64_t **root;  /* in the path */
    unsigned shift;   /* of what an entry here covers */
};

CURSOR_INLINE struct cursor cursor_start(struct cursor_path *path, paddr_t root, uint64_t virtual,
                                         uint64_t last)
{
    struct cursor c = {
        .virtual = virtual,
        .last = last,
        .one = is_user_half(virtual) ? PTE_COUNT_ONE : 0,
        .at = &path->entries[table_levels - 1],
        .shift = level_shift(table_levels),
    };
    c.root = c.at;
    c.at[0] = table_at(root) + (virtual >> c.shift) % TABLE_ENTRIES;
    c.at[1] = &path->above_root;
    return c;
}

CURSOR_INLINE bool cursor_is_lowest(const struct cursor *c)
{
    return c->shift == PAGE_SHIFT;
}

CURSOR_INLINE uint64_t *cursor_entry(const struct cursor *c)
{
    return c->at[0];
}

/* The entry above that counts what is in this table. */
CURSOR_INLINE uint64_t *cursor_owner(const struct cursor *c)
{
    return c->at[1];
}

/* Bytes that an entry covers, less one. */
CURSOR_INLINE uint64_t cursor_rest(const struct cursor *c)
{
    return ((uint64_t)1 << c->shift) - 1;
}

/* The last address in the range that the entry covers. */
CURSOR_INLINE uint64_t cursor_reach(const struct cursor *c)
{
    uint64_t end = c->virtual | cursor_rest(c);
    return end < c->last ? end : c->last;
}

/* Pages of the range that the entry covers. */
CURSOR_INLINE uint64_t cursor_pages(const struct cursor *c)
{
    return ((cursor_reach(c) - c->virtual) >> PAGE_SHIFT) + 1;
}

/* Is all that the entry covers in the range? */
CURSOR_INLINE bool cursor_is_whole(const struct cursor *c)
{
    uint64_t rest = cursor_rest(c);
    return (c->virtual & rest) == 0 && (c->virtual | rest) <= c->last;
}

/* Into the table that the entry leads to. */
CURSOR_INLINE void cursor_down(struct cursor *c)
{
    uint64_t *table = table_at(entry_table(*cursor_entry(c)));
    c->at--;
    c->shift -= 9;
    c->at[0] = table + (c->virtual >> c->shift) % TABLE_ENTRIES;
}

/* How many entries from here on are in the range and in this table, at the lowest level; else just this one.
 */
CURSOR_INLINE uint64_t cursor_run(const struct cursor *c)
{
    if (!cursor_is_lowest(c)) {
        return 1;
    }
    uint64_t room = TABLE_ENTRIES - (c->virtual >> PAGE_SHIFT) % TABLE_ENTRIES;
    uint64_t left = ((c->last - c->virtual) >> PAGE_SHIFT) + 1;
    return room < left ? room : left;
}

/* Put a table into a chain. A processor that still walks it finds nothing in its first entry: addresses of
 * tables have bit 0 clear. */
CURSOR_INLINE void gather_table(struct table_gather *gather, paddr_t table)
{
    __atomic_store_n(table_at(table), gather->first.value, __ATOMIC_RELAXED);
    gather->first = table;
    gather->tables++;
}

/* The table below the entry was left: take it out if nothing is in it. */
CURSOR_INLINE void cursor_prune(struct cursor *c, struct table_gather *gather)
{
    uint64_t *entry = cursor_entry(c);
    if (c->one != 0 && *entry < PTE_COUNT_ONE) {
        paddr_t table = entry_table(*entry);
        __atomic_store_n(entry, 0, __ATOMIC_RELAXED);
        *cursor_owner(c) -= PTE_COUNT_ONE;
        gather_table(gather, table);
    }
}

/*
 * Past so many entries, and up where the table ends, or all the way where the range does. With a gather,
 * tables that turn out empty on the way up go there. False at the end of the range.
 */
CURSOR_INLINE bool cursor_pass(struct cursor *c, uint64_t count, struct table_gather *gather)
{
    uint64_t end = (c->virtual | cursor_rest(c)) + ((count - 1) << c->shift);
    bool more = end < c->last;
    c->virtual = end + 1;
    if (more) {
        c->at[0] += count;
        while (c->at != c->root && (uintptr_t)c->at[0] % PAGE_SIZE == 0) {
            c->at++;
            c->shift += 9;
            if (gather != NULL) {
                cursor_prune(c, gather);
            }
            c->at[0]++;
        }
    } else if (gather != NULL) {
        while (c->at != c->root) {
            c->at++;
            cursor_prune(c, gather);
        }
    }
    return more;
}

/* On to the next large leaf, or table of level 1, from where it is. False when there is none in the range. */
CURSOR_INLINE bool cursor_find(struct cursor *c, struct table_gather *gather)
{
    while (!cursor_is_lowest(c)) {
        uint64_t entry = *cursor_entry(c);
        if (entry_is_table(entry)) {
            cursor_down(c);
        } else if (entry_is_large(entry)) {
            return true;
        } else if (!cursor_pass(c, 1, gather)) {
            return false;
        }
    }
    return true;
}

#endif
