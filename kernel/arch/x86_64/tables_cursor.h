/*
 * A cursor goes over a range of addresses through the tables: down where there is a table, on, and up again,
 * so that each table is entered once. It is inlined where it is used, and what a use does not need falls
 * away.
 */
#ifndef QUIRE_X86_TABLES_CURSOR_H
#define QUIRE_X86_TABLES_CURSOR_H

#include "kernel/arch/x86_64/page_entry.h"

#define CURSOR_INLINE static inline __attribute__((always_inline))

struct cursor {
    uint64_t virtual; /* where it is: the first address of the range, later that of an entry */
    uint64_t last;    /* address of the range */
    uint64_t one;     /* what an entry more or less in a table is in the entry above: PTE_COUNT_ONE, or 0 */
    unsigned level;
    unsigned top;
    uint64_t above_root; /* where the entries of the root are counted, for nobody */
    /* The entry that it is at, at its level, and those that lead there from higher ones. */
    uint64_t *path[TABLE_LEVELS_MOST + 2];
};

CURSOR_INLINE void cursor_start(struct cursor *c, paddr_t root, uint64_t virtual, uint64_t last)
{
    c->virtual = virtual;
    c->last = last;
    c->one = is_user_half(virtual) ? PTE_COUNT_ONE : 0;
    c->level = c->top = table_levels;
    c->above_root = 0;
    c->path[c->top + 1] = &c->above_root;
    c->path[c->top] = table_at(root) + level_index(c->top, virtual);
}

CURSOR_INLINE uint64_t *cursor_entry(const struct cursor *c)
{
    return c->path[c->level];
}

/* The entry above that counts what is in this table. */
CURSOR_INLINE uint64_t *cursor_owner(const struct cursor *c)
{
    return c->path[c->level + 1];
}

/* The last address in the range that the entry covers. */
CURSOR_INLINE uint64_t cursor_reach(const struct cursor *c)
{
    uint64_t end = c->virtual | (level_span(c->level) - 1);
    return end < c->last ? end : c->last;
}

/* Is all that the entry covers in the range? */
CURSOR_INLINE bool cursor_is_whole(const struct cursor *c)
{
    uint64_t rest = level_span(c->level) - 1;
    return (c->virtual & rest) == 0 && (c->virtual | rest) <= c->last;
}

/* Into the table that the entry leads to. */
CURSOR_INLINE void cursor_down(struct cursor *c)
{
    uint64_t *table = table_at(entry_table(*cursor_entry(c)));
    c->level--;
    c->path[c->level] = table + level_index(c->level, c->virtual);
}

/* At level 1: how many entries from here on are in the range and in this table. */
CURSOR_INLINE uint64_t cursor_run(const struct cursor *c)
{
    uint64_t room = TABLE_ENTRIES - level_index(1, c->virtual);
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
    unsigned shift = level_shift(c->level);
    uint64_t end = (c->virtual | (((uint64_t)1 << shift) - 1)) + ((count - 1) << shift);
    bool more = end < c->last;
    c->virtual = end + 1;
    c->path[c->level] += count;
    if (gather == NULL && !more) {
        return false;
    }
    while (c->level < c->top && (!more || (uintptr_t)c->path[c->level] % PAGE_SIZE == 0)) {
        c->level++;
        if (gather != NULL) {
            cursor_prune(c, gather);
        }
        c->path[c->level] += more;
    }
    return more;
}

/* On to the next large leaf, or table of level 1, from where it is. False when there is none in the range. */
CURSOR_INLINE bool cursor_find(struct cursor *c, struct table_gather *gather)
{
    while (c->level > 1) {
        uint64_t entry = *cursor_entry(c);
        if (entry_is_large(entry)) {
            return true;
        }
        if (entry_is_table(entry)) {
            cursor_down(c);
        } else if (!cursor_pass(c, 1, gather)) {
            return false;
        }
    }
    return true;
}

#endif
