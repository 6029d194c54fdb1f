/*
 * What memory objects promise in cases that chance does not find: limits, very large objects, copies of many
 * pages in little time, ranges of devices, and pagers that answer, refuse, are late or die.
 */
#include "tests/host/host.h"
#include "tests/host/memory_books.h"
#include "tests/host/memory_host.h"
#include "tests/host/memory_space.h"

#include "abi/memory.h"
#include "kernel/mm/contents.h"
#include "kernel/mm/frame_share.h"
#include "kernel/mm/memory_pager.h"
#include "kernel/mm/memory_tree.h"

#define FRAMES 65536 /* 256 MiB */
#define BYTES  100000000

static struct account *account;

static uint64_t used(enum resource resource)
{
    return books_used(account, resource);
}

static void limit(uint64_t frames)
{
    books_limit(account, frames, BYTES);
}

static int begin(void **state)
{
    (void)state;
    memory_host_start(FRAMES, 1);
    space_watch(FRAMES);
    books_open((uint64_t)1 << 40, (uint64_t)1 << 40);
    account = books_account("memory", FRAMES, BYTES);
    return 0;
}

static int end(void **state)
{
    (void)state;
    host_leave_kernel();
    books_close();
    return 0;
}

static struct memory *made(uint64_t pages, unsigned flags)
{
    struct memory *memory;
    assert_int_equal(memory_make(account, (pages_t){pages}, flags, &memory), ERR_NONE);
    return memory;
}

static void write_all(struct played_view *view, uint64_t first, uint64_t count, uint32_t value)
{
    for (uint64_t i = first; i < first + count; i++) {
        assert_int_equal(space_write(view, i, value + (uint32_t)i), ERR_NONE);
    }
}

static void expect_all(struct played_view *view, uint64_t first, uint64_t count, uint32_t value)
{
    for (uint64_t i = first; i < first + count; i++) {
        uint32_t seen;
        assert_int_equal(space_read(view, i, &seen), ERR_NONE);
        assert_int_equal(seen, value + (uint32_t)i);
    }
}

/* --- limits -----------------------------------------------------------------------------------------------
 */

static void what_is_reserved_can_be_touched(void **state)
{
    struct memory *memory = made(1000, 0), *copy, *refused;
    struct played_view *view = space_show(memory, 0, 1000, false), *other;
    (void)state;
    uint64_t taken = used(RESOURCE_FRAMES), bytes = used(RESOURCE_BYTES);
    assert_true(taken >= 1000 && taken < 1010);
    limit(taken);
    assert_int_equal(memory_make(account, (pages_t){1}, 0, &refused), ERR_LIMIT);
    write_all(view, 0, 1000, 7);
    assert_int_equal(used(RESOURCE_FRAMES), taken);
    assert_int_equal(used(RESOURCE_BYTES), bytes + 0);
    assert_int_equal(memory_clone(memory, account, &copy), ERR_LIMIT);
    limit(2 * taken);
    assert_int_equal(memory_clone(memory, account, &copy), ERR_NONE);
    host_leave_kernel();
    other = space_show(copy, 0, 1000, false);
    write_all(view, 0, 1000, 8);
    write_all(other, 0, 1000, 9);
    expect_all(view, 0, 1000, 8);
    assert_int_equal(used(RESOURCE_FRAMES), 2 * taken);
    space_unshow(view);
    space_unshow(other);
    memory_release(memory);
    memory_release(copy);
}

static void what_is_sparse_pays_by_touch(void **state)
{
    struct memory *memory = made((uint64_t)1 << 36, MEMORY_SPARSE), *copy, *refused;
    (void)state;
    assert_int_equal(used(RESOURCE_FRAMES), 0);
    assert_int_equal(memory_make(account, (pages_t){((uint64_t)1 << 36) + 1}, MEMORY_SPARSE, &refused),
                     ERR_TOO_LARGE);
    struct played_view *views[16];
    for (unsigned i = 0; i < 16; i++) {
        views[i] = space_show(memory, (uint64_t)i << 32, 8, false);
        write_all(views[i], (uint64_t)i << 32, 8, i);
    }
    uint64_t taken = used(RESOURCE_FRAMES);
    assert_int_equal(taken, 16 * 8 + 16 * 3 + 1);
    limit(taken);
    struct played_view *more = space_show(memory, 5000, 1, false);
    uint32_t seen;
    assert_int_equal(space_write(more, 5000, 1), ERR_LIMIT);
    assert_int_equal(used(RESOURCE_FRAMES), taken);
    limit(2 * taken);
    assert_int_equal(memory_clone(memory, account, &copy), ERR_NONE);
    assert_int_equal(used(RESOURCE_FRAMES), 2 * taken);
    write_all(views[3], (uint64_t)3 << 32, 8, 100);
    assert_int_equal(used(RESOURCE_FRAMES), 2 * taken);
    struct memory_decommit_plan plan;
    assert_int_equal(memory_decommit_prepare(memory, 0, (uint64_t)1 << 36, &plan), ERR_NONE);
    memory_decommit_commit(&plan);
    assert_int_equal(used(RESOURCE_FRAMES), taken);
    assert_int_equal(space_read(views[3], (uint64_t)3 << 32, &seen), ERR_NONE);
    assert_int_equal(seen, 0);
    for (unsigned i = 0; i < 16; i++) {
        space_unshow(views[i]);
    }
    space_unshow(more);
    memory_release(memory);
    memory_release(copy);
}

/* --- blocks and copies -------------------------------------------------------------------------------------
 */

static void touch_gives_a_block(void **state)
{
    struct memory *memory = made(4096, 0), *copy;
    struct played_view *view = space_show(memory, 0, 4096, true);
    (void)state;
    write_all(view, 0, 4096, 1);
    assert_int_equal(memory->large, 4096);
    assert_int_equal(memory_clone(memory, account, &copy), ERR_NONE);
    assert_int_equal(copy->large, 4096);
    for (unsigned i = 0; i < 4096; i++) { /* to the last page */
        assert_true(view->table[i].present);
        assert_false(view->table[i].writable || view->remembered[i].writable);
    }
    struct played_view *other = space_show(copy, 0, 4096, true);
    write_all(other, 512 + 3, 5, 1000);
    assert_int_equal(copy->large, 4096 - 512);
    assert_int_equal(memory->large, 4096);
    expect_all(view, 0, 4096, 1);
    expect_all(other, 0, 512 + 3, 1);
    expect_all(other, 512 + 8, 2000, 1);
    space_unshow(view);
    memory_release(memory);
    host_leave_kernel();
    write_all(other, 0, 4096, 2); /* alone now */
    assert_int_equal(copy->large, 4096 - 512);
    assert_true(memory_promote(copy, 600, true));
    assert_int_equal(copy->large, 4096);
    expect_all(other, 0, 4096, 2);
    assert_true(!memory_promote(copy, 600, true));
    space_unshow(other);
    memory_release(copy);
}

/* What is given back and touched again has the frame that it had. */
static void frames_in_a_row_become_a_block_where_they_are(void **state)
{
    struct memory *memory = made(1024, 0);
    struct played_view *view = space_show(memory, 0, 1024, true);
    struct memory_decommit_plan plan;
    (void)state;
    write_all(view, 0, 1024, 1);
    pfn_t first = view->table[512].frame;
    assert_int_equal(memory->large, 1024);
    assert_int_equal(memory_decommit_prepare(memory, 700, 1, &plan), ERR_NONE);
    memory_decommit_commit(&plan);
    assert_int_equal(memory->large, 512);
    assert_false(memory_promote(memory, 700, false));
    write_all(view, 700, 1, 1);
    expect_all(view, 512, 512, 1);
    assert_int_equal(view->table[700].frame.value, first.value + 700 - 512);
    assert_true(memory_promote(memory, 700, false));
    assert_int_equal(memory->large, 1024);
    for (unsigned i = 512; i < 1024; i++) { /* so that one large leaf can show it */
        assert_false(view->table[i].present || view->remembered[i].present);
    }
    expect_all(view, 512, 512, 1);
    assert_true(view->table[512].large && view->table[512].frame.value == first.value);
    space_unshow(view);
    memory_release(memory);
}

/* A block that two objects have, of which one writes to a page, and has yet to flush when this happens. */
static struct {
    struct memory *memory, *copy;
    struct played_view *view;
} shared;

static void share_block(void)
{
    shared.memory = made(1024, 0);
    shared.view = space_show(shared.memory, 0, 1024, true);
    write_all(shared.view, 0, 512, 1);
    assert_int_equal(shared.memory->large, 512);
    assert_int_equal(memory_clone(shared.memory, account, &shared.copy), ERR_NONE);
    host_leave_kernel();
    assert_int_equal(space_write(shared.view, 0, 1), ERR_NONE); /* it has a node over the block now */
    expect_all(shared.view, 0, 512, 1);                         /* remembered, to be read */
}

static void unshare_block(void)
{
    space_unshow(shared.view);
    memory_release(shared.memory);
}

static void copy_goes(void)
{
    memory_release(shared.copy);
    host_leave_kernel();
}

static void copy_goes_and_block_is_taken_apart(void)
{
    copy_goes();
    assert_int_equal(space_write(shared.view, 9, 90), ERR_NONE);
}

/* The block is the object's alone now. Its frame of the page that was copied goes, but not before who copied
 * it, or whoever writes next, has flushed. */
static void a_block_is_taken_apart_when_who_covered_it_has_flushed(void **state)
{
    (void)state;
    share_block();
    space_before_flush = copy_goes_and_block_is_taken_apart;
    assert_int_equal(space_write(shared.view, 5, 50), ERR_NONE);
    assert_null(space_before_flush);
    expect_all(shared.view, 0, 5, 1);
    expect_all(shared.view, 5, 1, 50 - 5);
    expect_all(shared.view, 9, 1, 90 - 9);
    expect_all(shared.view, 10, 502, 1);
    unshare_block();
}

/* The last page of it is copied: the object lets go of the block, and nobody may see it through the object.
 */
static void a_block_that_is_covered_is_not_seen_any_more(void **state)
{
    (void)state;
    share_block();
    write_all(shared.view, 0, 511, 2);
    expect_all(shared.view, 511, 1, 1);
    space_before_flush = copy_goes;
    assert_int_equal(space_write(shared.view, 511, 2 + 511), ERR_NONE);
    if (space_before_flush != NULL) { /* nothing was to be flushed */
        space_before_flush = NULL;
        copy_goes();
    }
    expect_all(shared.view, 0, 512, 2);
    unshare_block();
}

/* Frames whose holders cannot be counted are copied with their node: no view goes on showing the old ones. */
static void pages_that_cannot_be_shared_are_hidden_when_they_are_copied(void **state)
{
    struct memory *memory = made(1024, 0), *copy;
    struct played_view *view = space_show(memory, 0, 1024, false),
                       *other = space_show(memory, 0, 1024, false);
    (void)state;
    write_all(view, 0, 1024, 1);
    assert_int_equal(memory_clone(memory, account, &copy), ERR_NONE);
    host_leave_kernel();
    expect_all(view, 0, 1024, 1);
    expect_all(other, 0, 1024, 1);
    memory_host_shares_most = 0;
    assert_int_equal(space_write(view, 3, 1 + 3), ERR_NONE);
    assert_int_equal(space_write(view, 1020, 1 + 1020), ERR_NONE);
    memory_host_shares_most = FRAME_SHARES_MOST;
    write_all(view, 510, 4, 2);
    expect_all(other, 510, 4, 2);
    memory_release(copy);
    host_leave_kernel(); /* the old frames go, and nobody sees them */
    expect_all(other, 0, 510, 1);
    expect_all(view, 514, 510, 1);
    space_unshow(view);
    space_unshow(other);
    memory_release(memory);
}

static void copies_take_nodes_only(void **state)
{
    struct memory *memory = made(16384, 0), *copy;
    struct played_view *view = space_show(memory, 0, 16384, false);
    (void)state;
    write_all(view, 0, 16384, 1);
    uint64_t free = books_frames_free();
    unsigned long points = host_preemption_points;
    assert_int_equal(memory_clone(memory, account, &copy), ERR_NONE);
    assert_true(free - books_frames_free() <= 2);
    assert_true(host_preemption_points - points >= 16384 / 512 / STEP_LEAVES - 1);
    assert_int_equal(space_write(view, 5, 77), ERR_NONE);
    assert_true(free - books_frames_free() <= 4); /* a node and a page */
    memory_release(copy);
    host_leave_kernel();
    assert_true(free - books_frames_free() <= 1);
    space_unshow(view);
    memory_release(memory);
}

static void devices_are_where_they_are(void **state)
{
    struct memory *memory, *copy;
    struct memory_page page;
    struct memory_decommit_plan plan;
    paddr_t where[2];
    pfn_t frame;
    bool writable;
    (void)state;
    assert_int_equal(memory_make_physical(account, pfn(0x100200), (pages_t){1024}, 0, &memory), ERR_NONE);
    assert_int_equal(memory_fault(memory, 700, true, true, &page), ERR_NONE);
    assert_true(page.large && page.writable && page.frame.value == 0x100400 && !page.dropped);
    assert_int_equal(memory_run(memory, 700, 2000, &frame, &writable), 324);
    memory_fault_unlock(memory);
    assert_int_equal(memory_fault(memory, 700, true, false, &page), ERR_NONE);
    assert_true(!page.large && page.frame.value == 0x100200 + 700);
    memory_fault_unlock(memory);
    assert_int_equal(memory_fault(memory, 1024, false, false, &page), ERR_BAD_ARGUMENT);
    assert_int_equal(memory_clone(memory, account, &copy), ERR_UNSUPPORTED);
    assert_int_equal(memory_decommit_prepare(memory, 0, 1, &plan), ERR_UNSUPPORTED);
    assert_int_equal(memory_resize(memory, (pages_t){1}), ERR_UNSUPPORTED);
    assert_int_equal(memory_commit_pages(memory, 0, 1024), ERR_NONE);
    assert_int_equal(memory_pin(memory, 3, 2, where), ERR_NONE);
    assert_int_equal(where[1].value, (uint64_t)(0x100200 + 4) << PAGE_SHIFT);
    assert_int_equal(memory_unpin(memory, 3, 2), ERR_NONE);
    uint8_t told;
    memory_query(memory, 3, 1, &told);
    assert_int_equal(told, MEMORY_PAGE_PRESENT);
    memory_release(memory);
}

static void the_kernel_fills_what_is_new(void **state)
{
    struct memory *memory = made(3, 0);
    struct played_view *view = space_show(memory, 0, 3, false);
    pfn_t frame;
    uint32_t seen;
    (void)state;
    assert_int_equal(memory_frame(memory, 1, &frame), ERR_NONE);
    *(uint32_t *)memory_host_frame(frame) = 5;
    assert_int_equal(space_read(view, 1, &seen), ERR_NONE);
    assert_int_equal(seen, 5);
    assert_int_equal(memory_frame(memory, 3, &frame), ERR_BAD_ARGUMENT);
    space_unshow(view);
    memory_release(memory);
}

/* Frames run out: what cannot be had is ERR_NO_MEMORY, and a block that cannot be had is a page. */
static void small_pages_do_when_there_are_no_blocks(void **state)
{
    static pfn_t held[FRAMES];
    uint64_t count = 0;
    struct memory *memory = made(2048, 0);
    struct played_view *view = space_show(memory, 0, 2048, true);
    (void)state;
    while (frame_alloc(0, FRAME_USER_SHARED, &held[count]) == ERR_NONE) {
        count++;
    }
    assert_int_equal(space_write(view, 0, 1), ERR_NO_MEMORY);
    for (unsigned i = 0; i < 64; i++) {
        count--;
        assert_int_equal(frame_free(held[count], 0), ERR_NONE);
    }
    write_all(view, 10, 20, 1);
    assert_int_equal(memory->large, 0);
    expect_all(view, 10, 20, 1);
    while (count > 0) {
        count--;
        assert_int_equal(frame_free(held[count], 0), ERR_NONE);
    }
    space_unshow(view);
    memory_release(memory);
}

/* --- pagers -----------------------------------------------------------------------------------------------
 */

/* Answers at once, or not, as told. */
struct test_pager {
    struct memory_pager pager;
    enum { ANSWER, REFUSE, FAIL, SILENT } mood;
    unsigned asked, released;
    struct memory *memory;
};

static enum error fetch(struct memory_pager *pager, struct memory *memory, uint64_t page)
{
    struct test_pager *self = (struct test_pager *)pager;
    self->asked++;
    self->memory = memory;
    pfn_t frame;
    switch (self->mood) {
    case ANSWER:
        assert_int_equal(frame_alloc(0, FRAME_USER_SHARED, &frame), ERR_NONE);
        memset(memory_host_frame(frame), 0, PAGE_SIZE);
        *(uint32_t *)memory_host_frame(frame) = (uint32_t)page + 9;
        if (memory_supply(memory, page, frame) != ERR_NONE) {
            frame_release(frame, 0);
        }
        return ERR_NONE;
    case REFUSE:
        memory_refuse(memory, page, ERR_DEVICE);
        return ERR_NONE;
    case FAIL:
        return ERR_TRUNCATED;
    default:
        return ERR_NONE;
    }
}

static void release(struct memory_pager *pager)
{
    ((struct test_pager *)pager)->released++;
}

static const struct memory_pager_kind pager_kind = {fetch, release};

static void pagers_give_pages_or_errors(void **state)
{
    struct test_pager pager = {.pager = {&pager_kind, 20000000}, .mood = ANSWER};
    struct memory *memory, *copy;
    struct memory_decommit_plan plan;
    uint32_t seen;
    (void)state;
    assert_int_equal(memory_make_paged(account, (pages_t){600}, MEMORY_SPARSE, &pager.pager, &memory),
                     ERR_NONE);
    struct played_view *view = space_show(memory, 0, 600, true);
    expect_all(view, 0, 10, 9);
    expect_all(view, 0, 10, 9);
    assert_int_equal(pager.asked, 10);
    assert_int_equal(memory_clone(memory, account, &copy), ERR_UNSUPPORTED);
    pager.mood = REFUSE;
    assert_int_equal(space_read(view, 20, &seen), ERR_DEVICE);
    pager.mood = FAIL;
    assert_int_equal(space_read(view, 20, &seen), ERR_TRUNCATED);
    pager.mood = SILENT;
    assert_int_equal(space_read(view, 20, &seen), ERR_TIMED_OUT);
    assert_int_equal(space_read(view, 20, &seen), ERR_TIMED_OUT);
    assert_int_equal(pager.asked, 13); /* the late answer is awaited, not asked for again */
    memory_refuse(pager.memory, 20, ERR_DEVICE);
    pager.mood = ANSWER;
    expect_all(view, 20, 1, 9);
    assert_int_equal(memory_decommit_prepare(memory, 0, 600, &plan), ERR_NONE);
    memory_decommit_commit(&plan);
    expect_all(view, 5, 1, 9);
    assert_int_equal(memory_commit_pages(memory, 100, 3), ERR_NONE);
    limit(used(RESOURCE_FRAMES));
    assert_int_equal(space_read(view, 599, &seen), ERR_LIMIT);
    limit(FRAMES);
    pager.mood = SILENT;
    assert_int_equal(space_read(view, 30, &seen), ERR_TIMED_OUT);
    memory_abandon(memory);
    assert_int_equal(space_read(view, 30, &seen), ERR_DEAD);
    expect_all(view, 100, 3, 9);
    space_unshow(view);
    memory_release(memory);
    host_leave_kernel();
    assert_int_equal(pager.released, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(what_is_reserved_can_be_touched),
        CASE(what_is_sparse_pays_by_touch),
        CASE(touch_gives_a_block),
        CASE(frames_in_a_row_become_a_block_where_they_are),
        CASE(a_block_is_taken_apart_when_who_covered_it_has_flushed),
        CASE(a_block_that_is_covered_is_not_seen_any_more),
        CASE(pages_that_cannot_be_shared_are_hidden_when_they_are_copied),
        CASE(copies_take_nodes_only),
        CASE(devices_are_where_they_are),
        CASE(the_kernel_fills_what_is_new),
        CASE(small_pages_do_when_there_are_no_blocks),
        CASE(pagers_give_pages_or_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
