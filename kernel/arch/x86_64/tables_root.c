/* Page tables as a whole: making the root of a space, and taking a space apart; see tables.h. */
#include "kernel/arch/x86_64/tables_cursor.h"

#define USER_ENTRIES (TABLE_ENTRIES / 2)

void arch_space_create(paddr_t root)
{
    uint64_t *to = table_at(root);
    const uint64_t *from = table_at(arch_kernel_root());
    for (unsigned i = 0; i < USER_ENTRIES; i += 8) {
        for (unsigned k = 0; k < 8; k++) {
            to[i + k] = 0;
            to[USER_ENTRIES + i + k] = from[USER_ENTRIES + i + k];
        }
    }
}

/*
 * Take the table that this entry leads to, and all below it, but no more than so many. Returns how many may
 * be taken yet; the entry is 0 when all was.
 */
static uint64_t take_below(uint64_t *entry, unsigned level, uint64_t most, struct table_gather *gather)
{
    paddr_t table = entry_table(*entry);
    uint64_t *below = table_at(table);
    for (unsigned i = 0; level > 2 && *entry >= PTE_COUNT_ONE && most > 0; i++) {
        if (below[i] == 0) {
            continue;
        }
        if (entry_is_table(below[i])) {
            most = take_below(&below[i], level - 1, most, gather);
            if (below[i] != 0) {
                return 0;
            }
        }
        below[i] = 0;
        *entry -= PTE_COUNT_ONE;
    }
    if (most == 0) {
        return 0;
    }
    *entry = 0;
    gather_table(gather, table);
    return most - 1;
}

/* The first of the entries of the user half, from this one on, that is not 0. */
static unsigned first_used(const uint64_t *entries, unsigned i)
{
    for (i -= i % 8; i < USER_ENTRIES; i += 8) {
        const uint64_t *e = entries + i;
        if ((e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]) != 0) {
            break;
        }
    }
    while (i < USER_ENTRIES && entries[i] == 0) {
        i++;
    }
    return i;
}

bool tables_dismantle(paddr_t root, uint64_t most, struct table_gather *gather)
{
    uint64_t *entries = table_at(root);
    unsigned i = first_used(entries, 0);
    while (i < USER_ENTRIES) {
        most = take_below(&entries[i], table_levels, most, gather);
        if (entries[i] != 0) {
            return false;
        }
        i = first_used(entries, i);
    }
    return true;
}
