/* What can be done to spaces and objects; see aspace_operations.h. */
#include "tests/host/host.h"

#include "tests/host/aspace_operations.h"
#include "tests/host/memory_host.h"
#include "tests/host/mmu_host.h"

#include "kernel/debug/inject.h"
#include "kernel/mm/aspace_parts.h"
#include "kernel/mm/frame_report.h"
#include "kernel/obj/account_tree.h"

enum failures failures;
bool failed_once;
struct random dice;
uint64_t accesses_done, accesses_refused;

static uint32_t last_value;
static bool under_way;
static uint64_t frames_at_start;
static unsigned pagers_made, pagers_released;

/* --- failures ----------------------------------------------------------------------------------------------
 */

static uint32_t strike;
static bool kills;     /* the thread is killed at that preemption point, and no allocation fails */
static bool half_done; /* the kernel is ahead of the model */

static void attempt_now(void)
{
    host_killed_at = kills ? strike : 0;
    inject_arm(kills ? 0 : strike);
}

/* A thread that is killed is so also in the second half of a call, up to the next operation. */
static void attempt_first(void)
{
    host_killed_at = 0;
    if (failures == FAIL_EACH) {
        kills = below(4) == 0;
        strike = 1 + (uint32_t)below(3);
        attempt_now();
    }
}

static bool is_failure(enum error error)
{
    return error == ERR_NO_MEMORY || error == ERR_LIMIT;
}

/* Did an allocation fail, and the operation with it? Then again. */
static bool attempt_again(enum error error)
{
    bool struck = thread_current()->inject_left == 0;
    struck = struck && (failures == FAIL_EACH || (failures == FAIL_ONCE && !failed_once));
    bool again = struck && is_failure(error);
    if (failures == FAIL_EACH && kills) {
        again = error == ERR_CANCELLED;
        assert_true(!again || host_killed_at == 1);
    }
    host_leave_kernel();
    if (failures == FAIL_EACH && again) {
        strike++;
        attempt_now();
    } else if (failures == FAIL_EACH) {
        inject_arm(0);
    }
    failed_once = failed_once || struck;
    if (failures == FAIL_ONCE && again && !half_done) {
        model_check();
    }
    return again;
}

#define ATTEMPT(error, operation)                                                                            \
    do {                                                                                                     \
        attempt_first();                                                                                     \
        do {                                                                                                 \
            (error) = (operation);                                                                           \
        } while (attempt_again(error));                                                                      \
    } while (0)

/* The operation comes to nothing, and it is as before. */
static bool came_to_nothing(enum error error)
{
    return failures == FAIL_SHORT && is_failure(error);
}

/* --- beginning and end -------------------------------------------------------------------------------------
 */

static uint64_t frames_free(void)
{
    struct frame_counts counts;
    frame_count(&counts);
    return counts.free;
}

void operations_begin(const struct conditions *conditions)
{
    const uint64_t all[RESOURCES] = {(uint64_t)1 << 30, (uint64_t)1 << 40};
    assert_false(under_way); /* the test before has come to a bad end */
    under_way = true;
    memory_host_reach = DEVICE_FIRST + DEVICE_FRAMES;
    memory_host_start(conditions->frames, conditions->cpus);
    mmu_start(conditions->frames, conditions->tags, conditions->huge, conditions->levels);
    mmu_alone = true;
    memory_host_shares_most = conditions->shares_most;
    dice = (struct random){conditions->seed};
    pagers_made = pagers_released = 0;
    assert_int_equal(account_make(&kernel_account, "machine", &machine), ERR_NONE);
    account_endow(machine, all);
    for (unsigned i = 0; i < MODEL_ACCOUNTS; i++) {
        const uint64_t limits[RESOURCES] = {conditions->limit, (uint64_t)1 << 30};
        assert_int_equal(account_make(machine, "model", &accounts[i]), ERR_NONE);
        assert_int_equal(account_lend_prepare(machine, accounts[i], limits), ERR_NONE);
        account_lend_commit(machine, accounts[i], limits);
    }
    frames_at_start = frames_free();
}

static void unpin_all(unsigned object)
{
    struct model_object *o = &objects[object];
    for (uint64_t i = 0; o->kind != MEMORY_PHYSICAL && i < o->pages; i++) {
        while (o->pins[i] > 0) {
            op_unpin(object, i, 1);
        }
    }
}

/* In an order that is never the same. */
void operations_end(void)
{
    struct account_info info;
    for (unsigned left = MODEL_SPACES + MODEL_OBJECTS; left > 0; left--) {
        unsigned i = (unsigned)below(left), space = 0;
        while (space < MODEL_SPACES && !(spaces[space].open && i-- == 0)) {
            space++;
        }
        if (space < MODEL_SPACES) {
            op_close(&spaces[space]);
        }
    }
    for (unsigned i = 0; i < MODEL_SPACES; i++) {
        if (spaces[i].open) {
            op_close(&spaces[i]);
        }
    }
    for (unsigned i = 1; i < MODEL_OBJECTS; i++) {
        if (objects[i].memory != NULL && objects[i].asked > 0) {
            op_abandon(i);
        }
        if (objects[i].memory != NULL) {
            unpin_all(i);
            op_release(i);
        }
        assert_ptr_equal(objects[i].memory, NULL);
    }
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        mmu_be(i);
        aspace_load(NULL);
        host_leave_kernel();
    }
    tlb_settle(true);
    mmu_be(0);
    for (unsigned i = 0; i < MODEL_ACCOUNTS; i++) {
        account_describe(accounts[i], &info);
        assert_int_equal(info.resources[RESOURCE_FRAMES].used, 0);
        assert_int_equal(info.resources[RESOURCE_BYTES].used, 0);
        account_release(accounts[i]);
    }
    assert_int_equal(frames_free(), frames_at_start);
    assert_int_equal(memory_host_shares(), 0);
    assert_int_equal(object_count(OBJECT_MEMORY), 0);
    assert_int_equal(pagers_made, pagers_released);
    const char *what;
    pfn_t where;
    assert_true(frame_audit(&what, &where));
    account_release(machine);
    host_leave_kernel();
    assert_int_equal(host_heap_pieces, 0);
    memory_host_shares_most = FRAME_SHARES_MOST;
    under_way = false;
}

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

static struct account *some_account(void)
{
    return accounts[below(MODEL_ACCOUNTS)];
}

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
    ATTEMPT(error, memory_make(some_account(), (pages_t){pages}, flags, &memory));
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
    ATTEMPT(error, memory_make_physical(some_account(), pfn(DEVICE_FIRST + first), (pages_t){pages}, cache,
                                        &memory));
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
    ATTEMPT(error, memory_make_paged(some_account(), (pages_t){pages}, flags, &pagers[object], &memory));
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
    ATTEMPT(error, memory_clone(o->memory, some_account(), &copy));
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
    enum error error, expected = first + count > o->pages ? ERR_BAD_ARGUMENT : bring_error(object, first, count);
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
    enum error error, expected = first + count > o->pages ? ERR_BAD_ARGUMENT : bring_error(object, first, count);
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

/* --- spaces ------------------------------------------------------------------------------------------------
 */

static enum error open_once(struct model_space *space)
{
    aspace_init(&space->space, space->account);
    return aspace_open(&space->space);
}

void op_open(struct model_space *space)
{
    enum error error;
    space->account = some_account();
    ATTEMPT(error, open_once(space));
    if (!came_to_nothing(error)) {
        assert_int_equal(error, ERR_NONE);
        model_open(space);
    }
}

void op_load(struct model_space *space)
{
    aspace_load(space != NULL ? &space->space : NULL);
    assert_ptr_equal(arch_this_cpu()->space, space != NULL ? &space->space : NULL);
}

/* The others have it loaded no more. */
static void leave(struct aspace *space)
{
    unsigned self = arch_this_cpu()->number;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        mmu_be(i);
        if (i != self && arch_this_cpu()->space == space) {
            aspace_load(NULL);
        }
    }
    mmu_be(self);
}

void op_close(struct model_space *space)
{
    leave(&space->space);
    aspace_close(&space->space);
    host_leave_kernel();
    model_close(space);
}

static enum error fork_once(struct model_space *from, struct model_space *to)
{
    enum error error = open_once(to);
    if (error == ERR_NONE) {
        error = aspace_clone(&from->space, &to->space, to->account);
        if (error != ERR_NONE) {
            aspace_close(&to->space);
        }
    }
    return error;
}

void op_fork(struct model_space *from, struct model_space *to)
{
    enum error error, expected = model_clone_error(from);
    if (expected == ERR_EXISTS) {
        return;
    }
    to->account = some_account();
    ATTEMPT(error, fork_once(from, to));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, expected);
    if (error == ERR_NONE) {
        model_open(to);
        model_clone(from, to);
    }
}

struct model_strip *op_map(struct model_space *space, struct model_strip *strip, uint64_t low, uint64_t pages,
                           unsigned object, uint64_t page, uint32_t mode)
{
    struct map_plan plan;
    const struct map_request request = {objects[object].memory, page << PAGE_SHIFT,
                                        strip != NULL ? model_address(strip, low) : 0, pages << PAGE_SHIFT, mode};
    enum error error, expected = strip != NULL && model_any(strip, low, low + pages) ? ERR_EXISTS : ERR_NONE;
    ATTEMPT(error, aspace_map_prepare(&space->space, &request, &plan));
    if (came_to_nothing(error)) {
        return NULL;
    }
    assert_int_equal(error, expected);
    if (error != ERR_NONE) {
        return NULL;
    }
    uint64_t start = aspace_map_commit(&plan);
    host_leave_kernel();
    if (strip == NULL) {
        strip = model_strip_make(space, start, pages);
    }
    assert_int_equal(start, model_address(strip, low));
    model_map(strip, low, low + pages, object, page, mode);
    return strip;
}

void op_unmap(struct model_space *space, struct model_strip *strip, uint64_t low, uint64_t pages)
{
    struct range_plan plan;
    const struct model_page *p = &strip->page[low];
    bool found = pages == 0 ? p->mapped && p->starts : model_any(strip, low, low + pages);
    uint64_t high = pages != 0 || !found ? low + pages : model_end(strip, low);
    enum error error;
    ATTEMPT(error, aspace_unmap_prepare(&space->space, model_address(strip, low), pages << PAGE_SHIFT, &plan));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, found ? ERR_NONE : ERR_NOT_FOUND);
    if (error == ERR_NONE) {
        aspace_unmap_commit(&plan);
        host_leave_kernel();
        model_unmap(strip, low, high);
        model_strip_settle(strip);
    }
}

void op_protect(struct model_space *space, struct model_strip *strip, uint64_t low, uint64_t pages,
                uint32_t access)
{
    struct range_plan plan;
    enum error error, expected = model_protect_error(strip, low, low + pages, access);
    ATTEMPT(error, aspace_protect_prepare(&space->space, model_address(strip, low), pages << PAGE_SHIFT, access,
                                          &plan));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, expected);
    if (error == ERR_NONE) {
        aspace_protect_commit(&plan);
        host_leave_kernel();
        model_protect(strip, low, low + pages, access);
    }
}

void op_touch(struct model_strip *strip, uint64_t page, uint32_t access)
{
    uint32_t *where = NULL, value = access == ACCESS_WRITE ? ++last_value : 0;
    enum error error, expected = model_access(strip, page, access, &where);
    uint64_t address = model_address(strip, page) + (last_value & 0xff8);
    ATTEMPT(error, mmu_access(address, access, &value));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, expected);
    accesses_done += error == ERR_NONE;
    accesses_refused += error != ERR_NONE;
    if (error == ERR_NONE && access == ACCESS_WRITE) {
        *where = value;
    } else if (error == ERR_NONE) {
        assert_int_equal(value, *where);
    }
}

void op_describe(struct model_space *space, const struct model_strip *strip, uint64_t page)
{
    struct memory_mapping told;
    struct table_step steps[TABLE_LEVELS_MOST];
    unsigned count = aspace_translate(&space->space, model_address(strip, page), steps);
    struct mmu_leaf leaf = mmu_look(space->space.root, model_address(strip, page));
    assert_true(count > 0);
    assert_int_equal(steps[count - 1].leaf, leaf.size != 0);
    while (page < strip->pages && !strip->page[page].mapped) {
        page++;
    }
    if (page == strip->pages) {
        return;
    }
    bool found = aspace_describe(&space->space, model_address(strip, page), &told);
    while (!strip->page[page].starts) {
        page--;
    }
    const struct model_page *p = &strip->page[page];
    assert_true(found);
    assert_int_equal(told.start, model_address(strip, page));
    assert_int_equal(told.bytes >> PAGE_SHIFT, model_end(strip, page) - page);
    assert_int_equal(told.mode, p->mode);
    assert_int_equal(told.views, objects[p->object].views);
    assert_true(told.large <= told.resident && told.resident <= told.bytes);
    if (p->object != 0) {
        assert_int_equal(told.offset >> PAGE_SHIFT, p->page);
        assert_int_equal(told.object, object_identity(&objects[p->object].memory->object));
    }
}
