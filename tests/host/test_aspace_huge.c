/*
 * Memory for pages of 1 GiB, and mappings that show it: a scene from the first commit to the last page given
 * back, played over and over, each time with the next of its allocations failing. What fails has taken
 * nothing, and is done again; or smaller pages are given. At the end nothing is missing.
 */
#include "tests/host/host.h"

#include "kernel/debug/inject.h"
#include "kernel/mm/aspace_parts.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/memory_tree.h"
#include "tests/host/lock_host.h"
#include "tests/host/memory_books.h"
#include "tests/host/memory_check.h"
#include "tests/host/memory_host.h"
#include "tests/host/mmu_host.h"

#define ROOMY        ((uint64_t)2 << 18) /* frames: of 2 GiB the upper half is one block */
#define PIECES       ((uint64_t)3 << 17) /* 1.5 GiB, and no GiB in a row: frame 0 is never free */
#define DEVICE_FIRST ((uint64_t)2 << 18)
#define REACH        ((uint64_t)3 << 18)
#define CPUS         2
#define LARGE_PAGES  MEMORY_LEAF_PAGES
#define PAGES        (MEMORY_HUGE_PAGES + LARGE_PAGES) /* of the object */
#define AT           ((uint64_t)64 * GIB)
#define COPY_AT      ((uint64_t)66 * GIB)
#define DEVICE_AT    ((uint64_t)68 * GIB)
#define READ_WRITE   (ACCESS_READ | ACCESS_WRITE)
#define POPULATE     (READ_WRITE | MAP_MODE_POPULATE | MAP_MODE_HUGE)

static struct account *account;
static struct aspace space;
static struct memory *memory, *copy, *device;
static bool armed; /* an allocation is to fail in this play */

/* --- failures ----------------------------------------------------------------------------------------------
 */

static bool has_failed(void)
{
    return armed && thread_current()->inject_left == 0;
}

static struct account_info books(void)
{
    struct account_info info;
    account_describe(account, &info);
    return info;
}

/* Did it fail, as was to be expected, and changed nothing? Then it is done again. */
static bool failed(enum error error, const struct account_info *before)
{
    if (error == ERR_NONE) {
        return false;
    }
    host_leave_kernel();
    struct account_info now = books();
    assert_true(has_failed());
    assert_true(error == ERR_NO_MEMORY || error == ERR_LIMIT);
    for (unsigned i = 0; i < RESOURCES; i++) {
        assert_int_equal(now.resources[i].used, before->resources[i].used);
    }
    return true;
}

/* Twice at most: only one allocation fails. */
#define TRY(operation)                                                                                       \
    do {                                                                                                     \
        struct account_info before_it = books();                                                             \
        if (failed((operation), &before_it)) {                                                               \
            assert_int_equal((operation), ERR_NONE);                                                         \
        }                                                                                                    \
    } while (0)

/* What is there already when the commit fails stays; the books say so. */
static void commit(void)
{
    enum error error = memory_commit_pages(memory, 0, MEMORY_HUGE_PAGES);
    if (error != ERR_NONE) {
        assert_true(has_failed() && (error == ERR_NO_MEMORY || error == ERR_LIMIT));
        memory_check(memory);
        assert_int_equal(memory_commit_pages(memory, 0, MEMORY_HUGE_PAGES), ERR_NONE);
    }
    memory_check(memory);
    assert_int_equal(memory->resident, MEMORY_HUGE_PAGES);
}

/* --- the scene ---------------------------------------------------------------------------------------------
 */

static void map(struct memory *what, uint64_t at, uint32_t mode)
{
    struct map_plan plan;
    const struct map_request request = {what, 0, at, GIB, mode};
    uint64_t mappings = space.count;
    TRY(aspace_map_prepare(&space, &request, &plan));
    assert_int_equal(aspace_map_commit(&plan), at);
    host_leave_kernel();
    assert_int_equal(space.count, mappings + 1);
}

static void unmap(uint64_t at, uint64_t bytes)
{
    struct range_plan plan;
    TRY(aspace_unmap_prepare(&space, at, bytes, &plan));
    aspace_unmap_commit(&plan);
    host_leave_kernel();
}

static void protect(uint64_t at, uint64_t bytes, uint32_t access)
{
    struct range_plan plan;
    TRY(aspace_protect_prepare(&space, at, bytes, access, &plan));
    aspace_protect_commit(&plan);
    host_leave_kernel();
}

static void decommit(struct memory *what, uint64_t first, uint64_t count)
{
    struct memory_decommit_plan plan;
    TRY(memory_decommit_prepare(what, first, count, &plan));
    memory_decommit_commit(&plan);
    host_leave_kernel();
    memory_check(what);
}

static void write_page(uint64_t at, uint32_t value)
{
    enum error error = mmu_access(at, ACCESS_WRITE, &value);
    if (error != ERR_NONE) {
        assert_true(has_failed() && (error == ERR_NO_MEMORY || error == ERR_LIMIT));
        error = mmu_access(at, ACCESS_WRITE, &value);
    }
    assert_int_equal(error, ERR_NONE);
}

static void expect_page(uint64_t at, uint32_t expected)
{
    uint32_t value = ~expected;
    enum error error = mmu_access(at, ACCESS_READ, &value);
    if (error != ERR_NONE) {
        assert_true(has_failed() && (error == ERR_NO_MEMORY || error == ERR_LIMIT));
        error = mmu_access(at, ACCESS_READ, &value);
    }
    assert_int_equal(error, ERR_NONE);
    assert_int_equal(value, expected);
}

static uint64_t leaf_at(uint64_t at)
{
    return mmu_look(space.root, at).size;
}

/* All of the object's first GiB is shown there, in its frames. Returns the size of the first leaf. */
static uint64_t shown(struct memory *what, uint64_t at)
{
    for (uint64_t page = 0; page < MEMORY_HUGE_PAGES; page += LARGE_PAGES / 2) {
        pfn_t frame;
        bool writable;
        struct mmu_leaf leaf = mmu_look(space.root, at + page * PAGE_SIZE);
        spin_lock(&what->lock);
        assert_int_equal(memory_run(what, page, 1, &frame, &writable), 1);
        spin_unlock(&what->lock);
        assert_true(leaf.size != 0);
        assert_int_equal(leaf.frame.value, frame.value);
        assert_int_equal(leaf.write, writable);
    }
    return leaf_at(at);
}

/* Made, committed, mapped and written; in one page of 1 GiB, if there is such a block and nothing failed. */
static void make_and_map(unsigned flags, bool roomy)
{
    TRY(memory_make(account, (pages_t){PAGES}, flags, &memory));
    commit();
    assert_true(has_failed() || memory->large == MEMORY_HUGE_PAGES);
    map(memory, AT, POPULATE);
    uint64_t size = shown(memory, AT);
    assert_true(has_failed() || size == (roomy ? TABLES_HUGE : TABLES_LARGE));
    write_page(AT, 1);
    write_page(AT + TABLES_LARGE + 3 * PAGE_SIZE, 2);
    write_page(AT + GIB - PAGE_SIZE, 3);
    expect_page(AT + GIB - 2 * PAGE_SIZE, 0);
    assert_int_equal(leaf_at(AT), size); /* no write has cut it */
}

static void cut(void)
{
    const uint64_t page = AT + TABLES_LARGE + 3 * PAGE_SIZE;
    uint32_t value = 9;
    protect(page, PAGE_SIZE, ACCESS_READ);
    assert_int_equal(mmu_access(page, ACCESS_WRITE, &value), ERR_NO_RIGHT);
    assert_int_equal(leaf_at(page), PAGE_SIZE);
    assert_int_equal(leaf_at(page + TABLES_LARGE), TABLES_LARGE);
    expect_page(page, 2);
    shown(memory, AT);
    protect(page, PAGE_SIZE, READ_WRITE);
    write_page(page, 4);
}

/* Both sides write to what they share. */
static void copy_and_write(bool roomy)
{
    TRY(memory_clone(memory, account, &copy));
    map(copy, COPY_AT, POPULATE);
    uint64_t size = shown(copy, COPY_AT);
    assert_true(has_failed() || size == (roomy ? TABLES_HUGE : TABLES_LARGE));
    write_page(COPY_AT, 5);
    write_page(COPY_AT + 9 * TABLES_LARGE, 6);
    write_page(AT + GIB - PAGE_SIZE, 7);
    expect_page(AT, 1);
    expect_page(AT + 9 * TABLES_LARGE, 0);
    expect_page(COPY_AT + GIB - PAGE_SIZE, 3);
    expect_page(COPY_AT + TABLES_LARGE + 3 * PAGE_SIZE, 4);
    memory_check(memory);
    memory_check(copy);
}

static void give_back_in_parts(void)
{
    decommit(memory, 3 * LARGE_PAGES, LARGE_PAGES + 1);
    expect_page(AT + 3 * TABLES_LARGE, 0);
    unmap(COPY_AT + 7 * TABLES_LARGE + PAGE_SIZE, PAGE_SIZE);
    assert_int_equal(leaf_at(COPY_AT + 7 * TABLES_LARGE + PAGE_SIZE), 0);
    expect_page(COPY_AT + 7 * TABLES_LARGE, 0);
    expect_page(COPY_AT, 5);
    unmap(COPY_AT, GIB);
    memory_release(copy);
    host_leave_kernel();
    expect_page(AT, 1);
    write_page(AT + 9 * TABLES_LARGE, 8);
    unmap(AT + GIB / 2, GIB / 2);
    expect_page(AT + TABLES_LARGE + 3 * PAGE_SIZE, 4);
}

/* A device is shown in one leaf when it is touched, or at once. */
static void show_device(void)
{
    for (unsigned populated = 0; populated < 2; populated++) {
        TRY(memory_make_physical(account, pfn(DEVICE_FIRST), (pages_t){MEMORY_HUGE_PAGES}, MAP_UNCACHED,
                                 &device));
        map(device, DEVICE_AT, populated ? POPULATE : READ_WRITE | MAP_MODE_HUGE);
        write_page(DEVICE_AT + 5 * TABLES_LARGE, 10);
        assert_int_equal(leaf_at(DEVICE_AT), TABLES_HUGE);
        expect_page(DEVICE_AT + 5 * TABLES_LARGE, 10);
        unmap(DEVICE_AT + TABLES_LARGE, TABLES_LARGE);
        assert_int_equal(leaf_at(DEVICE_AT), TABLES_LARGE);
        unmap(DEVICE_AT, GIB);
        memory_release(device);
        host_leave_kernel();
    }
}

/* --- playing it --------------------------------------------------------------------------------------------
 */

static enum error open_space(void)
{
    aspace_init(&space, account);
    return aspace_open(&space);
}

/* At preemption points. Where a block was not to be had, the next one is tried again. */
static void let_time_pass(void)
{
    lock_host_clock += 100000000;
}

/* True when an allocation has failed in it. */
static bool play(uint32_t which, unsigned flags, bool roomy)
{
    uint64_t free = books_frames_free();
    long pieces = host_heap_pieces;
    let_time_pass();
    armed = which != 0;
    inject_arm(which);
    TRY(open_space());
    aspace_load(&space);
    make_and_map(flags, roomy);
    cut();
    copy_and_write(roomy);
    give_back_in_parts();
    show_device();
    bool struck = has_failed();
    inject_arm(0);
    aspace_load(NULL);
    aspace_close(&space);
    memory_release(memory);
    host_leave_kernel();
    tlb_settle(true);
    assert_int_equal(books_used(account, RESOURCE_FRAMES), 0);
    assert_int_equal(books_used(account, RESOURCE_BYTES), 0);
    assert_int_equal(memory_host_shares(), 0);
    assert_int_equal(host_heap_pieces, pieces);
    frame_drain(); /* so that the block of 1 GiB is whole again */
    assert_int_equal(books_frames_free(), free);
    return struck;
}

static void play_all(uint64_t frames, unsigned flags)
{
    memory_host_thin = true;
    memory_host_reach = REACH;
    memory_host_start(frames, CPUS);
    mmu_start(frames, true, true, 4);
    mmu_alone = true;
    host_pause = let_time_pass;
    inject_on = true;
    books_open((uint64_t)1 << 30, (uint64_t)1 << 40);
    account = books_account("huge", (uint64_t)1 << 29, (uint64_t)1 << 39);
    memory_check_account = account->number;
    assert_false(play(0, flags, frames == ROOMY));
    uint32_t which = 1;
    while (play(which, flags, frames == ROOMY)) {
        which++;
    }
    print_message("# %u allocations\n", which - 1);
    books_close();
    inject_on = false;
}

static void each_allocation_for_a_page_of_a_gib_may_fail(void **state)
{
    (void)state;
    play_all(ROOMY, 0);
}

static void so_may_each_charge_of_what_is_paid_when_it_comes(void **state)
{
    (void)state;
    play_all(ROOMY, MEMORY_SPARSE);
}

static void without_a_gib_in_a_row_there_are_smaller_pages(void **state)
{
    (void)state;
    play_all(PIECES, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_for_a_page_of_a_gib_may_fail),
        cmocka_unit_test(so_may_each_charge_of_what_is_paid_when_it_comes),
        cmocka_unit_test(without_a_gib_in_a_row_there_are_smaller_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
