/*
 * The kernel's own mappings: the walker of user spaces (tables.h) with tables that are taken as they are
 * needed, and stay; and a look at tables that somebody else made.
 */
#include "kernel/arch/paging.h"

#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/tables_make.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/layout.h"

static struct paging_source source;
static paddr_t kernel_root;

void paging_set_source(const struct paging_source *from)
{
    source = *from;
    table_reach = from->offset;
}

void paging_set_kernel_root(paddr_t root)
{
    kernel_root = root;
}

paddr_t arch_kernel_root(void)
{
    return kernel_root;
}

void paging_load(paddr_t root)
{
    cr3_write(root.value);
}

void arch_space_load(paddr_t root)
{
    cr3_write(root.value);
}

paddr_t paging_loaded(void)
{
    return paddr(cr3_read() & PTE_FRAME);
}

/* Put one table from the source into the empty stock. */
static enum error stock_fill(struct table_stock *stock)
{
    enum error error = source.take(&stock->first);
    stock->count = error == ERR_NONE ? 1 : 0;
    return error;
}

/* A table from the source into the empty entry. */
static enum error table_make_now(uint64_t *entry, uint64_t virtual)
{
    struct table_stock stock;
    enum error error = stock_fill(&stock);
    if (error == ERR_NONE) {
        table_make(entry, virtual, &stock);
    }
    return error;
}

enum error arch_map(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags)
{
    ASSERT(is_aligned(virtual | physical.value | bytes, PAGE_SIZE) && !is_user_half(virtual));
    struct tables_count there;
    tables_count(root, virtual, bytes, &there);
    if (there.pages > 0) {
        return ERR_EXISTS;
    }
    unsigned most = (flags & MAP_LARGE) != 0 ? level_of_leaf(TABLES_HUGE) : 1;
    struct table_stock stock = {0};
    uint64_t done = 0;
    while (done < bytes) {
        done += tables_map_until(root, virtual + done, paddr(physical.value + done), bytes - done, most,
                                 flags, &stock);
        enum error error = done < bytes ? stock_fill(&stock) : ERR_NONE;
        if (error != ERR_NONE) {
            arch_unmap(root, virtual, done);
            return error;
        }
    }
    return ERR_NONE;
}

void arch_unmap(paddr_t root, uint64_t virtual, uint64_t bytes)
{
    ASSERT(!is_user_half(virtual));
    struct table_gather none = {0};
    tables_unmap(root, virtual, bytes, &none);
}

enum error arch_leaf_find(paddr_t root, uint64_t virtual, uint64_t leaf_size, struct arch_leaf **out)
{
    unsigned level = table_levels, last = level_of_leaf(leaf_size);
    paddr_t table = root;
    for (; level > last; level--) {
        uint64_t *entry = &table_at(table)[level_index(level, virtual)];
        if (*entry == 0) {
            enum error error = table_make_now(entry, virtual);
            if (error != ERR_NONE) {
                return error;
            }
        }
        if (entry_is_large(*entry)) {
            return ERR_EXISTS;
        }
        table = entry_table(*entry);
    }
    *out = (struct arch_leaf *)&table_at(table)[level_index(level, virtual)];
    return ERR_NONE;
}

void arch_leaf_set(struct arch_leaf *leaf, paddr_t physical, uint64_t leaf_size, unsigned flags)
{
    __atomic_store_n(&leaf->bits, physical.value | leaf_bits(flags, level_of_leaf(leaf_size)),
                     __ATOMIC_RELEASE);
}

void arch_leaves_set(struct arch_leaf *leaves, unsigned count, const pfn_t *frames, unsigned flags)
{
    uint64_t bits = leaf_bits(flags, 1);
    for (unsigned i = 0; i < count; i++) {
        __atomic_store_n(&leaves[i].bits, frames[i].value << PAGE_SHIFT | bits, __ATOMIC_RELEASE);
    }
}

void arch_leaf_clear(struct arch_leaf *leaf)
{
    __atomic_store_n(&leaf->bits, 0, __ATOMIC_RELEASE);
}

void arch_leaf_clear_here(struct arch_leaf *leaf, uint64_t virtual)
{
    arch_leaf_clear(leaf);
    page_forget(virtual);
}

void arch_leaves_clear_here(struct arch_leaf *leaves, unsigned count, uint64_t virtual)
{
    for (unsigned i = 0; i < count; i++) {
        __atomic_store_n(&leaves[i].bits, 0, __ATOMIC_RELEASE);
    }
    for (uint64_t end = virtual + count * PAGE_SIZE; virtual < end; virtual += PAGE_SIZE) {
        page_forget(virtual);
    }
}

/* Make the tables of this level that a range of the kernel half needs. Those of the levels above are there.
 */
static enum error prepare_level(paddr_t root, unsigned level, uint64_t base, uint64_t size)
{
    uint64_t span = level_span(level + 1);
    uint64_t count = size / span + (size % span != 0);
    for (uint64_t i = 0; i < count; i++) {
        paddr_t table = root;
        uint64_t at = base + i * span;
        for (unsigned l = table_levels; l > level + 1; l--) {
            table = entry_table(table_at(table)[level_index(l, at)]);
        }
        uint64_t *entry = &table_at(table)[level_index(level + 1, at)];
        enum error error = *entry == 0 ? table_make_now(entry, at) : ERR_NONE;
        if (error != ERR_NONE) {
            return error;
        }
    }
    return ERR_NONE;
}

enum error paging_prepare_kernel_half(paddr_t root)
{
#define REGION_ROW(name, base, size, about) {base, size},
    static const struct {
        uint64_t base, size;
    } regions[] = {LAYOUT_REGIONS(REGION_ROW)};
#undef REGION_ROW
    for (unsigned level = table_levels - 1; level >= 3; level--) {
        for (unsigned r = 0; r < sizeof(regions) / sizeof(regions[0]); r++) {
            enum error error = prepare_level(root, level, regions[r].base, regions[r].size);
            if (error != ERR_NONE) {
                return error;
            }
        }
    }
    return ERR_NONE;
}

void paging_explain(paddr_t root, uint64_t virtual, void (*print)(const char *format, ...))
{
    static const char *const names[] = {"",          "page table", "directory", "directory pointers",
                                        "4th level", "5th level"};
    struct table_step steps[TABLE_LEVELS_MOST];
    unsigned count = tables_walk(root, virtual, steps);
    for (unsigned i = 0; i < count; i++) {
        const struct table_step *s = &steps[i];
        print("  %-18s at %012lx [%3u] = %016lx%s%s%s%s%s", names[s->level], s->table.value, s->index,
              s->entry, !s->present ? " not present" : "", (s->entry & PTE_WRITE) != 0 ? " write" : "",
              (s->entry & PTE_USER) != 0 ? " user" : "", (s->entry & PTE_NX) != 0 ? " no-execute" : "",
              s->leaf ? " leaf" : "");
    }
}

static void visit_level(paddr_t table, unsigned level, void (*visit)(paddr_t, void *), void *context)
{
    visit(table, context);
    for (unsigned i = 0; i < TABLE_ENTRIES && level > 1; i++) {
        uint64_t entry = table_at(table)[i];
        if ((entry & PTE_PRESENT) != 0 && !entry_is_large(entry)) {
            visit_level(entry_table(entry), level - 1, visit, context);
        }
    }
}

void paging_visit_tables(paddr_t root, void (*visit)(paddr_t table, void *context), void *context)
{
    visit_level(root, table_levels, visit, context);
}

struct leaf_visit {
    uint64_t from, last; /* the addresses to look at */
    void (*visit)(uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags, void *context);
    void *context;
};

static void visit_leaves(paddr_t table, unsigned level, uint64_t virtual, const struct leaf_visit *v)
{
    const uint64_t *entries = table_at(table);
    uint64_t span = level_span(level);
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t entry = entries[i];
        if ((entry & PTE_PRESENT) == 0) {
            continue;
        }
        uint64_t at = virtual + i * span;
        if (level == table_levels && i >= TABLE_ENTRIES / 2) {
            at |= 0 - (level_span(level) << 8); /* canonical form */
        }
        if (at + (span - 1) < v->from || at > v->last) {
            continue;
        }
        if (level == 1 || entry_is_large(entry)) {
            v->visit(at, paddr(entry & PTE_FRAME & ~(span - 1)), span, entry_flags(entry, level, true),
                     v->context);
        } else {
            visit_leaves(entry_table(entry), level - 1, at, v);
        }
    }
}

void paging_visit_leaves(paddr_t root, uint64_t from, uint64_t end,
                         void (*visit)(uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags,
                                       void *context),
                         void *context)
{
    struct leaf_visit v = {from, end - 1, visit, context};
    visit_leaves(root, table_levels, 0, &v);
}

void paging_find_levels(void)
{
    table_levels = (cr4_read() & CR4_LA57) != 0 ? 5 : 4;
}
