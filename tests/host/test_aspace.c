/*
 * Address spaces and memory objects, all of them, against a flat model (aspace_model.h). Random operations on
 * several spaces and objects, by several CPUs that remember what they are not told to forget; each access
 * sees what the model says: the contents, or the error. The same where allocations fail, where memory is
 * short, and with frames that cannot be shared more often. Then a scene with all operations, in which each
 * allocation fails in turn.
 *
 * A number as argument multiplies the steps, a second one chooses other seeds.
 */
#include "tests/host/host.h"

#include "tests/host/aspace_operations.h"
#include "tests/host/lock_host.h"
#include "tests/host/memory_host.h"
#include "tests/host/mmu_host.h"

#include "kernel/debug/inject.h"

#define FRAMES      65536 /* 256 MiB */
#define PLENTY      ((uint64_t)1 << 20)
#define CPUS        3
#define STEPS       600000
#define CHECK_EACH  2048
#define MAPPED_MOST 400 /* pages */

static uint64_t steps_factor = 1, seeds_from;
static uint64_t steps_done;

/* --- choices -----------------------------------------------------------------------------------------------
 */

static struct model_space *some_space(void)
{
    struct model_space *space = &spaces[below(MODEL_SPACES)];
    return space->open ? space : NULL;
}

static struct model_strip *some_strip(struct model_space *space)
{
    struct model_strip *strip = &space->strips[below(3) ? 0 : below(MODEL_STRIPS)];
    return strip->page != NULL ? strip : &space->strips[0];
}

static unsigned some_object(void)
{
    unsigned object = 1 + (unsigned)below(MODEL_OBJECTS - 1);
    return objects[object].memory != NULL ? object : 0;
}

static uint64_t some_size(void)
{
    static const uint64_t sizes[] = {1, 3, 8, 9, 70, 300, 511, 512, 513, 1024, 1100, MODEL_PAGES};
    return below(3) ? sizes[below(sizeof(sizes) / sizeof(sizes[0]))] : 1 + below(below(2) ? 40 : MODEL_PAGES);
}

/* A range that often begins and ends where nodes and large pages do. */
static void some_range(uint64_t pages, uint64_t *first, uint64_t *count)
{
    *first = below(pages);
    *count = 1 + below(below(2) ? 8 : pages);
    if (below(3) == 0) {
        *first = align_down(*first, MEMORY_LEAF_PAGES);
        *count = below(2) ? MEMORY_LEAF_PAGES : pages;
    }
    *count = *count < pages - *first ? *count : pages - *first;
}

/* Of a strip: the first page with addresses that are aligned, if it can be. */
static void some_place(const struct model_strip *strip, uint64_t *low, uint64_t *pages)
{
    some_range(strip->pages, low, pages);
    uint64_t aligned = align_up(model_address(strip, *low), TABLES_LARGE) - strip->start;
    if (below(3) == 0 && aligned >> PAGE_SHIFT < strip->pages) {
        *low = aligned >> PAGE_SHIFT;
        *pages = *pages < strip->pages - *low ? *pages : strip->pages - *low;
    }
}

/* A page of the strip where something is, or was likely to be; for stacks one below. */
static uint64_t some_page(const struct model_strip *strip)
{
    uint64_t page = below(strip->pages);
    for (unsigned i = 0; i < 64 && (strip->page[page].object == 0 || i == 0); i++) {
        page = below(strip->pages);
    }
    if (below(10) == 0) {
        for (unsigned i = 0; i < 600 && page > 0 && strip->page[page].mapped; i++) {
            page--;
        }
        page -= page > 17 ? below(17) : 0;
    }
    return page;
}

static uint32_t some_mode(void)
{
    uint32_t mode = ACCESS_READ | (below(4) ? ACCESS_WRITE : 0) | (below(4) ? 0 : ACCESS_EXECUTE);
    mode |= MAP_MODE_MAY(below(4) ? 7 : below(8));
    mode |= below(3) ? 0 : MAP_MODE_POPULATE;
    mode |= below(6) ? 0 : MAP_MODE_SMALL;
    mode |= below(3) || (mode & MAP_MODE_SMALL) != 0 ? 0 : MAP_MODE_LARGE;
    mode |= below(4) ? 0 : MAP_MODE_SHARED;
    mode |= below(8) || (mode & MAP_MODE_SHARED) != 0 ? 0 : MAP_MODE_PRIVATE;
    return mode;
}

static uint32_t some_access(void)
{
    static const uint32_t accesses[] = {ACCESS_READ, ACCESS_READ, ACCESS_WRITE, ACCESS_WRITE, ACCESS_EXECUTE};
    return accesses[below(5)];
}

/* --- steps -------------------------------------------------------------------------------------------------
 */

static void touch(struct model_space *space)
{
    if (arch_this_cpu()->space != &space->space) {
        op_load(space);
    }
    struct model_strip *strip = some_strip(space);
    uint64_t page = some_page(strip);
    if (below(3) == 0) { /* again and again in the same place */
        uint64_t room = 1 + below(8);
        room = strip->pages - page < room ? strip->pages - page : room;
        for (uint64_t n = below(80); n > 0; n--) {
            op_touch(strip, page + below(room), some_access());
            steps_done++;
        }
        return;
    }
    uint64_t n = below(8) ? 1 + below(6) : below(below(8) ? 60 : 700), misses = 0;
    for (; n > 0 && page < strip->pages && misses < 3; n--, page++) {
        misses += strip->page[page].object == 0 ||
                  strip->page[page].page >= objects[strip->page[page].object].pages;
        op_touch(strip, page, some_access());
        steps_done++;
    }
}

static void map_huge(struct model_space *space, unsigned object)
{
    uint64_t aligned = align_up(objects[object].first, 1 << 18) - objects[object].first;
    uint64_t pages = objects[object].pages;
    if (pages < (1 << 18) || !model_strip_has_room(space) || below(3)) {
        return;
    }
    uint64_t page = pages - aligned >= 1 << 18 ? aligned : 0;
    uint32_t mode = some_mode() & ~(MAP_MODE_SMALL | MAP_MODE_POPULATE);
    mode |= MAP_MODE_HUGE | (below(4) ? 0 : MAP_MODE_POPULATE);
    op_map(space, NULL, 0, below(2) ? 1 << 18 : pages - page, object, page, mode);
}

static void map(struct model_space *space, unsigned object)
{
    struct model_strip *strip = below(4) ? some_strip(space) : NULL;
    uint64_t size = objects[object].pages, page, pages, low = 0, room;
    if (size >= 1 << 18) {
        map_huge(space, object);
    }
    if (size == 0) {
        return;
    }
    size = size < MODEL_PAGES ? size : MODEL_PAGES;
    some_range(size, &page, &pages);
    if (below(3) == 0) {
        page = 0;
        pages = size;
    } else if (below(3) == 0) {
        pages = 1 + below(pages < MAPPED_MOST ? pages : MAPPED_MOST);
    }
    if (strip == NULL && model_strip_has_room(space)) {
        op_map(space, NULL, 0, pages, object, page, some_mode());
    } else if (strip != NULL) {
        some_place(strip, &low, &room);
        if (below(2)) { /* so that large pages can be there */
            low = low + (page - (model_address(strip, low) >> PAGE_SHIFT)) % MEMORY_LEAF_PAGES;
            low = low < strip->pages ? low : 0;
        }
        pages = pages < strip->pages - low ? pages : strip->pages - low;
        bool grows = strip->start == ARENA_START && below(5) == 0;
        op_map(space, strip, low, pages, object, page, some_mode() | (grows ? MAP_MODE_GROWS : 0));
    }
}

/* Behind or before a mapping what makes it longer. */
static void map_next(struct model_space *space)
{
    struct model_strip *strip = &space->strips[0];
    uint64_t page = some_page(strip), end = page;
    const struct model_page *p = &strip->page[page];
    while (end < strip->pages && strip->page[end].mapped) {
        end++;
    }
    if (!p->mapped || p->object == 0 || end == strip->pages) {
        return;
    }
    p = &strip->page[end - 1];
    if (p->object != 0 && p->page + 2 < objects[p->object].pages) {
        uint64_t pages = strip->pages - end < 2 ? 1 : 2;
        op_map(space, strip, end, pages, p->object, p->page + 1, p->mode & MAP_MODE_ALL);
    }
}

static void reserve(struct model_space *space)
{
    struct model_strip *strip = some_strip(space);
    uint64_t low, pages;
    some_place(strip, &low, &pages);
    pages = pages < 40 ? pages : 40;
    if (below(3)) {
        op_map(space, strip, low, pages, 0, 0, 0);
    } else if (model_strip_has_room(space)) {
        op_map(space, NULL, 0, pages, 0, 0, 0);
    }
}

static void unmap(struct model_space *space)
{
    struct model_strip *strip = some_strip(space);
    uint64_t low, pages;
    some_place(strip, &low, &pages);
    if (below(6)) {
        low = some_page(strip);
        pages = below(2) ? 0 : 1 + below(below(4) ? 5 : 100);
        for (unsigned i = 0; below(4) && i < 600 && low > 0 && !strip->page[low].starts; i++) {
            low--;
        }
    }
    pages = pages < strip->pages - low ? pages : strip->pages - low;
    op_unmap(space, strip, low, pages);
}

static void protect(struct model_space *space)
{
    struct model_strip *strip = some_strip(space);
    uint64_t low, pages = 1 + below(below(2) ? 5 : 300);
    some_place(strip, &low, &pages);
    if (below(4)) {
        low = some_page(strip);
        uint64_t high = low + 1, most = 1 + below(below(2) ? 8 : 600);
        while (high < strip->pages && high - low < most && strip->page[high].mapped) {
            high++;
        }
        pages = high - low;
    }
    uint32_t access = below(8) ? ACCESS_READ | (uint32_t)below(8) : 0;
    op_protect(space, strip, low, pages, access);
}

/* Many mappings out of one: every other page may be read only. */
static void shred(struct model_space *space)
{
    struct model_strip *strip = &space->strips[0];
    uint64_t low = some_page(strip);
    for (uint64_t page = low; page < low + 200 && page < strip->pages && strip->page[page].object != 0;
         page += 2) {
        op_protect(space, strip, page, 1, ACCESS_READ);
    }
    if (below(2)) {
        op_unmap(space, strip, low, strip->pages - low < 200 ? strip->pages - low : 200);
    } else if (strip->pages - low >= 200) {
        op_protect(space, strip, low, 200, ACCESS_READ | ACCESS_EXECUTE);
    }
}

static void make(void)
{
    switch (below(8)) {
    case 0:
        if (below(4)) {
            op_make_physical(below(1024), 1 + below(MODEL_PAGES),
                             below(2)   ? 0
                             : below(2) ? MAP_UNCACHED
                                        : MAP_COMBINE);
        } else {
            uint64_t first = below(3) ? 0 : below(512);
            op_make_physical(first, DEVICE_FRAMES - first - below(512), 0);
        }
        break;
    case 1:
        op_make_paged(below(2) ? MEMORY_SPARSE : 0, some_size());
        break;
    default:
        op_make(below(2) ? MEMORY_SPARSE : 0, some_size());
    }
}

static void hold(unsigned object)
{
    if (objects[object].held) {
        op_release(object);
    } else {
        op_hold(object);
    }
}

/* What is pinned is so for the test, which keeps the object. */
static void pin(unsigned object)
{
    uint64_t first, count, size = objects[object].pages;
    if (size == 0 || !objects[object].held) {
        return;
    }
    size = size < MODEL_PAGES ? size : MODEL_PAGES;
    some_range(size, &first, &count);
    op_pin(object, first, count < 20 ? count : 20);
}

static void unpin(unsigned object)
{
    const struct model_object *o = &objects[object];
    if (o->kind == MEMORY_PHYSICAL || o->pages == 0) {
        return;
    }
    uint64_t page = below(o->pages), count = 0;
    while (page > 0 && o->pins[page] == 0) {
        page--;
    }
    while (page + count < o->pages && o->pins[page + count] > 0) {
        count++;
    }
    op_unpin(object, page, count + (below(8) == 0));
}

static void ask_pager(unsigned object)
{
    const struct model_object *o = &objects[object];
    if (o->kind != MEMORY_PAGED) {
        return;
    }
    uint64_t page = below(MODEL_PAGES);
    for (uint64_t i = 0; i < MODEL_PAGES && o->asked > 0 && o->request[page] == 0; i++) {
        page = (page + 1) % MODEL_PAGES;
    }
    if (below(200) == 0) {
        op_abandon(object);
    } else if (below(3)) {
        op_supply(object, page);
    } else if (o->request[page]) {
        op_refuse(object, page);
    }
}

/* All that the pager was asked for it says. */
static void answer(unsigned object)
{
    for (uint64_t page = 0; page < MODEL_PAGES && objects[object].asked > 0; page++) {
        if (objects[object].request[page]) {
            op_supply(object, page);
        }
    }
}

/* Pages of this leaf of the object, where the space that is loaded shows them. */
static void touch_leaf(struct model_space *space, unsigned object, uint64_t base)
{
    struct model_strip *strip = &space->strips[0];
    for (unsigned i = 0, tries = 0; i < 12 && tries < 600; tries++) {
        uint64_t page = below(strip->pages);
        const struct model_page *p = &strip->page[page];
        if (p->object == object && p->page - base < MEMORY_LEAF_PAGES) {
            op_touch(strip, page, some_access());
            i++;
        }
    }
}

/* A large page of small ones, which are seen before and after. */
static void promote(struct model_space *space, unsigned object)
{
    uint64_t base = align_down(below(MODEL_PAGES), MEMORY_LEAF_PAGES);
    if (base + MEMORY_LEAF_PAGES > objects[object].pages || objects[object].kind != MEMORY_ANONYMOUS) {
        return;
    }
    op_load(space);
    op_commit(object, base, 300);
    op_commit(object, base + 300, MEMORY_LEAF_PAGES - 300);
    touch_leaf(space, object, base);
    op_promote(object, base + below(MEMORY_LEAF_PAGES), below(4));
    touch_leaf(space, object, base);
}

static void change(struct model_space *space, unsigned object)
{
    uint64_t first, count, size = objects[object].pages;
    bool physical = objects[object].kind == MEMORY_PHYSICAL;
    some_range(size < MODEL_PAGES && size > 0 ? size : MODEL_PAGES, &first, &count);
    count += below(16) == 0;
    switch (below(16)) {
    case 0 ... 1:
        op_resize(object, below(20) ? some_size() : 0);
        break;
    case 2 ... 4:
        op_decommit(object, first, count, below(8) == 0);
        break;
    case 5 ... 6:
        op_commit(object, first, count);
        break;
    case 7:
        if (below(3) == 0) {
            pin(object);
        }
        break;
    case 8 ... 10:
        unpin(object);
        break;
    case 11:
        op_promote(object, first, below(2));
        break;
    case 12:
        promote(space, object);
        break;
    case 13:
        op_query(object, first, count < 100 && !physical ? count : 100);
        break;
    default:
        answer(object);
    }
}

static void step_object(struct model_space *space)
{
    unsigned object = some_object();
    if (object == 0) {
        make();
        return;
    }
    ask_pager(object);
    switch (objects[object].memory != NULL ? below(12) : 0) {
    case 0:
        if (objects[object].memory != NULL) {
            hold(object);
        }
        break;
    case 1:
        op_copy(object);
        break;
    default:
        change(space, object);
    }
}

static void step_spaces(void)
{
    struct model_space *space = &spaces[below(MODEL_SPACES)], *to = &spaces[below(MODEL_SPACES)];
    if (!space->open && (!to->open || below(3) == 0)) {
        op_open(space);
    } else if (!space->open) {
        op_fork(to, space);
    } else if (!to->open) {
        op_fork(space, to);
    } else if (below(6) == 0) {
        op_close(to);
    }
}

static void step_mappings(struct model_space *space)
{
    unsigned object = some_object();
    const struct model_strip *strip = some_strip(space);
    switch (below(12)) {
    case 0 ... 2:
        if (object != 0) {
            map(space, object);
        }
        break;
    case 3:
        map_next(space);
        break;
    case 4:
        reserve(space);
        break;
    case 5 ... 7:
        unmap(space);
        break;
    case 8 ... 9:
        protect(space);
        break;
    case 10:
        if (below(8) == 0) {
            shred(space);
        }
        break;
    default:
        op_describe(space, strip, below(strip->pages));
    }
}

static void step(unsigned cpu_count)
{
    static const enum pager_way ways[] = {PAGER_SUPPLIES, PAGER_SUPPLIES, PAGER_SUPPLIES, PAGER_SUPPLIES,
                                          PAGER_SUPPLIES, PAGER_REFUSES,  PAGER_FAILS,    PAGER_WAITS};
    struct model_space *space = some_space();
    mmu_be((unsigned)below(cpu_count));
    pager_way = below(4) ? PAGER_SUPPLIES : ways[below(8)];
    lock_host_clock += 100000;
    uint64_t what = below(64);
    if (space == NULL || what == 0) {
        step_spaces();
    } else if (what < 20) {
        step_mappings(space);
    } else if (what < 32) {
        step_object(space);
    } else if (what == 32) {
        op_load(below(4) ? space : NULL);
    } else {
        touch(space);
    }
    host_leave_kernel();
    operations_over();
    steps_done++;
}

static void work(const struct conditions *given, uint64_t count)
{
    struct conditions c = *given;
    c.seed += seeds_from << 16;
    lock_host_clock = 1000000000;
    operations_begin(&c);
    for (uint64_t i = 0; i < count * steps_factor; i++) {
        step(c.cpus);
        if (i % CHECK_EACH == 0) {
            model_check();
        }
    }
    model_check();
    operations_end();
}

/* --- the tests ---------------------------------------------------------------------------------------------
 */

static void accesses_see_what_was_written(void **state)
{
    (void)state;
    work(&(struct conditions){1, FRAMES, CPUS, true, true, 4, FRAME_SHARES_MOST, PLENTY}, STEPS);
    work(&(struct conditions){2, FRAMES, CPUS, false, false, 5, FRAME_SHARES_MOST, PLENTY}, STEPS / 2);
}

/* Enough of all that can be there was there. */
static void the_dice_were_fair(void **state)
{
    struct large_figures large;
    (void)state;
    aspace_large_count(&large);
    assert_true(accesses_done > accesses_refused / 2);
    assert_true(accesses_meanwhile > STEPS / 8);
    assert_true(accesses_veiled > 0);
    assert_true(mmu_hits > steps_done / 64 && mmu_walks > steps_done / 64);
    assert_true(large.given > STEPS / 2000 && large.promoted > STEPS / 20000 && large.demoted > STEPS / 4000);
}

static void frames_that_cannot_be_shared_more_are_copied(void **state)
{
    (void)state;
    work(&(struct conditions){3, FRAMES, 2, true, true, 4, 1, PLENTY}, STEPS / 4);
    work(&(struct conditions){4, FRAMES, 1, true, false, 4, 2, PLENTY}, STEPS / 8);
}

static void failures_change_nothing(void **state)
{
    (void)state;
    inject_on = true;
    failures = FAIL_EACH;
    work(&(struct conditions){5, FRAMES, 2, true, true, 4, FRAME_SHARES_MOST, PLENTY}, STEPS / 8);
    work(&(struct conditions){6, FRAMES, 2, false, true, 5, 1, PLENTY}, STEPS / 16);
    inject_on = false;
    failures = FAIL_NEVER;
}

static void what_is_short_is_refused(void **state)
{
    (void)state;
    failures = FAIL_SHORT;
    work(&(struct conditions){7, 6000, 2, true, true, 4, FRAME_SHARES_MOST, PLENTY}, STEPS / 8);
    work(&(struct conditions){8, FRAMES, 2, true, true, 4, FRAME_SHARES_MOST, 4000}, STEPS / 8);
    failures = FAIL_NEVER;
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accesses_see_what_was_written),
        cmocka_unit_test(frames_that_cannot_be_shared_more_are_copied),
        cmocka_unit_test(failures_change_nothing),
        cmocka_unit_test(what_is_short_is_refused),
        cmocka_unit_test(the_dice_were_fair),
    };
    steps_factor = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    seeds_from = count > 2 ? strtoull(arguments[2], NULL, 10) : 0;
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    print_message("# %lu operations; %lu accesses done, %lu refused, %lu meanwhile; %lu by what was "
                  "remembered, %lu walks\n",
                  steps_done, accesses_done, accesses_refused, accesses_meanwhile, mmu_hits, mmu_walks);
    return status;
}
