/* What can be done to objects, with a pager for some; see aspace_operations.h. */
#include "tests/host/host.h"

#include "tests/host/aspace_attempt.h"
#include "tests/host/memory_host.h"

#include "kernel/debug/inject.h"
#include "kernel/mm/frame_report.h"

unsigned pagers_made, pagers_released;

/* --- the pager ---------------------------------------------------------------------------------------------
 */

static struct memory_pager pagers[MODEL_OBJECTS];

/* A frame with what the pager has for the page. */
static enum error pager_frame(unsigned object, uint64_t page, pfn_t *frame)
{
    enum error error = frame_alloc(0, FRAME_USER_SHARED, frame);
    if (error == ERR_NONE) {
        uint32_t *words = memory_host_frame(*frame);
        memset(words, 0, PAGE_SIZE);
        words[0] = words[PAGE_SIZE / sizeof(*words) - 1] = pager_value(object, page);
    }
    return error;
}

/* The kernel has the page; or, if it does not take it, nothing has changed. */
static enum error supply(unsigned object, uint64_t page)
{
    struct model_object *o = &objects[object];
    pfn_t frame;
    enum error error = pager_frame(object, page, &frame);
    if (error != ERR_NONE) {
        return error;
    }
    error = memory_supply(o->memory, page, frame);
    if (error == ERR_NONE) {
        o->there[page] = 1;
        o->value[page] = pager_value(object, page);
    } else {
        frame_release(frame, 0);
    }
    return error;
}

static enum error fetch(struct memory_pager *pager, struct memory *memory, uint64_t page)
{
    unsigned object = (unsigned)(pager - pagers);
    assert_ptr_equal(objects[object].memory, memory);
    assert_false(objects[object].there[page] || objects[object].request[page]);
    switch (pager_way) {
    case PAGER_SUPPLIES:
        return supply(object, page);
    case PAGER_REFUSES:
        memory_refuse(memory, page, PAGER_ERROR);
        return ERR_NONE;
    case PAGER_FAILS:
        return PAGER_ERROR;
    default:
        objects[object].request[page] = 1;
        objects[object].asked++;
        return ERR_NONE;
    }
}

static void release(struct memory_pager *pager)
{
    (void)pager;
    pagers_released++;
}

static const struct memory_pager_kind pager_kind = {fetch, release};

/* The request for the page, if there is one, is answered. */
static void answered(unsigned object, uint64_t page)
{
    objects[object].asked -= objects[object].request[page];
    objects[object].request[page] = 0;
}

void op_supply(unsigned object, uint64_t page)
{
    struct model_object *o = &objects[object];
    enum error error, expected = page >= o->pages ? ERR_BAD_ARGUMENT : o->there[page] ? ERR_EXISTS : ERR_NONE;
    memory_retain(o->memory);
    half_done = true; /* whoever waits for the page is answered in any case */
    ATTEMPT(error, supply(object, page));
    half_done = false;
    if (error != ERR_NONE) { /* it may not even have had a frame */
        memory_refuse(o->memory, page, error);
    }
    answered(object, page);
    memory_release(o->memory);
    host_leave_kernel();
    model_object_settle(object);
    if (!came_to_nothing(error)) {
        assert_int_equal(error, expected);
    }
}

void op_refuse(unsigned object, uint64_t page)
{
    memory_refuse(objects[object].memory, page, PAGER_ERROR);
    answered(object, page);
    host_leave_kernel();
    model_object_settle(object);
}

void op_abandon(unsigned object)
{
    struct model_object *o = &objects[object];
    memory_retain(o->memory);
    memory_abandon(o->memory);
    memset(o->request, 0, sizeof(o->request));
    o->asked = 0;
    o->abandoned = true;
    memory_release(o->memory);
    host_leave_kernel();
    model_object_settle(object);
}

/* What making these pages be there gives. */
static enum error bring_error(unsigned object, uint64_t first, uint64_t count)
{
    const struct model_object *o = &objects[object];
    for (uint64_t i = first; o->kind == MEMORY_PAGED && i < first + count; i++) {
        if (o->there[i]) {
            continue;
        }
        if (o->abandoned || o->request[i]) {
            return o->abandoned ? ERR_DEAD : ERR_TIMED_OUT;
        }
        if (pager_way != PAGER_SUPPLIES) {
            return pager_way == PAGER_WAITS ? ERR_TIMED_OUT : PAGER_ERROR;
        }
    }
    return ERR_NONE;
}

/* --- objects -----------------------------------------------------------------------------------------------
 */

static unsigned made(unsigned object, struct memory *memory, enum memory_kind kind, uint64_t pages)
{
    objects[object] = (struct model_object){.memory = memory, .kind = kind, .pages = pages, .held = true};
    return object;
}

unsigned op_make(unsigned flags, uint64_t pages)
{
    unsigned object = model_object_free();
    struct memory *memory;
    enum error error;
    if (object == 0) {
        return 0;
    }
    ATTEMPT(error, memory_make(operations_account(), (pages_t){pages}, flags, &memory));
    if (came_to_nothing(error)) {
        return 0;
    }
    assert_int_equal(error, ERR_NONE);
    return made(object, memory, MEMORY_ANONYMOUS, pages);
}

unsigned op_make_physical(uint64_t first, uint64_t pages, unsigned cache)
{
    unsigned object = model_object_free();
    struct memory *memory;
    enum error error;
    if (object == 0) {
        return 0;
    }
    ATTEMPT(error, memory_make_physical(operations_account(), pfn(DEVICE_FIRST + first), (pages_t){pages},
                                        cache, &memory));
    if (came_to_nothing(error)) {
        return 0;
    }
    assert_int_equal(error, ERR_NONE);
    made(object, memory, MEMORY_PHYSICAL, pages);
    objects[object].first = first;
    return object;
}

unsigned op_make_paged(unsigned flags, uint64_t pages)
{
    unsigned object = model_object_free();
    struct memory *memory;
    enum error error;
    if (object == 0) {
        return 0;
    }
    pagers[object] = (struct memory_pager){&pager_kind, 0};
    ATTEMPT(error,
            memory_make_paged(operations_account(), (pages_t){pages}, flags, &pagers[object], &memory));
    if (came_to_nothing(error)) {
        return 0;
    }
    assert_int_equal(error, ERR_NONE);
    pagers_made++;
    return made(object, memory, MEMORY_PAGED, pages);
}

unsigned op_copy(unsigned object)
{
    struct model_object *o = &objects[object];
    unsigned to = model_object_free();
    struct memory *copy;
    enum error error;
    if (to == 0) {
        return 0;
    }
    changing.reads_only = true;
    ATTEMPT(error, memory_clone(o->memory, operations_account(), &copy));
    if (came_to_nothing(error)) {
        return 0;
    }
    bool pinned = model_is_pinned(object, 0, o->pages);
    assert_int_equal(error, o->kind != MEMORY_ANONYMOUS ? ERR_UNSUPPORTED
                            : pinned                    ? ERR_NOT_READY
                                                        : ERR_NONE);
    if (error != ERR_NONE) {
        return 0;
    }
    model_clone_object(object, to, copy);
    objects[to].held = true;
    return to;
}

void op_release(unsigned object)
{
    objects[object].held = false;
    memory_release(objects[object].memory);
    host_leave_kernel();
    model_object_settle(object);
}

void op_hold(unsigned object)
{
    objects[object].held = true;
    memory_retain(objects[object].memory);
}

void op_resize(unsigned object, uint64_t pages)
{
    struct model_object *o = &objects[object];
    bool physical = o->kind == MEMORY_PHYSICAL;
    bool pinned = !physical && pages < o->pages && model_is_pinned(object, pages, o->pages - pages);
    enum error error;
    changing.object = object;
    ATTEMPT(error, memory_resize(o->memory, (pages_t){pages}));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, physical ? ERR_UNSUPPORTED : pinned ? ERR_NOT_READY : ERR_NONE);
    if (error == ERR_NONE) {
        model_clear(object, pages, pages < o->pages ? o->pages - pages : 0);
        o->pages = pages;
    }
}

void op_commit(unsigned object, uint64_t first, uint64_t count)
{
    struct model_object *o = &objects[object];
    enum error error,
        expected = first + count > o->pages ? ERR_BAD_ARGUMENT : bring_error(object, first, count);
    ATTEMPT(error, memory_commit_pages(o->memory, first, count));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, expected);
    if (error == ERR_NONE && count > 0) {
        uint8_t told;
        memory_query(o->memory, first + count - 1, 1, &told);
        assert_true((told & MEMORY_PAGE_PRESENT) != 0);
    }
}

void op_decommit(unsigned object, uint64_t first, uint64_t count, bool cancel)
{
    struct model_object *o = &objects[object];
    struct memory_decommit_plan plan;
    enum error error, expected = ERR_NONE;
    if (o->kind == MEMORY_PHYSICAL) {
        expected = ERR_UNSUPPORTED;
    } else if (first + count > o->pages) {
        expected = ERR_BAD_ARGUMENT;
    } else if (model_is_pinned(object, first, count)) {
        expected = ERR_NOT_READY;
    }
    changing.object = object;
    ATTEMPT(error, memory_decommit_prepare(o->memory, first, count, &plan));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, expected);
    if (error == ERR_NONE && cancel) {
        memory_decommit_cancel(&plan);
    } else if (error == ERR_NONE) {
        memory_decommit_commit(&plan);
        model_clear(object, first, count);
        uint8_t told = 0;
        memory_query(o->memory, first, count > 0, &told);
        assert_int_equal(told, 0);
    }
}

void op_pin(unsigned object, uint64_t first, uint64_t count)
{
    struct model_object *o = &objects[object];
    paddr_t where[64];
    enum error error,
        expected = first + count > o->pages ? ERR_BAD_ARGUMENT : bring_error(object, first, count);
    assert_true(count <= 64);
    ATTEMPT(error, memory_pin(o->memory, first, count, where));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, expected);
    for (uint64_t i = 0; error == ERR_NONE && i < count; i++) {
        uint32_t *words = memory_host_frame(paddr_to_pfn(where[i])), *value = model_value(object, first + i);
        assert_int_equal(words[0], *value);
        *value = ++last_value; /* a device writes */
        words[0] = words[PAGE_SIZE / sizeof(*words) - 1] = last_value;
        if (o->kind != MEMORY_PHYSICAL) {
            o->pins[first + i]++;
        }
    }
}

void op_unpin(unsigned object, uint64_t first, uint64_t count)
{
    struct model_object *o = &objects[object];
    enum error expected = first + count > o->pages ? ERR_BAD_ARGUMENT : ERR_NONE;
    for (uint64_t i = first; o->kind != MEMORY_PHYSICAL && expected == ERR_NONE && i < first + count; i++) {
        expected = o->pins[i] > 0 ? ERR_NONE : ERR_BAD_ARGUMENT;
    }
    assert_int_equal(memory_unpin(o->memory, first, count), expected);
    for (uint64_t i = first; o->kind != MEMORY_PHYSICAL && expected == ERR_NONE && i < first + count; i++) {
        o->pins[i]--;
    }
}

void op_promote(unsigned object, uint64_t page, bool copy)
{
    if (failures == FAIL_EACH) {
        inject_arm(1 + (uint32_t)below(3));
    }
    (void)memory_promote(objects[object].memory, page, copy);
    if (failures == FAIL_EACH) {
        inject_arm(0);
    }
}

void op_query(unsigned object, uint64_t first, uint64_t count)
{
    const struct model_object *o = &objects[object];
    uint8_t told[128] = {0};
    assert_true(count <= sizeof(told));
    changing.reads_only = true;
    memory_query(o->memory, first, count, told);
    for (uint64_t i = first; i < first + count; i++) {
        bool present = (told[i - first] & MEMORY_PAGE_PRESENT) != 0;
        if (i >= o->pages) {
            assert_int_equal(told[i - first], 0);
        } else if (o->kind == MEMORY_PHYSICAL) {
            assert_int_equal(told[i - first], MEMORY_PAGE_PRESENT);
        } else {
            assert_true(present || o->value[i] == 0);
            assert_true(o->kind != MEMORY_PAGED || present == o->there[i]);
            assert_int_equal((told[i - first] & MEMORY_PAGE_PINNED) != 0, o->pins[i] > 0);
        }
    }
}
