/* What can be done to spaces, and the conditions of all that is done; see aspace_operations.h. */
#include "tests/host/host.h"

#include "tests/host/aspace_attempt.h"
#include "tests/host/memory_books.h"
#include "tests/host/memory_host.h"
#include "tests/host/mmu_host.h"

#include "kernel/debug/inject.h"
#include "kernel/mm/aspace_parts.h"
#include "kernel/mm/frame_report.h"

enum failures failures;
bool failed_once, half_done, undisturbed;
struct random dice;
uint64_t accesses_done, accesses_refused, accesses_meanwhile, accesses_veiled;
uint32_t last_value;
struct changing changing;

static bool under_way;

/* --- others, meanwhile
 * --------------------------------------------------------------------------------------
 */

void operations_over(void)
{
    changing = (struct changing){0};
}

/* A stack above would grow down to the page if nothing were there. */
static bool is_below_stack(const struct model_strip *strip, uint64_t page)
{
    bool below_stack = false;
    for (uint64_t i = page; i < strip->pages && i <= page + 2 * (GROW_REACH >> PAGE_SHIFT); i++) {
        below_stack = below_stack || (strip->page[i].mode & MAP_MODE_GROWS) != 0;
    }
    return below_stack;
}

/* Is it known what an access to the page gives, at least if it gives anything? */
static bool is_known(const struct model_space *space, uint64_t page)
{
    const struct model_page *p = &space->strips[0].page[page];
    const struct model_object *o = &objects[p->object];
    return p->mapped && p->object != 0 && p->object != changing.object && o->kind != MEMORY_PAGED &&
           p->page < o->pages && (p->mode & ACCESS_READ) != 0 &&
           !(space == changing.space && is_below_stack(&space->strips[0], page));
}

static void access_one(const struct model_space *space, uint64_t page)
{
    const struct model_page *p = &space->strips[0].page[page];
    bool changes = space == changing.space;
    bool write = !changing.reads_only && !changes && (p->mode & ACCESS_WRITE) != 0;
    uint32_t *where = model_value(p->object, p->page), value = write ? ++last_value : 0;
    aspace_load((struct aspace *)(uintptr_t)&space->space);
    enum error error =
        mmu_access(model_address(&space->strips[0], page), write ? ACCESS_WRITE : ACCESS_READ, &value);
    if (changes && error != ERR_NONE) {
        assert_true(error == ERR_BAD_ADDRESS || error == ERR_NO_RIGHT);
        return;
    }
    if (error == ERR_CANCELLED) { /* it waits for who is under way */
        assert_non_null(objects[p->object].memory->veil.owner);
        accesses_veiled++;
        return;
    }
    assert_int_equal(error, ERR_NONE);
    if (write) {
        *where = value;
    }
    assert_int_equal(value, *where);
    accesses_meanwhile++;
}

/* At a preemption point of an operation: another CPU accesses some pages. */
static void access_meanwhile(void)
{
    const struct model_space *space = &spaces[below(MODEL_SPACES)];
    void (*before_flush)(void) = mmu_before_flush;
    if (failures != FAIL_NEVER || undisturbed || arch_cpu_count() == 1 || !space->open) {
        return;
    }
    unsigned self = arch_this_cpu()->number;
    host_pause = NULL;
    memory_host_waits_in_vain = true;
    mmu_be((self + 1) % arch_cpu_count());
    mmu_before_flush = NULL;
    for (unsigned i = 0; arch_locks_held() == 0 && i < 16; i++) {
        uint64_t page = below(ARENA_PAGES);
        if (is_known(space, page)) {
            access_one(space, page);
        }
    }
    mmu_before_flush = before_flush;
    mmu_be(self);
    memory_host_waits_in_vain = false;
    host_pause = access_meanwhile;
}

/* --- failures ----------------------------------------------------------------------------------------------
 */

static uint32_t strike;
static bool kills; /* the thread is killed at that preemption point, and no allocation fails */

static void attempt_now(void)
{
    host_killed_at = kills ? strike : 0;
    inject_arm(kills ? 0 : strike);
}

/* A thread that is killed is so also in the second half of a call, up to the next operation. */
void attempt_first(void)
{
    host_killed_at = 0;
    host_pause = access_meanwhile;
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
bool attempt_again(enum error error)
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

bool came_to_nothing(enum error error)
{
    return failures == FAIL_SHORT && is_failure(error);
}

struct account *operations_account(void)
{
    return accounts[below(MODEL_ACCOUNTS)];
}

/* --- beginning and end -------------------------------------------------------------------------------------
 */

void operations_begin(const struct conditions *conditions)
{
    assert_false(under_way); /* the test before has come to a bad end */
    under_way = true;
    memory_host_reach = DEVICE_FIRST + DEVICE_FRAMES;
    memory_host_start(conditions->frames, conditions->cpus);
    mmu_start(conditions->frames, conditions->tags, conditions->huge, conditions->levels);
    mmu_alone = true;
    memory_host_shares_most = conditions->shares_most;
    dice = (struct random){conditions->seed};
    pagers_made = pagers_released = 0;
    books_open((uint64_t)1 << 30, (uint64_t)1 << 40);
    for (unsigned i = 0; i < MODEL_ACCOUNTS; i++) {
        accounts[i] = books_account("model", conditions->limit, (uint64_t)1 << 30);
    }
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
    assert_int_equal(pagers_made, pagers_released);
    books_close();
    memory_host_shares_most = FRAME_SHARES_MOST;
    under_way = false;
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
    space->account = operations_account();
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
    changing.space = space;
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
    to->account = operations_account();
    changing.reads_only = true;
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
                                        strip != NULL ? model_address(strip, low) : 0, pages << PAGE_SHIFT,
                                        mode};
    enum error error, expected = strip != NULL && model_any(strip, low, low + pages) ? ERR_EXISTS : ERR_NONE;
    changing.space = space;
    ATTEMPT(error, aspace_map_prepare(&space->space, &request, &plan));
    if (came_to_nothing(error)) {
        return NULL;
    }
    assert_int_equal(error, expected);
    if (error != ERR_NONE) {
        return NULL;
    }
    uint64_t start = aspace_map_commit(&plan);
    if ((mode & MAP_MODE_POPULATE) == 0) { /* nobody has had the time to touch it */
        assert_false(mmu_remembers(&space->space, start, pages));
    }
    host_leave_kernel();
    if (strip == NULL) {
        strip = model_strip_make(space, start, pages);
    }
    assert_int_equal(start, model_address(strip, low));
    model_map(strip, low, low + pages, object, page, mode);
    return strip;
}

/*
 * Another CPU gives back pages that are just being unmapped or protected, or copies their object, when the
 * tables have been changed, but not all CPUs have been told. It must see to that itself.
 */
static struct {
    struct model_space *space;
    const struct model_strip *strip;
    uint64_t low, high;
    unsigned object;
    uint64_t page; /* of the object */
    bool copies;
} intruder;

static void give_back_meanwhile(void)
{
    struct memory_decommit_plan plan;
    struct model_object *o = &objects[intruder.object];
    if (memory_decommit_prepare(o->memory, intruder.page, 1, &plan) == ERR_NONE) {
        memory_decommit_commit(&plan);
        model_clear(intruder.object, intruder.page, 1);
        mmu_check_alive();
    }
}

static void copy_meanwhile(void)
{
    struct memory *copy;
    if (memory_clone(objects[intruder.object].memory, operations_account(), &copy) != ERR_NONE) {
        return;
    }
    for (uint64_t i = intruder.low; i < intruder.high; i++) {
        if (intruder.strip->page[i].object == intruder.object) {
            assert_false(mmu_would_write(&intruder.space->space, model_address(intruder.strip, i)));
        }
    }
    memory_release(copy);
}

static void intrude(void)
{
    unsigned self = arch_this_cpu()->number;
    mmu_before_flush = NULL; /* once */
    host_pause = NULL;       /* the one who is disturbed has a lock */
    mmu_be((self + 1) % arch_cpu_count());
    if (intruder.copies) {
        copy_meanwhile();
    } else {
        give_back_meanwhile();
    }
    host_leave_kernel();
    mmu_be(self);
    host_pause = access_meanwhile;
}

/* Sometimes somebody else comes when this range of the space is changed next. */
static void invite(struct model_space *space, const struct model_strip *strip, uint64_t low, uint64_t high)
{
    const struct model_page *p = &strip->page[low + below(high - low)];
    const struct model_object *o = &objects[p->object];
    mmu_before_flush = NULL;
    if (failures != FAIL_NEVER || undisturbed || arch_cpu_count() == 1 || below(2) || p->object == 0 ||
        o->kind != MEMORY_ANONYMOUS || p->page >= o->pages || model_is_pinned(p->object, 0, o->pages)) {
        return;
    }
    intruder.space = space;
    intruder.strip = strip;
    intruder.low = low;
    intruder.high = high;
    intruder.object = p->object;
    intruder.page = p->page;
    intruder.copies = below(2);
    mmu_before_flush = intrude;
}

void op_unmap(struct model_space *space, struct model_strip *strip, uint64_t low, uint64_t pages)
{
    struct range_plan plan;
    const struct model_page *p = &strip->page[low];
    bool found = pages == 0 ? p->mapped && p->starts : model_any(strip, low, low + pages);
    uint64_t high = pages != 0 || !found ? low + pages : model_end(strip, low);
    enum error error;
    changing.space = space;
    ATTEMPT(error,
            aspace_unmap_prepare(&space->space, model_address(strip, low), pages << PAGE_SHIFT, &plan));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, found ? ERR_NONE : ERR_NOT_FOUND);
    if (error == ERR_NONE) {
        invite(space, strip, low, high);
        aspace_unmap_commit(&plan);
        mmu_before_flush = NULL;
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
    changing.space = space;
    ATTEMPT(error, aspace_protect_prepare(&space->space, model_address(strip, low), pages << PAGE_SHIFT,
                                          access, &plan));
    if (came_to_nothing(error)) {
        return;
    }
    assert_int_equal(error, expected);
    if (error == ERR_NONE) {
        invite(space, strip, low, low + pages);
        aspace_protect_commit(&plan);
        mmu_before_flush = NULL;
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
