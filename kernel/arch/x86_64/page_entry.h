/*
 * Entries of page tables (SDM vol. 3A 4.5, AMD APM vol. 2 5.3), as all that walks them here sees them. Level
 * 1 holds leaves of 4 KiB; the topmost level, 4 or 5, is the root. An entry is a leaf, or leads to a table,
 * or is 0: nothing else is ever in one.
 *
 * An entry of the user half that leads to a table counts in bits 52 to 61, which processors ignore there, how
 * many entries of that table are not 0: so it is known at once when a table has become empty, and whoever
 * changes an entry has the one above at hand. Entries that lead to a table are made with the accessed bit
 * set, so that no processor ever writes to them, and the count needs no locked instruction. Tables of the
 * kernel's half are not counted, and stay.
 */
#ifndef QUIRE_X86_PAGE_ENTRY_H
#define QUIRE_X86_PAGE_ENTRY_H

#include "kernel/arch/tables.h"

#define PTE_PRESENT   ((uint64_t)1 << 0)
#define PTE_WRITE     ((uint64_t)1 << 1)
#define PTE_USER      ((uint64_t)1 << 2)
#define PTE_PWT       ((uint64_t)1 << 3)
#define PTE_PCD       ((uint64_t)1 << 4)
#define PTE_ACCESSED  ((uint64_t)1 << 5)
#define PTE_DIRTY     ((uint64_t)1 << 6)
#define PTE_LARGE     ((uint64_t)1 << 7)
#define PTE_PAT_SMALL ((uint64_t)1 << 7)
#define PTE_GLOBAL    ((uint64_t)1 << 8)
#define PTE_PAT_LARGE ((uint64_t)1 << 12)
#define PTE_NX        ((uint64_t)1 << 63)
#define PTE_FRAME     0x000ffffffffff000u

#define PTE_COUNT_SHIFT 52
#define PTE_COUNT_ONE   ((uint64_t)1 << PTE_COUNT_SHIFT)
#define PTE_COUNT_MASK  ((uint64_t)0x3ff << PTE_COUNT_SHIFT)

#define TABLE_ENTRIES 512u

/* What processors write to leaves at any time; and the rights that may be more or less of the same leaf. */
#define PTE_MARKS  (PTE_ACCESSED | PTE_DIRTY)
#define PTE_RIGHTS (PTE_WRITE | PTE_NX)

/* Levels of the tables that are in use: 4 or 5. Set once at boot. */
extern unsigned table_levels;

/* From the physical address of a table to where it can be reached. Set at boot, as that changes. */
extern uint64_t table_reach;

static inline uint64_t *table_at(paddr_t table)
{
    return (uint64_t *)(uintptr_t)(table.value + table_reach);
}

static inline paddr_t entry_table(uint64_t entry)
{
    return paddr(entry & PTE_FRAME);
}

/* Does it lead to a table? Neither is true of 0; of entries above level 1. The two bits that tell, and the
 * sign of the lowest byte, are one test. */
static inline bool entry_is_table(uint64_t entry)
{
    return (int8_t)entry > 0;
}

static inline bool entry_is_large(uint64_t entry)
{
    return (int8_t)entry < 0;
}

/* Bytes that one entry of a table of this level covers, as a power of two. */
static inline unsigned level_shift(unsigned level)
{
    return PAGE_SHIFT - 9 + 9 * level;
}

static inline uint64_t level_span(unsigned level)
{
    return (uint64_t)1 << level_shift(level);
}

static inline unsigned level_index(unsigned level, uint64_t virtual)
{
    return (unsigned)(virtual >> level_shift(level)) % TABLE_ENTRIES;
}

static inline bool is_user_half(uint64_t virtual)
{
    return virtual >> 63 == 0;
}

/* Rights of an entry that leads to a table: the leaf decides. */
static inline uint64_t table_bits(uint64_t virtual)
{
    return PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | (is_user_half(virtual) ? PTE_USER : 0);
}

/* All of a leaf of 4 KiB but the frame, by MAP_READ to MAP_COMBINE. */
extern const uint64_t leaf_bits_small[64];

static inline uint64_t leaf_bits(unsigned flags, unsigned level)
{
    uint64_t bits = leaf_bits_small[flags % 64];
    if (level > 1) {
        uint64_t pat = bits & PTE_PAT_SMALL;
        bits = (bits ^ pat) | pat << 5 | PTE_LARGE;
    }
    return bits;
}

/* The entry that says the same as this large leaf of the level, at this place of a table below it. */
static inline uint64_t leaf_part(uint64_t leaf, unsigned level, uint64_t index)
{
    uint64_t offset = index << level_shift(level - 1);
    if (level > 2) {
        return leaf + offset;
    }
    uint64_t pat = leaf & PTE_PAT_LARGE;
    return ((leaf ^ pat ^ PTE_LARGE) | pat >> 5) + offset;
}

/* Do the two, of the same level, name the same memory of the same kind? */
static inline bool leaf_is_same(uint64_t a, uint64_t b)
{
    return ((a ^ b) & ~(PTE_MARKS | PTE_RIGHTS)) == 0;
}

/* MAP_* as far as this entry says. */
unsigned entry_flags(uint64_t entry, unsigned level, bool leaf);

#endif
