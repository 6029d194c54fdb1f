/*
 * What takes long goes in steps: how much of each kind the kernel does before others can run is counted, and
 * here held to what it says that is never exceeded, over ranges that are many steps large.
 */
#include "abi/account.h"
#include "abi/memory.h"
#include "abi/system.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/books.h"
#include "user/bin/utest/test.h"
#include "user/libq/program.h"
#include "user/libq/system.h"

#define PLACE    0x0000200000000000ull
#define LARGE    (2 * MIB)
#define MOST     (128 * MIB)
#define KINDS    16u
#define MAPPINGS 200u

/* Mappings of one object, and how far they are apart. */
#define MANY       1000u
#define MANY_APART (2 * MIB)

struct steps {
    struct system_step kinds[KINDS];
    uint64_t count;
};

static bool steps_take(struct steps *steps)
{
    steps->count = 0;
    while (steps->count < KINDS && system_record(TOPIC_STEPS, steps->count, &steps->kinds[steps->count],
                                                 sizeof steps->kinds[0]) == ERR_NONE) {
        steps->count++;
    }
    CHECK(steps->count > 0 && steps->count < KINDS);
    return true;
}

/* Of this kind at least so much was done since, and of no kind ever more at once than may be. */
static bool was_done(const struct steps *before, const char *name, uint64_t least)
{
    struct steps after;
    CHECK(steps_take(&after));
    for (uint64_t i = 0; i < after.count; i++) {
        const struct system_step *step = &after.kinds[i];
        if (step->most > step->bound) {
            return test_fail(__FILE__, __LINE__, "%s: %lu at once, but never more than %lu", step->name,
                             step->most, step->bound);
        }
        if (text_equal(step->name, name)) {
            uint64_t done = step->done - before->kinds[i].done;
            if (done < least) {
                return test_fail(__FILE__, __LINE__, "%s: %lu were done, not %lu", name, done, least);
            }
            return true;
        }
    }
    return test_fail(__FILE__, __LINE__, "there is no kind of step '%s'", name);
}

/* As large as the machine allows, in whole pieces of 2 MiB, so that several objects of it can be paid. */
static bool size_take(uint64_t *bytes)
{
    struct account_info account;
    CHECK_OK(sys_account_read(startup->account, &account, sizeof account));
    const struct account_resource *frames = &account.resources[RESOURCE_FRAMES];
    uint64_t left = (frames->limit - frames->lent - frames->used) * PAGE_SIZE / 4;
    *bytes = left < MOST ? left & ~(LARGE - 1) : MOST;
    return true;
}

/* An object that is there in single pages: no part that is committed is a whole of 2 MiB. */
static enum error pages_make(uint64_t bytes, uint32_t *memory)
{
    enum error error = sys_memory_create(0, bytes, 0, memory);
    for (uint64_t at = 0; error == ERR_NONE && at < bytes; at += LARGE) {
        error = sys_memory_commit(*memory, at + PAGE_SIZE, LARGE - PAGE_SIZE);
        if (error == ERR_NONE) {
            error = sys_memory_commit(*memory, at, PAGE_SIZE);
        }
    }
    return error;
}

static enum error show(uint32_t task, uint32_t memory, uint64_t bytes)
{
    uint64_t where;
    return sys_memory_map(task, memory, 0, PLACE, bytes,
                          ACCESS_READ | ACCESS_WRITE | MAP_MODE_POPULATE | MAP_MODE_SMALL, &where);
}

static bool a_huge_range_is_made_and_removed_in_bounded_steps(void)
{
    struct books books;
    struct steps before;
    uint32_t memory;
    uint64_t bytes;
    CHECK(books_at_rest(&books) && steps_take(&before) && size_take(&bytes));
    if (bytes == 0) {
        return test_skip("there is too little memory");
    }
    uint64_t pages = bytes / PAGE_SIZE;
    CHECK_OK(pages_make(bytes, &memory));
    if (!was_done(&before, "pages committed", pages)) {
        return false;
    }
    CHECK_OK(show(startup->self, memory, bytes));
    if (!was_done(&before, "leaves populated", pages)) {
        return false;
    }
    CHECK_OK(sys_memory_protect(startup->self, PLACE, bytes, ACCESS_READ));
    if (!was_done(&before, "leaves given other rights", pages)) {
        return false;
    }
    CHECK_OK(sys_memory_unmap(startup->self, PLACE, 0));
    if (!was_done(&before, "leaves unmapped", pages)) {
        return false;
    }
    CHECK_OK(sys_handle_close(memory));
    CHECK(books_settle(&books, "the range"));
    return was_done(&before, "frames given back", pages);
}

static bool a_huge_object_is_copied_and_emptied_in_bounded_steps(void)
{
    struct books books;
    struct steps before;
    uint32_t memory, copy;
    uint64_t bytes;
    CHECK(books_at_rest(&books) && size_take(&bytes));
    if (bytes == 0) {
        return test_skip("there is too little memory");
    }
    uint64_t pages = bytes / PAGE_SIZE;
    CHECK_OK(pages_make(bytes, &memory));
    CHECK_OK(show(startup->self, memory, bytes));
    CHECK(steps_take(&before));
    CHECK_OK(sys_memory_clone(memory, 0, &copy));
    if (!was_done(&before, "pages shared by a clone", pages)) {
        return false;
    }
    CHECK_OK(sys_memory_decommit(memory, 0, bytes));
    if (!was_done(&before, "pages hidden from views", pages)) {
        return false;
    }
    CHECK_EQUAL(*(volatile uint64_t *)PLACE, 0);
    CHECK(steps_take(&before));
    CHECK_OK(sys_memory_decommit(copy, PAGE_SIZE, bytes - 2 * PAGE_SIZE)); /* both ends are parts of nodes */
    if (!was_done(&before, "frames given back", pages - 2)) {
        return false;
    }
    CHECK_OK(sys_memory_unmap(startup->self, PLACE, 0));
    CHECK_OK(sys_handle_close(copy));
    CHECK_OK(sys_handle_close(memory));
    return books_settle(&books, "the copy");
}

/* A page of each 2 MiB, in each so many of the mappings. */
static void touch_mappings(uint64_t bytes, unsigned stride)
{
    for (unsigned i = 0; i < MANY; i += stride) {
        for (uint64_t at = 0; at < bytes; at += 16 * PAGE_SIZE) {
            *(volatile uint64_t *)(PLACE + i * MANY_APART + at) += 1;
        }
    }
}

static bool what_many_mappings_show_is_hidden_in_bounded_steps(void)
{
    const uint64_t bytes = MIB;
    struct books books;
    struct steps before;
    uint32_t memory, copy;
    uint64_t at;
    CHECK(books_at_rest(&books));
    CHECK_OK(sys_memory_create(0, bytes, 0, &memory));
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_OK(sys_memory_map(startup->self, memory, 0, PLACE + i * MANY_APART, bytes,
                                ACCESS_READ | ACCESS_WRITE, &at));
    }
    touch_mappings(bytes, 10);
    CHECK(steps_take(&before));
    CHECK_OK(sys_memory_clone(memory, 0, &copy));
    touch_mappings(bytes, 50); /* each page is copied, and the others see it */
    CHECK_EQUAL(*(volatile uint64_t *)PLACE, MANY / 10 + MANY / 50);
    CHECK_EQUAL(*(volatile uint64_t *)(PLACE + 7 * MANY_APART), MANY / 10 + MANY / 50);
    touch_mappings(bytes, 10);
    CHECK_OK(sys_memory_decommit(memory, 0, bytes));
    CHECK_EQUAL(*(volatile uint64_t *)(PLACE + 20 * MANY_APART), 0);
    CHECK(was_done(&before, "pages hidden from views", MANY / 10));
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_OK(sys_memory_unmap(startup->self, PLACE + i * MANY_APART, 0));
    }
    CHECK_OK(sys_handle_close(copy));
    CHECK_OK(sys_handle_close(memory));
    return books_settle(&books, "many mappings");
}

static bool a_huge_space_ends_in_bounded_steps(void)
{
    struct books books;
    struct steps before;
    uint32_t memory, task;
    uint64_t bytes, where;
    CHECK(books_at_rest(&books) && steps_take(&before) && size_take(&bytes));
    if (bytes == 0) {
        return test_skip("there is too little memory");
    }
    CHECK_OK(pages_make(bytes, &memory));
    CHECK_OK(sys_task_create(0, "huge", 4, &task));
    CHECK_OK(show(task, memory, bytes));
    for (uint64_t i = 0; i < MAPPINGS; i++) { /* neighbours that show the same page do not become one */
        CHECK_OK(
            sys_memory_map(task, memory, 0, PLACE + MOST + i * PAGE_SIZE, PAGE_SIZE, ACCESS_READ, &where));
    }
    CHECK_OK(sys_handle_close(memory));
    CHECK_OK(sys_task_kill(task, 0));
    CHECK_OK(sys_handle_close(task));
    CHECK(books_settle(&books, "the space"));
    if (!was_done(&before, "page tables taken out", bytes / LARGE)) {
        return false;
    }
    return was_done(&before, "mappings taken out", MAPPINGS + 1);
}

static bool clearing_large_pages_goes_in_bounded_steps(void)
{
    struct books books;
    struct steps before;
    uint32_t memory;
    uint64_t bytes;
    CHECK(books_at_rest(&books) && steps_take(&before) && size_take(&bytes));
    if (bytes == 0) {
        return test_skip("there is too little memory");
    }
    CHECK_OK(sys_memory_create(0, bytes, 0, &memory));
    CHECK_OK(sys_memory_commit(memory, 0, bytes));
    CHECK_OK(sys_handle_close(memory));
    if (!was_done(&before, "pages committed", bytes / LARGE)) {
        return false;
    }
    if (!was_done(&before, "pages cleared", 0)) { /* some may have been ready */
        return false;
    }
    return books_settle(&books, "the large pages");
}

/* Above the RAM of all machines that run this, below what the least of processors can address. */
#define DEVICE       0x8000000000ull
#define DEVICE_BYTES GIB

static bool show_device(uint64_t physical, uint64_t leaves)
{
    struct books books;
    struct steps before;
    uint32_t memory;
    uint64_t where;
    CHECK(books_at_rest(&books) && steps_take(&before));
    enum error error =
        sys_memory_device(startup->system, 0, physical, DEVICE_BYTES, MEMORY_CACHE_NONE, &memory);
    if (error == ERR_BAD_ARGUMENT || error == ERR_NO_RIGHT) {
        return test_skip("the machine has no room for such a device");
    }
    CHECK_OK(error);
    error = sys_memory_map(startup->self, memory, 0, PLACE, DEVICE_BYTES,
                           ACCESS_READ | MAP_MODE_POPULATE | MAP_MODE_HUGE, &where);
    if (error == ERR_LIMIT || error == ERR_NO_MEMORY) {
        CHECK_OK(sys_handle_close(memory));
        return test_skip("there is too little memory");
    }
    CHECK_OK(error);
    if (!was_done(&before, "leaves populated", leaves)) {
        return false;
    }
    CHECK_OK(sys_memory_unmap(startup->self, PLACE, 0));
    CHECK_OK(sys_handle_close(memory));
    CHECK(books_settle(&books, "the device"));
    return was_done(&before, "leaves unmapped", leaves);
}

static bool a_device_in_huge_pages_goes_in_bounded_steps(void)
{
    return show_device(DEVICE, 1);
}

static bool a_device_that_fits_no_huge_page_goes_in_bounded_steps(void)
{
    return show_device(DEVICE + PAGE_SIZE, DEVICE_BYTES / PAGE_SIZE);
}

static const struct test tests[] = {
    TEST(a_huge_range_is_made_and_removed_in_bounded_steps),
    TEST(a_huge_object_is_copied_and_emptied_in_bounded_steps),
    TEST(what_many_mappings_show_is_hidden_in_bounded_steps),
    TEST(a_huge_space_ends_in_bounded_steps),
    TEST(clearing_large_pages_goes_in_bounded_steps),
    TEST(a_device_in_huge_pages_goes_in_bounded_steps),
    TEST(a_device_that_fits_no_huge_page_goes_in_bounded_steps),
};

const struct area area_steps = AREA("steps", tests);
