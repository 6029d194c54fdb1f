/* A model of address spaces and memory objects; see aspace_model.h. */
#include "tests/host/host.h"

#include "tests/host/aspace_model.h"

#include "kernel/mm/aspace_parts.h"
#include "kernel/obj/account_tree.h"
#include "tests/host/memory_check.h"
#include "tests/host/mmu_host.h"

struct model_object objects[MODEL_OBJECTS];
struct model_space spaces[MODEL_SPACES];
struct account *accounts[MODEL_ACCOUNTS];
enum pager_way pager_way;

static uint32_t device_values[DEVICE_FRAMES]; /* stay from one test to the next, as the memory does */

uint32_t pager_value(unsigned object, uint64_t page)
{
    return 0x80000000u | object << 16 | (uint32_t)page;
}

/* --- objects -----------------------------------------------------------------------------------------------
 */

unsigned model_object_free(void)
{
    for (unsigned i = 1; i < MODEL_OBJECTS; i++) {
        if (objects[i].memory == NULL) {
            return i;
        }
    }
    return 0;
}

uint32_t *model_value(unsigned object, uint64_t page)
{
    struct model_object *o = &objects[object];
    return o->kind == MEMORY_PHYSICAL ? &device_values[o->first + page] : &o->value[page];
}

bool model_is_pinned(unsigned object, uint64_t first, uint64_t count)
{
    bool pinned = false;
    for (uint64_t i = first; objects[object].kind != MEMORY_PHYSICAL && i < first + count; i++) {
        pinned = pinned || objects[object].pins[i] > 0;
    }
    return pinned;
}

void model_clone_object(unsigned from, unsigned to, struct memory *memory)
{
    struct model_object *o = &objects[to];
    assert_ptr_equal(o->memory, NULL);
    *o = (struct model_object){.memory = memory, .kind = MEMORY_ANONYMOUS, .pages = objects[from].pages};
    memcpy(o->value, objects[from].value, sizeof(o->value));
}

void model_clear(unsigned object, uint64_t first, uint64_t count)
{
    struct model_object *o = &objects[object];
    for (uint64_t i = first; i < first + count; i++) {
        o->value[i] = 0;
        o->there[i] = 0;
    }
}

void model_object_settle(unsigned object)
{
    struct model_object *o = &objects[object];
    if (object != 0 && !o->held && o->views == 0 && o->asked == 0) {
        o->memory = NULL;
    }
}

/* --- spaces ------------------------------------------------------------------------------------------------
 */

void model_open(struct model_space *space)
{
    space->open = true;
    space->strips[0] =
        (struct model_strip){ARENA_START, ARENA_PAGES, calloc(ARENA_PAGES, sizeof(struct model_page))};
    assert_non_null(space->strips[0].page);
}

bool model_strip_has_room(const struct model_space *space)
{
    for (unsigned i = 1; i < MODEL_STRIPS; i++) {
        if (space->strips[i].page == NULL) {
            return true;
        }
    }
    return false;
}

struct model_strip *model_strip_make(struct model_space *space, uint64_t start, uint64_t pages)
{
    struct model_strip *out = NULL;
    assert_true(is_aligned(start, PAGE_SIZE) && start >= USER_LOWEST);
    assert_true(start + (pages << PAGE_SHIFT) <= USER_HIGHEST);
    for (unsigned i = 0; i < MODEL_STRIPS; i++) {
        struct model_strip *strip = &space->strips[i];
        if (strip->page == NULL) {
            out = strip;
        } else {
            assert_true(model_address(strip, strip->pages) <= start ||
                        start + (pages << PAGE_SHIFT) <= strip->start);
        }
    }
    assert_non_null(out);
    *out = (struct model_strip){start, pages, calloc(pages, sizeof(struct model_page))};
    assert_non_null(out->page);
    return out;
}

bool model_any(const struct model_strip *strip, uint64_t low, uint64_t high)
{
    bool any = false;
    for (uint64_t i = low; !any && i < high; i++) {
        any = strip->page[i].mapped;
    }
    return any;
}

/* Strips that nothing is in any more go, but for the first. */
void model_strip_settle(struct model_strip *strip)
{
    if (strip->start != ARENA_START && !model_any(strip, 0, strip->pages)) {
        free(strip->page);
        *strip = (struct model_strip){0};
    }
}

static void count_view(const struct model_page *p, int by)
{
    if (p->mapped && p->starts && p->object != 0) {
        objects[p->object].views += (uint32_t)by;
    }
}

static void set_starts(struct model_page *p, bool starts)
{
    count_view(p, -1);
    p->starts = starts;
    count_view(p, 1);
}

static void cut(struct model_strip *strip, uint64_t at)
{
    if (at < strip->pages && strip->page[at].mapped) {
        set_starts(&strip->page[at], true);
    }
}

/* Two mappings that meet here become one, if the second goes on where the first ends, in all respects. */
static void join(struct model_strip *strip, uint64_t at)
{
    if (at == 0 || at >= strip->pages) {
        return;
    }
    const struct model_page *before = &strip->page[at - 1];
    struct model_page *p = &strip->page[at];
    if (before->mapped && p->mapped && before->object == p->object && before->mode == p->mode &&
        (p->object == 0 || before->page + 1 == p->page) && (p->mode & MAP_MODE_GROWS) == 0) {
        set_starts(p, false);
    }
}

void model_map(struct model_strip *strip, uint64_t low, uint64_t high, unsigned object, uint64_t page,
               uint32_t mode)
{
    mode = (mode | MAP_MODE_MAY(mode & MAP_MODE_ACCESS)) & ~MAP_MODE_POPULATE;
    for (uint64_t i = low; i < high; i++) {
        assert_false(strip->page[i].mapped);
        strip->page[i] =
            (struct model_page){(uint32_t)(page + i - low), mode, (uint8_t)object, true, i == low};
        count_view(&strip->page[i], 1);
    }
    join(strip, low);
    join(strip, high);
}

void model_unmap(struct model_strip *strip, uint64_t low, uint64_t high)
{
    cut(strip, low);
    cut(strip, high);
    for (uint64_t i = low; i < high; i++) {
        unsigned object = strip->page[i].object;
        count_view(&strip->page[i], -1);
        strip->page[i] = (struct model_page){0};
        model_object_settle(object);
    }
}

enum error model_protect_error(const struct model_strip *strip, uint64_t low, uint64_t high, uint32_t access)
{
    for (uint64_t i = low; i < high; i++) {
        const struct model_page *p = &strip->page[i];
        if (!p->mapped || p->object == 0) {
            return ERR_NOT_FOUND;
        }
        if ((access & ~(p->mode >> MAP_MAY_SHIFT)) != 0) {
            return ERR_NO_RIGHT;
        }
    }
    return ERR_NONE;
}

void model_protect(struct model_strip *strip, uint64_t low, uint64_t high, uint32_t access)
{
    cut(strip, low);
    cut(strip, high);
    for (uint64_t i = low; i < high; i++) {
        strip->page[i].mode = (strip->page[i].mode & ~MAP_MODE_ACCESS) | access;
    }
    for (uint64_t i = low; i <= high; i++) {
        join(strip, i);
    }
}

uint64_t model_end(const struct model_strip *strip, uint64_t low)
{
    uint64_t end = low + 1;
    while (end < strip->pages && strip->page[end].mapped && !strip->page[end].starts) {
        end++;
    }
    return end;
}

/* --- clones ------------------------------------------------------------------------------------------------
 */

/* The next mapping at or above the address, in any strip; false at the end. */
static bool next_mapping(const struct model_space *space, uint64_t from, const struct model_strip **strip,
                         uint64_t *page)
{
    *strip = NULL;
    for (unsigned i = 0; i < MODEL_STRIPS; i++) {
        const struct model_strip *s = &space->strips[i];
        if (s->page == NULL || (*strip != NULL && s->start > (*strip)->start)) {
            continue;
        }
        uint64_t at = from > s->start ? (from - s->start) >> PAGE_SHIFT : 0;
        while (at < s->pages && !(s->page[at].mapped && s->page[at].starts)) {
            at++;
        }
        if (at < s->pages) {
            *strip = s;
            *page = at;
        }
    }
    return *strip != NULL;
}

static bool is_copied(const struct model_page *p)
{
    return p->object != 0 && (p->mode & MAP_MODE_SHARED) == 0 && objects[p->object].kind != MEMORY_PHYSICAL;
}

enum error model_clone_error(const struct model_space *space)
{
    const struct model_strip *strip;
    bool copied[MODEL_OBJECTS] = {false};
    unsigned copies = 0, room = 0;
    for (uint64_t from = 0, page; next_mapping(space, from, &strip, &page);) {
        const struct model_page *p = &strip->page[page];
        from = model_address(strip, page + 1);
        if ((p->mode & MAP_MODE_PRIVATE) != 0 || !is_copied(p) || copied[p->object]) {
            continue;
        }
        copied[p->object] = true;
        copies++;
        if (objects[p->object].kind != MEMORY_ANONYMOUS) {
            return ERR_UNSUPPORTED;
        }
        if (model_is_pinned(p->object, 0, objects[p->object].pages)) {
            return ERR_NOT_READY;
        }
    }
    for (unsigned i = 1; i < MODEL_OBJECTS; i++) {
        room += objects[i].memory == NULL;
    }
    return copies <= room ? ERR_NONE : ERR_EXISTS;
}

/* The object that the kernel shows there. */
static struct memory *kernel_shows(const struct aspace *space, uint64_t address)
{
    const struct mapping *m = mapping_from(space, address);
    assert_non_null(m);
    assert_int_equal(mapping_start(m), address);
    return m->memory;
}

static void clone_mapping(struct model_space *to, struct model_strip *into, const struct model_strip *strip,
                          uint64_t low, uint8_t copies[MODEL_OBJECTS])
{
    const struct model_page *p = &strip->page[low];
    unsigned object = p->object;
    if (is_copied(p)) {
        struct memory *memory = kernel_shows(&to->space, model_address(strip, low));
        if (copies[object] == 0) {
            copies[object] = (uint8_t)model_object_free();
            assert_ptr_not_equal(memory, objects[object].memory);
            model_clone_object(object, copies[object], memory);
        }
        object = copies[object];
        assert_ptr_equal(objects[object].memory, memory);
    }
    uint64_t end = model_end(strip, low);
    for (uint64_t i = low; i < end; i++) {
        into->page[i] = strip->page[i];
        into->page[i].object = (uint8_t)object;
        count_view(&into->page[i], 1);
    }
}

void model_clone(const struct model_space *from, struct model_space *to)
{
    uint8_t copies[MODEL_OBJECTS] = {0};
    for (unsigned k = 0; k < MODEL_STRIPS; k++) {
        const struct model_strip *strip = &from->strips[k];
        if (strip->page == NULL) {
            continue;
        }
        struct model_strip *into = k == 0 ? &to->strips[0] : model_strip_make(to, strip->start, strip->pages);
        for (uint64_t i = 0; i < strip->pages; i++) {
            const struct model_page *p = &strip->page[i];
            if (p->mapped && p->starts && (p->mode & MAP_MODE_PRIVATE) == 0) {
                clone_mapping(to, into, strip, i, copies);
            }
        }
        model_strip_settle(into);
    }
}

void model_close(struct model_space *space)
{
    for (unsigned k = 0; k < MODEL_STRIPS; k++) {
        if (space->strips[k].page != NULL) {
            model_unmap(&space->strips[k], 0, space->strips[k].pages);
            free(space->strips[k].page);
            space->strips[k] = (struct model_strip){0};
        }
    }
    space->open = false;
}

/* --- accesses ----------------------------------------------------------------------------------------------
 */

/* Nothing is there: does a stack grow down to the page? */
static void grow(struct model_strip *strip, uint64_t page)
{
    uint64_t above = page + 1, reach = GROW_REACH >> PAGE_SHIFT, guard = GROW_GUARD >> PAGE_SHIFT;
    while (above < strip->pages && above - page <= reach && !strip->page[above].mapped) {
        above++;
    }
    if (above >= strip->pages || above - page > reach || !strip->page[above].mapped) {
        return;
    }
    struct model_page top = strip->page[above];
    uint64_t more = above - page;
    if ((top.mode & MAP_MODE_GROWS) == 0 || top.page < more ||
        model_any(strip, page > guard ? page - guard : 0, above)) {
        return;
    }
    for (uint64_t i = page; i < above; i++) {
        strip->page[i] = top;
        strip->page[i].page = (uint32_t)(top.page - (above - i));
        strip->page[i].starts = false;
    }
    set_starts(&strip->page[page], true);
    set_starts(&strip->page[above], false);
}

static enum error access_paged(unsigned object, uint64_t page)
{
    const struct model_object *o = &objects[object];
    if (o->there[page]) {
        return ERR_NONE;
    }
    if (o->abandoned) {
        return ERR_DEAD;
    }
    if (o->request[page]) {
        return ERR_TIMED_OUT;
    }
    static const enum error by_way[] = {ERR_NONE, PAGER_ERROR, PAGER_ERROR, ERR_TIMED_OUT};
    return by_way[pager_way];
}

enum error model_access(struct model_strip *strip, uint64_t page, uint32_t access, uint32_t **value)
{
    struct model_page *p = &strip->page[page];
    if (!p->mapped) {
        grow(strip, page);
    }
    if (!p->mapped || p->object == 0) {
        return ERR_BAD_ADDRESS;
    }
    if ((p->mode & access) == 0) {
        return ERR_NO_RIGHT;
    }
    const struct model_object *o = &objects[p->object];
    if (p->page >= o->pages) {
        return ERR_BAD_ADDRESS;
    }
    *value = model_value(p->object, p->page);
    return o->kind == MEMORY_PAGED ? access_paged(p->object, p->page) : ERR_NONE;
}

/* --- agreement ---------------------------------------------------------------------------------------------
 */

static void check_mapping(struct model_space *space, const struct model_strip *strip, uint64_t low)
{
    const struct model_page *p = &strip->page[low];
    const struct mapping *m = mapping_from(&space->space, model_address(strip, low));
    assert_non_null(m);
    assert_int_equal(mapping_start(m), model_address(strip, low));
    assert_int_equal(m->bytes >> PAGE_SHIFT, model_end(strip, low) - low);
    assert_int_equal(m->mode, p->mode);
    assert_int_equal(m->access, p->object != 0 ? p->mode & MAP_MODE_ACCESS : 0);
    assert_ptr_equal(m->memory, p->object != 0 ? objects[p->object].memory : NULL);
    if (p->object != 0) {
        assert_int_equal(m->offset >> PAGE_SHIFT, p->page);
        assert_int_equal(m->view.first, p->page);
        assert_int_equal(m->view.count, m->bytes >> PAGE_SHIFT);
        assert_false(m->stale);
    }
}

/* What the tables have for a page is what the object has, with no more rights than the page and the mapping
 * have. */
static bool check_leaf(struct model_space *space, const struct model_strip *strip, uint64_t i)
{
    const struct model_page *p = &strip->page[i];
    struct mmu_leaf leaf = mmu_look(space->space.root, model_address(strip, i));
    if (leaf.size == 0) {
        return false;
    }
    pfn_t frame;
    bool writable;
    assert_true(p->mapped && p->object != 0 && (p->mode & MAP_MODE_ACCESS) != 0);
    struct memory *memory = objects[p->object].memory;
    spin_lock(&memory->lock);
    assert_int_equal(memory_run(memory, p->page, 1, &frame, &writable), 1);
    spin_unlock(&memory->lock);
    assert_int_equal(leaf.frame.value, frame.value);
    assert_true(!leaf.write || ((p->mode & ACCESS_WRITE) != 0 && writable));
    assert_int_equal(leaf.execute, (p->mode & ACCESS_EXECUTE) != 0);
    assert_int_equal(leaf.cache, memory->cache);
    assert_true(leaf.size == PAGE_SIZE || (p->mode & MAP_MODE_SMALL) == 0);
    assert_true(leaf.size != TABLES_HUGE || (p->mode & MAP_MODE_HUGE) != 0);
    return true;
}

static void check_space(struct model_space *space)
{
    uint64_t mappings = 0, mapped = 0, present = 0;
    struct tables_count count;
    for (unsigned k = 0; k < MODEL_STRIPS; k++) {
        const struct model_strip *strip = &space->strips[k];
        for (uint64_t i = 0; strip->page != NULL && i < strip->pages; i++) {
            const struct model_page *p = &strip->page[i];
            mapped += p->mapped && p->object != 0;
            if (p->mapped && p->starts) {
                check_mapping(space, strip, i);
                mappings++;
            }
            present += check_leaf(space, strip, i);
        }
    }
    tables_count(space->space.root, 0, USER_HIGHEST, &count);
    assert_int_equal(count.pages, present);
    assert_int_equal(space->space.count, mappings);
    assert_int_equal(space->space.mapped_bytes, mapped << PAGE_SHIFT);
    assert_int_equal(space->space.unflushed, 0);
    assert_false(mmu_remembers_wrongly(&space->space));
}

/* Of an account, by what there is. */
struct owed {
    uint64_t frames, bytes;
    bool requests; /* how large they are only the kernel knows */
};

static void add_object(struct owed *owed, const struct model_object *o)
{
    struct owed *of = &owed[o->memory->object.account == accounts[1]];
    of->frames += o->memory->paid_frames;
    of->bytes += o->memory->paid_bytes + sizeof(struct memory);
    of->requests = of->requests || o->asked > 0;
}

static void check_object(const struct model_object *o)
{
    memory_check(o->memory);
    uint32_t views = 0;
    LIST_FOR_EACH(node, &o->memory->views)
    {
        views += node != &o->memory->afterimage.view.node;
    }
    assert_int_equal(views, o->views);
    assert_int_equal(o->memory->pages.value, o->pages);
    uint64_t references = (uint64_t)o->held + o->views + o->asked;
    assert_int_equal(o->memory->object.references, references);
}

void model_check(void)
{
    struct owed owed[MODEL_ACCOUNTS] = {0};
    uint64_t count = 0;
    memory_check_account = accounts[MODEL_ACCOUNTS - 1]->number;
    for (unsigned i = 1; i < MODEL_OBJECTS; i++) {
        if (objects[i].memory != NULL) {
            check_object(&objects[i]);
            add_object(owed, &objects[i]);
            count++;
        }
    }
    assert_int_equal(object_count(OBJECT_MEMORY), count);
    for (unsigned i = 0; i < MODEL_SPACES; i++) {
        if (spaces[i].open) {
            struct owed *of = &owed[spaces[i].account == accounts[1]];
            check_space(&spaces[i]);
            of->frames += mmu_tables(spaces[i].space.root);
            of->bytes += spaces[i].space.count * sizeof(struct mapping);
        }
    }
    for (unsigned i = 0; i < MODEL_ACCOUNTS; i++) {
        struct account_info info;
        account_describe(accounts[i], &info);
        assert_int_equal(info.resources[RESOURCE_FRAMES].used, owed[i].frames);
        if (!owed[i].requests) {
            assert_int_equal(info.resources[RESOURCE_BYTES].used, owed[i].bytes);
        }
    }
}
