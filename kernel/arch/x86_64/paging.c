/*
 * The page-table walker for four levels with leaves of 4 KiB, 2 MiB and 1 GiB (SDM vol. 3A 4.5). Mapping and
 * unmapping go down once for a range: each level handles all its entries that the range touches and recurses
 * for those that are not whole leaves.
 */
#include "kernel/arch/paging.h"

#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/layout.h"
#include "lib/text.h"

#define PTE_PRESENT   ((uint64_t)1 << 0)
#define PTE_WRITE     ((uint64_t)1 << 1)
#define PTE_USER      ((uint64_t)1 << 2)
#define PTE_PWT       ((uint64_t)1 << 3)
#define PTE_PCD       ((uint64_t)1 << 4)
#define PTE_LARGE     ((uint64_t)1 << 7)
#define PTE_PAT_SMALL ((uint64_t)1 << 7)
#define PTE_GLOBAL    ((uint64_t)1 << 8)
#define PTE_PAT_LARGE ((uint64_t)1 << 12)
#define PTE_NX        ((uint64_t)1 << 63)
#define PTE_FRAME     0x000ffffffffff000u

#define ENTRIES   512u
#define TOP_LEVEL 4u

static struct paging_source source;
static paddr_t kernel_root;

void paging_set_source(const struct paging_source *from)
{
    source = *from;
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

static uint64_t *table_at(paddr_t table)
{
    return (uint64_t *)(uintptr_t)(table.value + source.offset);
}

static paddr_t entry_table(uint64_t entry)
{
    return paddr(entry & PTE_FRAME);
}

/* Bytes that one entry of a table of this level covers; level 1 holds 4 KiB leaves. */
static uint64_t level_span(unsigned level)
{
    return PAGE_SIZE << (9 * (level - 1));
}

static unsigned level_index(unsigned level, uint64_t virtual)
{
    return (unsigned)(virtual / level_span(level)) % ENTRIES;
}

static bool is_leaf(uint64_t entry, unsigned level)
{
    return level == 1 || (entry & PTE_LARGE) != 0;
}

static uint64_t leaf_bits(unsigned flags, unsigned level)
{
    uint64_t bits = PTE_PRESENT;
    bits |= (flags & MAP_WRITE) != 0 ? PTE_WRITE : 0;
    bits |= (flags & MAP_USER) != 0 ? PTE_USER : PTE_GLOBAL;
    bits |= (flags & MAP_EXECUTE) != 0 ? 0 : PTE_NX;
    bits |= (flags & MAP_UNCACHED) != 0 ? PTE_PCD | PTE_PWT : 0;
    bits |= (flags & MAP_COMBINE) != 0 ? (level == 1 ? PTE_PAT_SMALL : PTE_PAT_LARGE) : 0;
    bits |= level > 1 ? PTE_LARGE : 0;
    return bits;
}

/* Rights of an entry that points to a table: the leaf decides. */
static uint64_t table_bits(uint64_t virtual)
{
    return PTE_PRESENT | PTE_WRITE | ((virtual >> 63) == 0 ? PTE_USER : 0);
}

static bool level_may_be_leaf(unsigned level, unsigned flags)
{
    return level == 1 ||
           ((flags & MAP_LARGE) != 0 && (level == 2 || (level == 3 && feature_used(FEATURE_pdpe1gb))));
}

struct mapping {
    uint64_t virtual;
    uint64_t physical;
    uint64_t bytes; /* left to map */
    unsigned flags;
    struct table_stock *stock; /* where tables come from */
};

/* ERR_NO_MEMORY when the stock is empty. */
static enum error table_make(uint64_t *entry, uint64_t virtual, struct table_stock *stock)
{
    if (stock->count == 0) {
        return ERR_NO_MEMORY;
    }
    paddr_t table = stock->first;
    stock->first = paddr(table_at(table)[0]);
    stock->count--;
    table_at(table)[0] = 0;
    *entry = table.value | table_bits(virtual);
    return ERR_NONE;
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
    return error == ERR_NONE ? table_make(entry, virtual, &stock) : error;
}

static void mapping_advance(struct mapping *m, uint64_t bytes)
{
    m->virtual += bytes;
    m->physical += bytes;
    m->bytes -= bytes;
}

/* Map what of the range lies in this table. */
static enum error map_level(paddr_t table, unsigned level, struct mapping *m)
{
    uint64_t span = level_span(level);
    for (unsigned i = level_index(level, m->virtual); i < ENTRIES && m->bytes > 0; i++) {
        uint64_t *entry = &table_at(table)[i];
        bool whole = m->bytes >= span && is_aligned(m->virtual | m->physical, span);
        if (whole && level_may_be_leaf(level, m->flags) && *entry == 0) {
            *entry = m->physical | leaf_bits(m->flags, level);
            mapping_advance(m, span);
            continue;
        }
        if (*entry == 0 && level > 1) {
            enum error error = table_make(entry, m->virtual, m->stock);
            if (error != ERR_NONE) {
                return error;
            }
        }
        if (level == 1 || is_leaf(*entry, level)) {
            return ERR_EXISTS;
        }
        enum error error = map_level(entry_table(*entry), level - 1, m);
        if (error != ERR_NONE) {
            return error;
        }
    }
    return ERR_NONE;
}

enum error arch_map(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags)
{
    ASSERT(is_aligned(virtual | physical.value | bytes, PAGE_SIZE));
    struct table_stock stock = {0};
    struct mapping m = {virtual, physical.value, bytes, flags, &stock};
    enum error error = map_level(root, TOP_LEVEL, &m);
    while (error == ERR_NO_MEMORY) { /* it came as far as it could without one more table */
        error = stock_fill(&stock);
        if (error != ERR_NONE) {
            break;
        }
        error = map_level(root, TOP_LEVEL, &m);
    }
    if (error != ERR_NONE) {
        arch_unmap(root, virtual, m.virtual - virtual);
    }
    return error;
}

void arch_map_stocked(paddr_t root, uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags,
                      struct table_stock *stock)
{
    ASSERT(is_aligned(virtual | physical.value | bytes, PAGE_SIZE));
    struct mapping m = {virtual, physical.value, bytes, flags, stock};
    enum error error = map_level(root, TOP_LEVEL, &m);
    ASSERT(error == ERR_NONE);
}

/* Tables below this one, and missing, that the range [virtual, end) needs; 0 is no table, of which all is
 * missing. */
static uint64_t missing_below(paddr_t table, unsigned level, uint64_t virtual, uint64_t end)
{
    uint64_t span = level_span(level), missing = 0;
    while (level > 1 && virtual < end) {
        uint64_t next = align_down(virtual, span) + span;
        uint64_t entry = table.value != 0 ? table_at(table)[level_index(level, virtual)] : 0;
        missing += entry == 0;
        missing += missing_below(entry_table(entry), level - 1, virtual, next < end ? next : end);
        virtual = next;
    }
    return missing;
}

uint64_t arch_map_tables(paddr_t root, uint64_t virtual, uint64_t bytes)
{
    return missing_below(root, TOP_LEVEL, virtual, virtual + bytes);
}

static void unmap_level(paddr_t table, unsigned level, uint64_t *virtual, uint64_t end)
{
    uint64_t span = level_span(level);
    for (unsigned i = level_index(level, *virtual); i < ENTRIES && *virtual < end; i++) {
        uint64_t *entry = &table_at(table)[i];
        uint64_t next = align_down(*virtual, span) + span;
        if (*entry == 0) {
            *virtual = next;
        } else if (is_leaf(*entry, level)) {
            ASSERT(is_aligned(*virtual, span) && next <= end);
            *entry = 0;
            *virtual = next;
        } else {
            unmap_level(entry_table(*entry), level - 1, virtual, end);
        }
        if (next == 0) {
            *virtual = end; /* the end of the address space */
        }
    }
}

void arch_unmap(paddr_t root, uint64_t virtual, uint64_t bytes)
{
    if (bytes > 0) {
        unmap_level(root, TOP_LEVEL, &virtual, virtual + bytes);
    }
}

static unsigned level_of_leaf(uint64_t leaf_size)
{
    ASSERT(leaf_size == PAGE_SIZE || leaf_size == level_span(2));
    return leaf_size == PAGE_SIZE ? 1 : 2;
}

enum error arch_leaf_find(paddr_t root, uint64_t virtual, uint64_t leaf_size, struct arch_leaf **out)
{
    unsigned level = TOP_LEVEL, last = level_of_leaf(leaf_size);
    paddr_t table = root;
    for (; level > last; level--) {
        uint64_t *entry = &table_at(table)[level_index(level, virtual)];
        if (*entry == 0) {
            enum error error = table_make_now(entry, virtual);
            if (error != ERR_NONE) {
                return error;
            }
        }
        if (level < TOP_LEVEL && is_leaf(*entry, level)) {
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

void arch_leaf_clear(struct arch_leaf *leaf)
{
    __atomic_store_n(&leaf->bits, 0, __ATOMIC_RELEASE);
}

void arch_leaf_clear_here(struct arch_leaf *leaf, uint64_t virtual)
{
    arch_leaf_clear(leaf);
    page_forget(virtual);
}

static unsigned entry_flags(uint64_t entry, unsigned level)
{
    unsigned flags = MAP_READ;
    flags |= (entry & PTE_WRITE) != 0 ? MAP_WRITE : 0;
    flags |= (entry & PTE_USER) != 0 ? MAP_USER : 0;
    flags |= (entry & PTE_NX) == 0 ? MAP_EXECUTE : 0;
    flags |= (entry & PTE_PCD) != 0 ? MAP_UNCACHED : 0;
    flags |= (entry & (level == 1 ? PTE_PAT_SMALL : PTE_PAT_LARGE)) != 0 ? MAP_COMBINE : 0;
    return flags;
}

struct arch_translation arch_translate(paddr_t root, uint64_t virtual)
{
    paddr_t table = root;
    for (unsigned level = TOP_LEVEL; level >= 1; level--) {
        uint64_t entry = table_at(table)[level_index(level, virtual)];
        if ((entry & PTE_PRESENT) == 0) {
            break;
        }
        if (level < TOP_LEVEL && is_leaf(entry, level)) {
            uint64_t span = level_span(level);
            uint64_t frame = entry & PTE_FRAME & ~(span - 1);
            return (struct arch_translation){true, paddr(frame | (virtual & (span - 1))), span,
                                             entry_flags(entry, level)};
        }
        table = entry_table(entry);
    }
    return (struct arch_translation){0};
}

enum error paging_prepare_kernel_half(paddr_t root)
{
#define REGION_ROW(name, base, size, about) {base, size},
    static const struct {
        uint64_t base, size;
    } regions[] = {LAYOUT_REGIONS(REGION_ROW)};
#undef REGION_ROW
    uint64_t span = level_span(TOP_LEVEL);
    for (unsigned r = 0; r < sizeof(regions) / sizeof(regions[0]); r++) {
        uint64_t count = regions[r].size / span + (regions[r].size % span != 0);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t *entry = &table_at(root)[level_index(TOP_LEVEL, regions[r].base + i * span)];
            if (*entry == 0) {
                enum error error = table_make_now(entry, regions[r].base);
                if (error != ERR_NONE) {
                    return error;
                }
            }
        }
    }
    return ERR_NONE;
}

void arch_space_create(paddr_t root)
{
    uint64_t half = ENTRIES / 2;
    memset(table_at(root), 0, half * sizeof(uint64_t));
    memcpy(table_at(root) + half, table_at(kernel_root) + half, half * sizeof(uint64_t));
}

/* Free the tables below this one; leaves are somebody else's. */
static uint64_t tables_free(paddr_t table, unsigned level, unsigned entries)
{
    uint64_t freed = 1;
    for (unsigned i = 0; i < entries && level > 1; i++) {
        uint64_t entry = table_at(table)[i];
        if (entry != 0 && !is_leaf(entry, level)) {
            freed += tables_free(entry_table(entry), level - 1, ENTRIES);
        }
    }
    source.give(table);
    return freed;
}

uint64_t arch_space_destroy(paddr_t root)
{
    return tables_free(root, TOP_LEVEL, ENTRIES / 2);
}

void paging_explain(paddr_t root, uint64_t virtual, void (*print)(const char *format, ...))
{
    static const char *const names[] = {"", "page table", "directory", "directory pointers", "root"};
    paddr_t table = root;
    for (unsigned level = TOP_LEVEL; level >= 1; level--) {
        unsigned index = level_index(level, virtual);
        uint64_t entry = table_at(table)[index];
        bool leaf = (entry & PTE_PRESENT) != 0 && level < TOP_LEVEL && is_leaf(entry, level);
        print("  %-18s at %012lx [%3u] = %016lx%s%s%s%s%s", names[level], table.value, index, entry,
              (entry & PTE_PRESENT) == 0 ? " not present" : "", (entry & PTE_WRITE) != 0 ? " write" : "",
              (entry & PTE_USER) != 0 ? " user" : "", (entry & PTE_NX) != 0 ? " no-execute" : "",
              leaf ? " leaf" : "");
        if (leaf || (entry & PTE_PRESENT) == 0) {
            return;
        }
        table = entry_table(entry);
    }
}

static void visit_level(paddr_t table, unsigned level, void (*visit)(paddr_t, void *), void *context)
{
    visit(table, context);
    for (unsigned i = 0; i < ENTRIES && level > 1; i++) {
        uint64_t entry = table_at(table)[i];
        bool leaf = level < TOP_LEVEL && (entry & PTE_LARGE) != 0;
        if ((entry & PTE_PRESENT) != 0 && !leaf) {
            visit_level(entry_table(entry), level - 1, visit, context);
        }
    }
}

void paging_visit_tables(paddr_t root, void (*visit)(paddr_t table, void *context), void *context)
{
    visit_level(root, TOP_LEVEL, visit, context);
}

struct leaf_visit {
    uint64_t from, last; /* the addresses to look at */
    void (*visit)(uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags, void *context);
    void *context;
};

static void visit_leaves(paddr_t table, unsigned level, uint64_t virtual, const struct leaf_visit *v)
{
    const uint64_t *entries = table_at(table);
    uint64_t reach = level_span(level) - 1;
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t entry = entries[i];
        if ((entry & PTE_PRESENT) == 0) {
            continue;
        }
        uint64_t at = virtual + i * level_span(level);
        at |= level == TOP_LEVEL && i >= ENTRIES / 2 ? 0xffff000000000000u : 0; /* canonical form */
        if (at + reach < v->from || at > v->last) {
            continue;
        }
        if (is_leaf(entry, level)) {
            uint64_t span = level_span(level);
            v->visit(at, paddr(entry & PTE_FRAME & ~(span - 1)), span, entry_flags(entry, level), v->context);
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
    visit_leaves(root, TOP_LEVEL, 0, &v);
}
