/* The flat model; see tables_model.h. */
#include "tests/host/host.h"

#include "tests/host/tables_model.h"

#define RIGHTS (MAP_WRITE | MAP_EXECUTE)

void model_make(struct model *m, uint64_t base, uint64_t bytes)
{
    *m = (struct model){base, bytes / 4096, calloc(bytes / 4096, sizeof(struct model_page))};
    assert_non_null(m->pages);
}

void model_end(struct model *m)
{
    free(m->pages);
}

bool model_is_empty(const struct model *m, uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++) {
        if (m->pages[i].frame != 0) {
            return false;
        }
    }
    return true;
}

struct model_page *model_head(const struct model *m, uint64_t page)
{
    uint64_t size = m->pages[page].frame != 0 ? LEVEL_PAGES(m->pages[page].level) : 1;
    return &m->pages[page & ~(size - 1)];
}

/* The first page behind the leaf, or behind the page where there is none. */
static uint64_t leaf_end(const struct model *m, uint64_t page)
{
    uint64_t size = m->pages[page].frame != 0 ? LEVEL_PAGES(m->pages[page].level) : 1;
    return (page & ~(size - 1)) + size;
}

uint64_t model_leaves(const struct model *m, uint64_t first, uint64_t count)
{
    uint64_t leaves = 0;
    for (uint64_t i = first; i < first + count; i = leaf_end(m, i)) {
        leaves += m->pages[i].frame != 0;
    }
    return leaves;
}

static void leaf_set(struct model *m, uint64_t first, uint64_t physical, unsigned level, unsigned flags,
                     unsigned marks)
{
    for (uint64_t i = 0; i < LEVEL_PAGES(level); i++) {
        m->pages[first + i] = (struct model_page){physical + i * 4096, (uint8_t)flags, (uint8_t)level, 0};
    }
    m->pages[first].marks = (uint8_t)marks;
}

void model_map(struct model *m, uint64_t first, uint64_t count, uint64_t physical, unsigned most,
               unsigned flags)
{
    uint64_t end = first + count;
    while (first < end) {
        unsigned level = most;
        while (level > 1 && (first % LEVEL_PAGES(level) != 0 || (physical >> 12) % LEVEL_PAGES(level) != 0 ||
                             first + LEVEL_PAGES(level) > end)) {
            level--;
        }
        leaf_set(m, first, physical, level, flags, 0);
        first += LEVEL_PAGES(level);
        physical += LEVEL_PAGES(level) * 4096;
    }
}

/* Make the leaf that the page is in smaller, until it has this level. */
static uint64_t split_to(struct model *m, uint64_t page, unsigned level)
{
    uint64_t tables = 0;
    while (m->pages[page].frame != 0 && m->pages[page].level > level) {
        unsigned from = m->pages[page].level;
        uint64_t start = page & ~(LEVEL_PAGES(from) - 1);
        uint8_t marks = m->pages[start].marks;
        for (uint64_t i = start; i < start + LEVEL_PAGES(from); i++) {
            m->pages[i].level = (uint8_t)(from - 1);
            m->pages[i].marks = i % LEVEL_PAGES(from - 1) == 0 ? marks : 0;
        }
        tables++;
    }
    return tables;
}

uint64_t model_split(struct model *m, uint64_t boundary)
{
    uint64_t tables = 0;
    while (boundary < m->count && m->pages[boundary].frame != 0 &&
           boundary % LEVEL_PAGES(m->pages[boundary].level) != 0) {
        tables += split_to(m, boundary, m->pages[boundary].level - 1u);
    }
    return tables;
}

static bool same(const struct model_page *p, uint64_t physical, unsigned flags)
{
    return p->frame == physical && ((p->flags ^ flags) & ~RIGHTS) == 0;
}

/* A leaf into a place that is empty, or has a leaf of that level. */
static bool put(struct model *m, uint64_t first, uint64_t physical, unsigned level, unsigned flags,
                unsigned marks)
{
    struct model_page *p = &m->pages[first];
    bool replaced = p->frame != 0 && !same(p, physical, flags);
    if (p->frame == 0 || replaced) {
        leaf_set(m, first, physical, level, flags, marks);
        return replaced;
    }
    for (uint64_t i = 0; i < LEVEL_PAGES(level); i++) {
        p[i].flags |= flags & RIGHTS;
    }
    return false;
}

/* Into a place where there may be smaller leaves. */
static bool put_over(struct model *m, uint64_t first, uint64_t physical, unsigned level, unsigned flags)
{
    bool smaller = false, replaced = false;
    for (uint64_t i = 0; i < LEVEL_PAGES(level) && !smaller; i++) {
        smaller = m->pages[first + i].frame != 0 && m->pages[first + i].level < level;
    }
    if (!smaller) {
        return put(m, first, physical, level, flags, MODEL_USED);
    }
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t offset = i * LEVEL_PAGES(level - 1);
        replaced |= put_over(m, first + offset, physical + offset * 4096, level - 1, flags);
    }
    return replaced;
}

bool model_enter(struct model *m, uint64_t first, uint64_t physical, unsigned level, unsigned flags)
{
    struct model_page *p = &m->pages[first];
    if (p->frame != 0 && p->level > level) {
        if (same(p, physical, flags) && (flags & RIGHTS & ~p->flags) == 0) {
            return false;
        }
        split_to(m, first, level);
    }
    return put_over(m, first, physical, level, flags);
}

void model_unmap(struct model *m, uint64_t first, uint64_t count)
{
    memset(&m->pages[first], 0, count * sizeof(*m->pages));
}

uint64_t model_protect(struct model *m, uint64_t first, uint64_t count, unsigned flags)
{
    uint64_t lost = 0;
    if ((flags & (MAP_READ | RIGHTS)) == 0) {
        lost = model_leaves(m, first, count);
        model_unmap(m, first, count);
        return lost;
    }
    for (uint64_t i = first; i < first + count; i++) {
        struct model_page *p = &m->pages[i];
        if (p->frame != 0) {
            lost += p == model_head(m, i) && (p->flags & ~flags & RIGHTS) != 0;
            p->flags =
                (uint8_t)((p->flags & ~RIGHTS) | (p->flags & flags & MAP_WRITE) | (flags & MAP_EXECUTE));
        }
    }
    return lost;
}

uint64_t model_restrict(struct model *m, uint64_t first, uint64_t count)
{
    uint64_t lost = 0;
    for (uint64_t i = first; i < first + count; i = leaf_end(m, i)) {
        struct model_page *p = model_head(m, i);
        lost += (m->pages[i].flags & MAP_WRITE) != 0;
        for (uint64_t k = 0; m->pages[i].frame != 0 && k < LEVEL_PAGES(m->pages[i].level); k++) {
            p[k].flags &= (uint8_t)~MAP_WRITE;
        }
    }
    return lost;
}

uint64_t model_join(struct model *m, uint64_t first, uint64_t physical, unsigned flags)
{
    split_to(m, first, 2);
    uint64_t leaves = model_leaves(m, first, 512);
    if (leaves == 0 || m->pages[first].level == 2) {
        return put(m, first, physical, 2, flags, 0);
    }
    leaf_set(m, first, physical, 2, flags, 0);
    return leaves;
}

uint64_t model_age(struct model *m, uint64_t first, uint64_t count)
{
    uint64_t pages = 0, end = first + count;
    for (uint64_t i = first, next; i < end; i = next) {
        next = leaf_end(m, i);
        if (m->pages[i].frame != 0 && (model_head(m, i)->marks & MODEL_USED) != 0) {
            pages += (next < end ? next : end) - i;
            model_head(m, i)->marks &= (uint8_t)~MODEL_USED;
        }
    }
    return pages;
}

void model_count(const struct model *m, uint64_t first, uint64_t count, struct tables_count *out)
{
    *out = (struct tables_count){0};
    for (uint64_t i = first; i < first + count; i++) {
        out->pages += m->pages[i].frame != 0;
        out->large_pages += m->pages[i].frame != 0 && m->pages[i].level > 1;
        out->huge_pages += m->pages[i].frame != 0 && m->pages[i].level > 2;
    }
}

void model_check(const struct model *m, paddr_t root, unsigned levels, uint64_t page)
{
    const struct model_page *p = &m->pages[page];
    struct mmu_result r = mmu_translate(root, levels, m->base + page * 4096 + 0x123);
    assert_int_equal(r.present, p->frame != 0);
    if (!r.present) {
        return;
    }
    assert_int_equal(r.physical, p->frame + 0x123);
    assert_int_equal(r.leaf_size, LEVEL_PAGES(p->level) * 4096);
    assert_int_equal(r.write, (p->flags & MAP_WRITE) != 0);
    assert_int_equal(r.execute, (p->flags & MAP_EXECUTE) != 0);
    assert_true(r.user && !r.global);
    assert_int_equal(r.kind, (p->flags & MAP_UNCACHED) != 0  ? KIND_UNCACHED
                             : (p->flags & MAP_COMBINE) != 0 ? KIND_COMBINING
                                                             : KIND_WRITE_BACK);
    assert_int_equal(r.accessed, (model_head(m, page)->marks & MODEL_USED) != 0);
    assert_int_equal(r.dirty, (model_head(m, page)->marks & MODEL_DIRTY) != 0);
}
