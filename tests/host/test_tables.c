/*
 * The page-table walker, as it is in the kernel, against a flat model: random operations over four and five
 * levels, with a memory management unit that reads the tables as the manual says.
 */
#include "tests/host/host.h"

#include "kernel/arch/paging.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/layout.h"
#include "tests/host/tables_model.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#define OPERATIONS 500000u
#define HOT_PAGES  2048u /* where most operations are, around a border of high levels */
#define MODELS     3u

extern unsigned table_levels; /* the walker's own */

static bool has_huge;

bool feature_used(enum feature feature)
{
    return feature == FEATURE_pdpe1gb && has_huge;
}

_Noreturn void panic(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    abort();
}

struct run {
    struct random random;
    paddr_t root;
    unsigned levels;
    struct model models[MODELS];
    struct table_stock stock;
    struct table_gather gather;
};

/* A range in one of the models. */
struct range {
    struct model *m;
    uint64_t first, count, virtual, bytes;
};

static uint64_t below(struct run *run, uint64_t limit)
{
    return random_below(&run->random, limit);
}

/* Random pages, most of them in the middle; `align` is in pages. */
static struct range some_range(struct run *run, uint64_t align, uint64_t most)
{
    struct range r = {.m = &run->models[below(run, MODELS)]};
    uint64_t hot = r.m->count > 2 * HOT_PAGES && align < 262144 && below(run, 64) != 0;
    uint64_t from = hot ? r.m->count / 2 - HOT_PAGES / 2 : 0;
    uint64_t room = hot ? HOT_PAGES : r.m->count;
    r.first = (from + below(run, room)) / align * align;
    uint64_t left = r.m->count - r.first;
    most = most < left ? most : left;
    r.count = (1 + below(run, below(run, 3) == 0 ? most : most < 16 ? most : 16) + align - 1) / align * align;
    r.count = r.count > left ? left : r.count;
    r.virtual = r.m->base + r.first * 4096;
    r.bytes = r.count * 4096;
    return r;
}

static uint64_t some_physical(struct run *run, uint64_t align)
{
    uint64_t pages = below(run, 4) == 0 ? align : 1 + below(run, 1u << 30);
    return (pages + align) / align * align * 4096;
}

static unsigned some_flags(struct run *run)
{
    unsigned flags = MAP_READ | MAP_USER | ((unsigned)below(run, 4) * MAP_WRITE);
    uint64_t kind = below(run, 10);
    return flags | (kind == 0 ? MAP_UNCACHED : kind == 1 ? MAP_COMBINE : 0);
}

static unsigned some_level(struct run *run)
{
    uint64_t dice = below(run, 4096);
    return dice < 3 && has_huge ? 3 : dice < 200 ? 2 : 1;
}

static void check_range(struct run *run, const struct range *r)
{
    uint64_t end = r->first + r->count;
    for (unsigned i = 0; i < 4; i++) {
        model_check(r->m, run->root, run->levels, r->first + below(run, r->count));
    }
    model_check(r->m, run->root, run->levels, r->first > 0 ? r->first - 1 : 0);
    model_check(r->m, run->root, run->levels, end < r->m->count ? end : end - 1);
    model_check(r->m, run->root, run->levels, r->first);
    model_check(r->m, run->root, run->levels, end - 1);
}

/* Tables that are missing, found by asking for each one. */
static uint64_t missing(struct run *run, const struct range *r, unsigned want)
{
    uint64_t tables = 0, last = r->virtual + r->bytes - 1;
    for (unsigned level = want; level < run->levels; level++) {
        uint64_t span = LEVEL_PAGES(level + 1) * 4096;
        for (uint64_t at = r->virtual / span * span; at <= last; at += span) {
            tables += !mmu_has_table(run->root, run->levels, at, level);
        }
    }
    return tables;
}

static void fill_for(struct run *run, const struct range *r, unsigned level)
{
    uint64_t tables = tables_missing(run->root, r->virtual, r->bytes, LEVEL_PAGES(level) * 4096);
    assert_int_equal(tables, missing(run, r, level));
    stock_fill(&run->stock, tables);
}

/* Split what reaches over the ends of the range. */
static void split_ends(struct run *run, const struct range *r)
{
    for (unsigned end = 0; end < 2; end++) {
        uint64_t boundary = r->virtual + end * r->bytes;
        uint64_t cost = tables_split_cost(run->root, boundary);
        assert_int_equal(cost, model_split(r->m, r->first + end * r->count));
        stock_fill(&run->stock, cost);
        tables_split(run->root, boundary, &run->stock);
        assert_int_equal(run->stock.count, 0);
    }
}

static void do_enter(struct run *run)
{
    unsigned level = some_level(run);
    struct range r = some_range(run, LEVEL_PAGES(level), 1);
    if (r.count < LEVEL_PAGES(level)) {
        return;
    }
    r.count = LEVEL_PAGES(level);
    r.bytes = r.count * 4096;
    const struct model_page *p = &r.m->pages[r.first];
    bool again = p->frame != 0 && (p->frame >> 12) % r.count == 0 && below(run, 2) == 0;
    uint64_t physical = again ? p->frame : some_physical(run, r.count);
    unsigned flags =
        again && below(run, 4) != 0 ? p->flags ^ (unsigned)below(run, 4) * MAP_WRITE : some_flags(run);
    fill_for(run, &r, level);
    bool replaced = tables_enter(run->root, r.virtual, paddr(physical), r.bytes, flags, &run->stock);
    bool covered = p->level > level;
    assert_int_equal(replaced, model_enter(r.m, r.first, physical, level, flags));
    assert_true(run->stock.count == 0 || covered);
    stock_empty(&run->stock);
    check_range(run, &r);
}

static void do_unmap_range(struct run *run, const struct range *r)
{
    split_ends(run, r);
    uint64_t leaves = model_leaves(r->m, r->first, r->count);
    tables_unmap(run->root, r->virtual, r->bytes, &run->gather);
    model_unmap(r->m, r->first, r->count);
    assert_int_equal(run->gather.leaves, leaves);
    gather_give(&run->gather, true);
    check_range(run, r);
}

static void do_unmap(struct run *run)
{
    struct range r = some_range(run, below(run, 4) == 0 ? 512 : 1, below(run, 256) == 0 ? 300000 : 700);
    do_unmap_range(run, &r);
}

static void do_map(struct run *run)
{
    unsigned most = some_level(run), flags = some_flags(run);
    struct range r = some_range(run, 1, most == 3 ? 600000 : most == 2 ? 3000 : 700);
    if (!model_is_empty(r.m, r.first, r.count)) {
        do_unmap_range(run, &r);
    }
    uint64_t align = most > 1 && below(run, 4) != 0 ? LEVEL_PAGES(most) : 1;
    uint64_t physical = some_physical(run, align) + (align > 1 ? r.virtual % (align * 4096) : 0);
    fill_for(run, &r, 1);
    tables_map(run->root, r.virtual, paddr(physical), r.bytes, LEVEL_PAGES(most) * 4096, flags, &run->stock);
    assert_true(run->stock.count == 0 || most > 1);
    stock_empty(&run->stock);
    model_map(r.m, r.first, r.count, physical, most, flags);
    check_range(run, &r);
}

static void do_protect(struct run *run)
{
    struct range r = some_range(run, 1, below(run, 256) == 0 ? 300000 : 700);
    unsigned flags = below(run, 8) == 0 ? MAP_USER : some_flags(run);
    split_ends(run, &r);
    tables_protect(run->root, r.virtual, r.bytes, flags, &run->gather);
    assert_int_equal(run->gather.leaves, model_protect(r.m, r.first, r.count, flags));
    gather_give(&run->gather, true);
    check_range(run, &r);
}

static void do_restrict(struct run *run)
{
    struct range r = some_range(run, 1, below(run, 256) == 0 ? 300000 : 700);
    tables_restrict(run->root, r.virtual, r.bytes, &run->gather);
    assert_int_equal(run->gather.leaves, model_restrict(r.m, r.first, r.count));
    assert_int_equal(run->gather.tables, 0);
    run->gather.leaves = 0;
    check_range(run, &r);
}

static void do_split(struct run *run)
{
    struct range r = some_range(run, 1, 1);
    split_ends(run, &r);
    check_range(run, &r);
}

static void do_join(struct run *run)
{
    struct range r = some_range(run, 512, 1);
    uint64_t physical = some_physical(run, 512);
    unsigned flags = some_flags(run);
    fill_for(run, &r, 2);
    tables_join(run->root, r.virtual, paddr(physical), flags, &run->stock, &run->gather);
    assert_int_equal(run->stock.count, 0);
    assert_int_equal(run->gather.leaves, model_join(r.m, r.first, physical, flags));
    gather_give(&run->gather, true);
    check_range(run, &r);
}

static void do_age_and_count(struct run *run)
{
    struct range r = some_range(run, below(run, 2) == 0 ? 512 : 1, below(run, 64) == 0 ? 300000 : 1500);
    struct tables_count got, expected;
    tables_count(run->root, r.virtual, r.bytes, &got);
    model_count(r.m, r.first, r.count, &expected);
    assert_int_equal(got.pages, expected.pages);
    assert_int_equal(got.large_pages, expected.large_pages);
    assert_int_equal(got.huge_pages, expected.huge_pages);
    assert_int_equal(tables_age(run->root, r.virtual, r.bytes), model_age(r.m, r.first, r.count));
    check_range(run, &r);
}

static void do_touch(struct run *run)
{
    for (unsigned i = 0; i < 8; i++) {
        struct range r = some_range(run, 1, 1);
        if (r.m->pages[r.first].frame != 0) {
            bool write = (r.m->pages[r.first].flags & MAP_WRITE) != 0 && below(run, 2) == 0;
            mmu_touch(run->root, run->levels, r.virtual, write);
            model_head(r.m, r.first)->marks |= MODEL_USED | (write ? MODEL_DIRTY : 0);
        }
    }
}

static void check_all(struct run *run, uint64_t step)
{
    assert_int_equal(mmu_audit(run->root, run->levels), memory_taken);
    for (unsigned k = 0; k < MODELS; k++) {
        for (uint64_t i = below(run, step); i < run->models[k].count; i += 1 + below(run, 2 * step)) {
            model_check(&run->models[k], run->root, run->levels, i);
        }
    }
}

static void dismantle(struct run *run)
{
    bool whole = false;
    while (!whole) {
        uint64_t before = memory_taken, most = 1 + below(run, 20);
        whole = tables_dismantle(run->root, most, &run->gather);
        assert_true(run->gather.tables <= most && (whole || run->gather.tables == most));
        gather_give(&run->gather, false);
        assert_true(before > memory_taken || whole);
        assert_true(memory_taken >= 1);
    }
    assert_int_equal(memory_taken, 1);
    assert_true(tables_dismantle(run->root, 1, &run->gather));
    assert_int_equal(run->gather.tables, 0);
    for (unsigned i = 0; i < 256; i++) {
        assert_int_equal(memory_at(run->root)[i], 0);
    }
}

static void operations(unsigned levels, uint64_t seed)
{
    static void (*const choice[])(struct run *) = {do_enter, do_enter, do_enter, do_enter,        do_map,
                                                   do_map,   do_unmap, do_touch, do_protect,      do_restrict,
                                                   do_split, do_join,  do_touch, do_age_and_count};
    struct run run = {.random = {seed}, .levels = levels};
    uint64_t half = (uint64_t)1 << (levels == 5 ? 56 : 47);
    memory_start();
    table_levels = levels;
    run.root = memory_take();
    model_make(&run.models[0], levels == 5 ? ((uint64_t)1 << 48) - GIB : 512 * GIB - GIB, 2 * GIB);
    model_make(&run.models[1], half - GIB, GIB);
    model_make(&run.models[2], 3 * GIB, 16 * MIB);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        choice[below(&run, sizeof(choice) / sizeof(choice[0]))](&run);
        if (i % 20000 == 0) {
            check_all(&run, 50);
        }
    }
    check_all(&run, 1);
    dismantle(&run);
    memory_give(run.root);
    memory_end();
    for (unsigned k = 0; k < MODELS; k++) {
        model_end(&run.models[k]);
    }
}

static void four_levels_agree_with_the_model(void **state)
{
    (void)state;
    has_huge = true;
    operations(4, 1);
}

static void five_levels_agree_with_the_model(void **state)
{
    (void)state;
    has_huge = true;
    operations(5, 2);
}

static void without_leaves_of_1_gib_the_model_agrees(void **state)
{
    (void)state;
    has_huge = false;
    operations(4, 3);
}

/* A processor that still walks a table which was taken out, or joined, finds nothing there. */
static void gathered_tables_read_as_not_present(void **state)
{
    (void)state;
    struct table_stock stock = {0};
    struct table_gather gather = {0};
    memory_start();
    table_levels = 4;
    paddr_t root = memory_take();
    stock_fill(&stock, tables_missing(root, GIB, 4 * MIB, PAGE_SIZE));
    assert_int_equal(stock.count, 4);
    tables_map(root, GIB, paddr(GIB), 4 * MIB, PAGE_SIZE, MAP_READ | MAP_WRITE | MAP_USER, &stock);
    struct table_step steps[TABLE_LEVELS_MOST];
    assert_int_equal(tables_walk(root, GIB + 2 * MIB + 0x5000, steps), 4);
    assert_int_equal(steps[3].index, 5);
    assert_true(steps[3].leaf && steps[3].level == 1 && steps[3].span == PAGE_SIZE);
    assert_int_equal(steps[3].flags, MAP_READ | MAP_WRITE | MAP_USER);
    uint64_t *second = memory_at(steps[3].table);
    tables_join(root, GIB + 2 * MIB, paddr(8 * GIB), MAP_READ | MAP_USER, &stock, &gather);
    assert_int_equal(gather.tables, 1);
    assert_int_equal(tables_walk(root, GIB + 2 * MIB + 0x5000, steps), 3);
    assert_true(steps[2].leaf && steps[2].level == 2 && steps[2].flags == (MAP_READ | MAP_USER));
    assert_int_equal(arch_translate(root, GIB + 2 * MIB + 0x5123).physical.value, 8 * GIB + 0x5123);
    assert_int_equal(tables_walk(root, GIB, steps), 4);
    uint64_t *first = memory_at(steps[3].table);
    tables_unmap(root, GIB, 4 * MIB, &gather);
    assert_int_equal(gather.tables, 4);
    assert_int_equal(gather.leaves, 512 + 512 + 1);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal((first[i] | second[i]) & 1, 0);
    }
    assert_int_equal(tables_walk(root, GIB, steps), 1);
    assert_false(steps[0].present);
    gather_give(&gather, true);
    memory_give(root);
    memory_end();
}

/* A processor that marks leaves as dirty whenever it sees one that is not, over and over. */
struct marker {
    pthread_t thread;
    uint64_t *entries;
    unsigned count;
    uint64_t kind;        /* bits that its leaves have, and tables have not */
    uint64_t marked[512]; /* atomic: the frame of the leaf that it marked last there */
    uint64_t again;       /* atomic: leaves that it marked a second time, as the first mark was lost */
    uint64_t rounds;      /* atomic */
    bool stop;            /* atomic */
};

#define DIRTY  0x40u
#define FRAMES (((uint64_t)1 << 52) - 4096)

static void *mark_leaves(void *argument)
{
    struct marker *m = argument;
    while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
        for (unsigned i = 0; i < m->count; i++) {
            uint64_t leaf = __atomic_load_n(&m->entries[i], __ATOMIC_ACQUIRE);
            if ((leaf & m->kind) == m->kind && (leaf & DIRTY) == 0 &&
                __atomic_compare_exchange_n(&m->entries[i], &leaf, leaf | DIRTY, false, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE)) {
                uint64_t before = __atomic_exchange_n(&m->marked[i], leaf & FRAMES, __ATOMIC_ACQ_REL);
                __atomic_add_fetch(&m->again, before == (leaf & FRAMES), __ATOMIC_ACQ_REL);
            }
        }
        __atomic_add_fetch(&m->rounds, 1, __ATOMIC_ACQ_REL);
    }
    return NULL;
}

/* It marks the entries of the table in which this address has its leaf, from that one on. */
static void marker_start(struct marker *m, paddr_t root, uint64_t at, unsigned count, uint64_t kind)
{
    struct table_step steps[TABLE_LEVELS_MOST];
    unsigned last = tables_walk(root, at, steps) - 1;
    m->entries = memory_at(steps[last].table) + steps[last].index;
    m->count = count;
    m->kind = kind;
    assert_int_equal(pthread_create(&m->thread, NULL, mark_leaves, m), 0);
}

/* All that it does from here on, it does to what is there now. */
static void marker_wait(struct marker *m)
{
    uint64_t rounds = __atomic_load_n(&m->rounds, __ATOMIC_ACQUIRE);
    while (__atomic_load_n(&m->rounds, __ATOMIC_ACQUIRE) < rounds + 2) {
        sched_yield();
    }
}

static void marker_end(struct marker *m)
{
    __atomic_store_n(&m->stop, true, __ATOMIC_RELEASE);
    pthread_join(m->thread, NULL);
}

#define ALL_RIGHTS (MAP_READ | MAP_WRITE | MAP_EXECUTE | MAP_USER)

/* A large leaf loses its rights and is split: what it was marked with, all its parts have. */
static void marks_of_a_leaf_that_is_split_are_not_lost(void **state)
{
    (void)state;
    struct table_stock stock = {0};
    struct table_gather gather = {0};
    struct marker m = {.stop = false};
    uint64_t at = 5 * GIB, seen = 0;
    memory_start();
    table_levels = 4;
    paddr_t root = memory_take();
    stock_fill(&stock, 2);
    tables_map(root, at + 2 * MIB, paddr(GIB), 2 * MIB, 2 * MIB, ALL_RIGHTS, &stock); /* keeps the table */
    marker_start(&m, root, at, 1, 0x81);
    for (uint64_t i = 1; i < 5000; i++) {
        stock_fill(&stock, 1);
        tables_enter(root, at, paddr(i * 2 * MIB), 2 * MIB, ALL_RIGHTS, &stock);
        for (uint64_t k = 0; k < i % 128; k++) {
            __asm__ volatile("" : : : "memory");
        }
        tables_split(root, at + PAGE_SIZE, &stock);
        marker_wait(&m);
        bool marked = __atomic_load_n(&m.marked[0], __ATOMIC_ACQUIRE) == i * 2 * MIB;
        seen += marked;
        for (uint64_t page = 0; page < 512; page++) {
            assert_int_equal(mmu_translate(root, 4, at + page * PAGE_SIZE).dirty, marked);
        }
        tables_unmap(root, at, 2 * MIB, &gather);
        gather_give(&gather, true);
    }
    marker_end(&m);
    assert_true(seen > 0);
    tables_unmap(root, at, 4 * MIB, &gather);
    gather_give(&gather, true);
    memory_give(root);
    memory_end();
}

/* Small leaves lose rights and age. */
static void marks_of_leaves_that_change_are_not_lost(void **state)
{
    (void)state;
    struct table_stock stock = {0};
    struct table_gather gather = {0};
    struct marker m = {.stop = false};
    uint64_t at = 5 * GIB, bytes = 511 * PAGE_SIZE; /* the last page keeps the table */
    memory_start();
    table_levels = 4;
    paddr_t root = memory_take();
    stock_fill(&stock, 3);
    tables_map(root, at + bytes, paddr(GIB), PAGE_SIZE, PAGE_SIZE, ALL_RIGHTS, &stock);
    marker_start(&m, root, at, 511, 1);
    for (uint64_t i = 1; i < 3000; i++) {
        uint64_t physical = i * 2 * MIB;
        if (i % 3 != 0) {
            tables_map(root, at, paddr(physical), bytes, PAGE_SIZE, ALL_RIGHTS, &stock);
        }
        for (uint64_t page = 0; i % 3 == 0 && page < 511; page++) { /* so that they are used */
            tables_enter(root, at + page * PAGE_SIZE, paddr(physical + page * PAGE_SIZE), PAGE_SIZE,
                         ALL_RIGHTS, &stock);
        }
        if (i % 3 == 0) {
            assert_int_equal(tables_age(root, at, bytes), 511);
        } else if (i % 3 == 1) {
            tables_restrict(root, at, bytes, &gather);
        } else {
            tables_protect(root, at, bytes, MAP_READ | MAP_USER, &gather);
        }
        marker_wait(&m);
        for (uint64_t page = 0; page < 511; page++) {
            struct mmu_result r = mmu_translate(root, 4, at + page * PAGE_SIZE);
            assert_true(r.dirty);
            assert_int_equal(__atomic_load_n(&m.marked[page], __ATOMIC_ACQUIRE), physical + page * PAGE_SIZE);
        }
        tables_unmap(root, at, bytes, &gather);
        assert_int_equal(gather.tables, 0);
    }
    marker_end(&m);
    assert_int_equal(m.again, 0);
    tables_unmap(root, at, 2 * MIB, &gather);
    gather_give(&gather, true);
    memory_give(root);
    memory_end();
}

/* --- the kernel's own mappings --- */

static uint64_t source_left;

static enum error source_take(paddr_t *frame)
{
    if (source_left == 0) {
        return ERR_NO_MEMORY;
    }
    source_left--;
    *frame = memory_take();
    return ERR_NONE;
}

extern uint64_t table_reach;

static paddr_t kernel_make(unsigned levels)
{
    memory_start();
    table_levels = levels;
    has_huge = true;
    source_left = 1000;
    const struct paging_source source = {source_take, memory_give, table_reach};
    paging_set_source(&source);
    paddr_t root = memory_take();
    assert_int_equal(paging_prepare_kernel_half(root), ERR_NONE);
    paging_set_kernel_root(root);
    return root;
}

struct frames {
    paddr_t frames[64];
    unsigned count;
};

static void note_table(paddr_t table, void *context)
{
    struct frames *all = context;
    assert_true(all->count < 64);
    all->frames[all->count++] = table;
}

struct leaves {
    uint64_t next, bytes, large;
};

static void look(uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags, void *context)
{
    struct leaves *l = context;
    assert_int_equal(virtual, l->next);
    assert_int_equal(physical.value, virtual - DEVICES_BASE + GIB);
    assert_int_equal(flags, MAP_READ | MAP_WRITE | MAP_COMBINE);
    l->next += bytes;
    l->bytes += bytes;
    l->large += bytes > PAGE_SIZE;
}

static void kernel_mappings(unsigned levels)
{
    const unsigned flags = MAP_READ | MAP_WRITE | MAP_COMBINE | MAP_LARGE;
    paddr_t root = kernel_make(levels);
    uint64_t prepared = memory_taken, at = DEVICES_BASE + 2 * MIB - 3 * PAGE_SIZE;
    uint64_t bytes = 5 * PAGE_SIZE + GIB + 6 * MIB;
    paddr_t to = paddr(at - DEVICES_BASE + GIB);
    source_left = 2;
    assert_int_equal(arch_map(root, at, to, bytes, flags), ERR_NO_MEMORY);
    assert_false(arch_translate(root, at).present);
    source_left = 1000;
    assert_int_equal(arch_map(root, at, to, bytes, flags), ERR_NONE);
    assert_int_equal(arch_map(root, at + GIB, to, PAGE_SIZE, flags), ERR_EXISTS);
    struct leaves l = {.next = at};
    paging_visit_leaves(root, DEVICES_BASE, DEVICES_BASE + DEVICES_SIZE, look, &l);
    assert_int_equal(l.bytes, bytes);
    assert_true(l.large > 3);
    struct mmu_result r = mmu_translate(root, levels, at + 3 * PAGE_SIZE);
    assert_true(r.present && r.global && !r.user && r.kind == KIND_COMBINING && r.leaf_size == 2 * MIB);
    uint64_t tables = memory_taken;
    arch_unmap(root, at, bytes);
    assert_false(arch_translate(root, at).present || arch_translate(root, at + bytes - 1).present);
    assert_int_equal(memory_taken, tables); /* they stay */
    assert_int_equal(arch_map(root, at, to, bytes, flags), ERR_NONE);
    assert_int_equal(memory_taken, tables);
    assert_true(tables > prepared);
    /* A space shares it. */
    paddr_t space = memory_take();
    memset(memory_at(space), 0xff, 4096);
    arch_space_create(space);
    assert_int_equal(arch_translate(space, at + GIB).physical.value, to.value + GIB);
    assert_false(arch_translate(space, at - DEVICES_BASE).present);
    memory_give(space);
    struct frames all = {.count = 0};
    paging_visit_tables(root, note_table, &all);
    while (all.count > 0) {
        memory_give(all.frames[--all.count]);
    }
    memory_end();
}

static void the_kernels_mappings_use_large_leaves_and_keep_their_tables(void **state)
{
    (void)state;
    kernel_mappings(4);
    kernel_mappings(5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathered_tables_read_as_not_present),
        cmocka_unit_test(marks_of_a_leaf_that_is_split_are_not_lost),
        cmocka_unit_test(marks_of_leaves_that_change_are_not_lost),
        cmocka_unit_test(the_kernels_mappings_use_large_leaves_and_keep_their_tables),
        cmocka_unit_test(four_levels_agree_with_the_model),
        cmocka_unit_test(five_levels_agree_with_the_model),
        cmocka_unit_test(without_leaves_of_1_gib_the_model_agrees),
    };
    return cmocka_run_group_tests_name("page tables", tests, NULL, NULL);
}
