/* The way of one address through page tables, for people and for what is asked seldom; see tables.h. */
#include "kernel/arch/x86_64/page_entry.h"

unsigned entry_flags(uint64_t entry, unsigned level, bool leaf)
{
    if ((entry & PTE_PRESENT) == 0) {
        return 0;
    }
    unsigned flags = MAP_READ;
    flags |= (entry & PTE_WRITE) != 0 ? MAP_WRITE : 0;
    flags |= (entry & PTE_USER) != 0 ? MAP_USER : 0;
    flags |= (entry & PTE_NX) == 0 ? MAP_EXECUTE : 0;
    if (leaf) {
        flags |= (entry & PTE_PCD) != 0 ? MAP_UNCACHED : 0;
        flags |= (entry & (level == 1 ? PTE_PAT_SMALL : PTE_PAT_LARGE)) != 0 ? MAP_COMBINE : 0;
    }
    return flags;
}

unsigned tables_walk(paddr_t root, uint64_t virtual, struct table_step steps[TABLE_LEVELS_MOST])
{
    paddr_t table = root;
    unsigned count = 0;
    for (unsigned level = table_levels; level >= 1; level--) {
        unsigned index = level_index(level, virtual);
        uint64_t entry = __atomic_load_n(&table_at(table)[index], __ATOMIC_RELAXED);
        bool present = (entry & PTE_PRESENT) != 0;
        bool leaf = present && (level == 1 || entry_is_large(entry));
        steps[count++] = (struct table_step){
            .table = table,
            .index = index,
            .level = level,
            .entry = entry,
            .span = level_span(level),
            .flags = entry_flags(entry, level, leaf),
            .present = present,
            .leaf = leaf,
            .accessed = (entry & PTE_ACCESSED) != 0,
            .dirty = leaf && (entry & PTE_DIRTY) != 0,
        };
        if (leaf || !present) {
            break;
        }
        table = entry_table(entry);
    }
    return count;
}

struct arch_translation arch_translate(paddr_t root, uint64_t virtual)
{
    struct table_step steps[TABLE_LEVELS_MOST];
    const struct table_step *last = &steps[tables_walk(root, virtual, steps) - 1];
    if (!last->leaf) {
        return (struct arch_translation){0};
    }
    uint64_t offset = last->span - 1;
    uint64_t frame = last->entry & PTE_FRAME & ~offset;
    return (struct arch_translation){true, paddr(frame | (virtual & offset)), last->span, last->flags};
}
