/*
 * The page tables of user spaces: one walker for mapping, unmapping, protecting, asking and ageing, over
 * ranges. Each function goes down once for its whole range. Leaves have 4 KiB, 2 MiB or 1 GiB; an
 * architecture may have fewer sizes and any number of levels.
 *
 * The caller holds what guards the tables (aspace.h), and flushes: nothing here touches the TLB. All ranges
 * are whole pages in the user half. What can need tables takes them from a stock that was filled before, with
 * tables_missing, so nothing here can fail. Tables that become empty are taken out and gathered: the CPUs may
 * still walk them until they have flushed, so who gathers gives them back only then.
 */
#ifndef QUIRE_KERNEL_TABLES_H
#define QUIRE_KERNEL_TABLES_H

#include "kernel/arch/arch.h"

#define TABLES_LARGE ((uint64_t)2 << 20) /* bytes of a large leaf */
#define TABLES_HUGE  ((uint64_t)1 << 30) /* and of a huge one, where tables_has_huge() */

/* What an operation took out; zero at first, and added to by each. */
struct table_gather {
    paddr_t first;   /* a chain of tables through the first word of each, which reads as not present */
    uint64_t tables; /* in the chain; what else is in them is nobody's business */
    uint64_t leaves; /* that were present and have been removed, or lost a right: 0 means there is nothing to
                        flush */
};

/* Has the CPU leaves of 1 GiB, and may they be used? */
bool tables_has_huge(void);

/*
 * Tables that are missing to have leaves of this size in the whole range, those among them that it takes to
 * split larger leaves which are there. 0 where nothing is missing.
 */
uint64_t tables_missing(paddr_t root, uint64_t virtual, uint64_t bytes, uint64_t leaf_size);

/* Enter a small leaf where nothing is. False, with nothing changed, when something is, or a table is missing.
 */
bool tables_enter_new(paddr_t root, uint64_t virtual, paddr_t physical, unsigned flags);

/* The same with a large leaf; the addresses are multiples of its size. */
bool tables_enter_new_large(paddr_t root, uint64_t virtual, paddr_t physical, unsigned flags);

/* Enter a small leaf in the place of another one, for others to flush. False, with nothing changed, when
 * there is none. */
bool tables_replace(paddr_t root, uint64_t virtual, paddr_t physical, unsigned flags);

/*
 * Enter one leaf, for a fault, with the tables that tables_missing told. A larger leaf that is there and says
 * the same is left alone; one that does not is split, with tables from the stock. Where smaller leaves are,
 * small ones are entered, all that the large one would have been. Where the same memory is there already, it
 * gains the rights that it lacks and loses none.
 *
 * True when a present leaf gave way to one that says something else, so that others have to flush. False when
 * there is nothing that a processor may remember wrongly, but for a right that it does not know yet: that
 * makes a fault, and the fault makes it forget.
 */
bool tables_enter(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t leaf_size, unsigned flags,
                  struct table_stock *stock);

/*
 * Map frames in a row to a range that is empty, in leaves of at most this size where both are aligned. The
 * stock has what tables_missing tells for leaves of 4 KiB; what is left of it is the caller's.
 */
void tables_map(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t bytes, uint64_t leaf_size,
                unsigned flags, struct table_stock *stock);

/* Empty the range. Leaves that reach beyond it have been split. */
void tables_unmap(paddr_t root, uint64_t virtual, uint64_t bytes, struct table_gather *gather);

/*
 * Give what is present these rights (MAP_READ | MAP_WRITE ...); what is not stays so. No leaf gains the right
 * to write by this: a fault gives it, who knows whether the page is shared. Without any right the range is
 * emptied, as by tables_unmap. Leaves that reach beyond have been split.
 */
void tables_protect(paddr_t root, uint64_t virtual, uint64_t bytes, unsigned flags,
                    struct table_gather *gather);

/* Take the right to write from all that is present, leaves of any size, also those that reach beyond. */
void tables_restrict(paddr_t root, uint64_t virtual, uint64_t bytes, struct table_gather *gather);

/* How many tables tables_split takes there: for each large leaf that a boundary cuts. */
uint64_t tables_split_cost(paddr_t root, uint64_t boundary);
/* Split the leaves that reach over this address into smaller ones that say the same, until none does. */
void tables_split(paddr_t root, uint64_t boundary, struct table_stock *stock);

/*
 * Put one large leaf in the place of all that is in these 2 MiB; the table below goes into the gather. The
 * stock has what tables_missing tells for a large leaf there.
 */
void tables_join(paddr_t root, uint64_t virtual, paddr_t physical, unsigned flags, struct table_stock *stock,
                 struct table_gather *gather);

/* Pages of 4 KiB in leaves that were used since the last time this was asked; they count as not used from now
 * on. */
uint64_t tables_age(paddr_t root, uint64_t virtual, uint64_t bytes);

/* Pages present in the range; of them, in large and huge leaves; of those, in huge ones. */
struct tables_count {
    uint64_t pages, large_pages, huge_pages;
};
void tables_count(paddr_t root, uint64_t virtual, uint64_t bytes, struct tables_count *count);

/*
 * Take tables out of a space that runs nowhere any more, in steps: at most `most` tables; true when only the
 * root is left, which the caller frees.
 */
bool tables_dismantle(paddr_t root, uint64_t most, struct table_gather *gather);

/* The way of an address through the tables, for people: entries from the root down. Returns how many there
 * are. */
#define TABLE_LEVELS_MOST 5
struct table_step {
    paddr_t table;
    uint32_t index;
    uint32_t level; /* 1: leaves of 4 KiB */
    uint64_t entry; /* as the processor reads it */
    uint64_t span;  /* bytes that it covers */
    uint32_t flags; /* MAP_*, as far as this entry says */
    uint8_t present, leaf, accessed, dirty;
};
unsigned tables_walk(paddr_t root, uint64_t virtual, struct table_step steps[TABLE_LEVELS_MOST]);

#endif
