/*
 * What is unmapped while another CPU runs the space: nobody waits for that CPU, and as long as it has not
 * answered, what it remembers is as it was. Case by case, with the processors of mmu_host.h, which answer
 * when they are told to, or when somebody waits for them.
 */
#include "tests/host/host.h"

#include "tests/host/aspace_operations.h"
#include "tests/host/kernel_host.h"
#include "tests/host/memory_host.h"
#include "tests/host/mmu_host.h"

#define FRAMES     16384
#define CPUS       3
#define PAGES      20
#define LOW        1000 /* where in the arena */
#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)

static struct model_space *const space = &spaces[0];
static struct model_strip *arena;
static struct tlb_figures before;

static void begin(void)
{
    const struct conditions conditions = {1, FRAMES, CPUS, true, true, 4, FRAME_SHARES_MOST, 1 << 20};
    undisturbed = host_others_busy = true;
    operations_begin(&conditions);
    mmu_be(0);
    op_open(space);
    arena = &space->strips[0];
    op_load(space);
    mmu_be(1);
    op_load(space);
    mmu_be(0);
}

static void end(void)
{
    model_check();
    operations_end();
}

static void touch_all(uint64_t low, uint32_t access)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        op_touch(arena, low + i, access);
    }
}

/* Mapped there, written by this CPU, and remembered by CPU 1. */
static void show(unsigned object, uint64_t low)
{
    assert_non_null(op_map(space, arena, low, PAGES, object, 0, READ_WRITE));
    touch_all(low, ACCESS_WRITE);
    mmu_be(1);
    touch_all(low, ACCESS_WRITE);
    mmu_be(0);
    assert_true(mmu_remembers(&space->space, model_address(arena, low), PAGES));
}

/* An object that ends with its mapping. */
static void show_new(uint64_t low)
{
    unsigned object = op_make(0, PAGES);
    show(object, low);
    op_release(object);
}

static void unmap(uint64_t low)
{
    tlb_count(&before);
    op_unmap(space, arena, low, 0);
}

/* An object that stays, of which this mapping has gone. */
static unsigned begin_unmapped(void)
{
    begin();
    unsigned object = op_make(0, PAGES);
    show(object, LOW);
    unmap(LOW);
    return object;
}

static void end_with(unsigned object)
{
    op_release(object);
    end();
}

/* Since the last unmap. */
static void expect(uint64_t requests, uint64_t waits)
{
    struct tlb_figures now;
    tlb_count(&now);
    assert_int_equal(now.requests - before.requests, requests);
    assert_int_equal(now.waits - before.waits, waits);
}

static bool is_remembered(uint64_t low)
{
    return mmu_remembers(&space->space, model_address(arena, low), PAGES);
}

static void frames_stay_until_all_have_answered(void **state)
{
    struct tlb_figures now;
    struct frame_counts mapped, held, given;
    (void)state;
    begin();
    show_new(LOW);
    frame_count(&mapped);
    unmap(LOW);
    expect(1, 0);
    frame_count(&held);
    assert_true(held.free < mapped.free + PAGES);
    assert_true(is_remembered(LOW));
    tlb_count(&now);
    assert_true(now.quarantined >= PAGES);
    assert_false(tlb_settle(false));
    mmu_check_alive();
    mmu_be(1);
    mmu_answer();
    mmu_be(0);
    assert_false(is_remembered(LOW));
    assert_true(tlb_settle(false));
    tlb_count(&now);
    assert_int_equal(now.quarantined, 0);
    frame_count(&given);
    assert_true(given.free >= held.free + PAGES);
    end();
}

static void who_maps_something_there_waits(void **state)
{
    (void)state;
    unsigned object = begin_unmapped();
    assert_non_null(op_map(space, arena, LOW + PAGES, PAGES, object, 0, READ_WRITE)); /* elsewhere */
    assert_non_null(op_map(space, NULL, 0, PAGES, object, 0, READ_WRITE));
    expect(1, 0);
    assert_true(is_remembered(LOW));
    assert_non_null(op_map(space, arena, LOW, PAGES, object, 0, READ_WRITE));
    assert_false(is_remembered(LOW));
    expect(1, 1);
    end_with(object);
}

static void two_ranges_are_remembered_with_what_is_between(void **state)
{
    (void)state;
    begin();
    show_new(LOW);
    show_new(LOW + 3 * PAGES);
    unmap(LOW + 3 * PAGES);
    op_unmap(space, arena, LOW, 0);
    expect(2, 0);
    assert_non_null(op_map(space, arena, LOW + 3 * PAGES, PAGES, 0, 0, 0));
    assert_false(is_remembered(LOW) || is_remembered(LOW + 3 * PAGES));
    expect(2, 1);
    assert_non_null(op_map(space, arena, LOW, PAGES, 0, 0, 0));
    expect(2, 1);
    end();
}

static void a_stack_that_grows_there_waits(void **state)
{
    (void)state;
    begin();
    show_new(LOW);
    unsigned stack = op_make(0, 2 * PAGES);
    op_map(space, arena, LOW + PAGES, PAGES, stack, PAGES, READ_WRITE | MAP_MODE_GROWS);
    unmap(LOW);
    op_touch(arena, LOW + PAGES, ACCESS_WRITE);
    expect(1, 0);
    op_touch(arena, LOW + PAGES - 1, ACCESS_WRITE);
    assert_false(mmu_remembers(&space->space, model_address(arena, LOW), PAGES - 1));
    expect(1, 1);
    op_release(stack);
    end();
}

/* Of an object that stays. */
static void pages_are_given_back_after_all_have_answered(void **state)
{
    struct tlb_figures now;
    (void)state;
    unsigned object = begin_unmapped();
    expect(1, 0);
    op_decommit(object, 3, 1, false);
    expect(1, 1);
    assert_false(is_remembered(LOW));
    mmu_check_alive();
    tlb_settle(false);
    tlb_count(&now);
    assert_int_equal(now.quarantined, 0); /* it was no page */
    end_with(object);
}

static void a_copy_is_not_written_to_by_who_has_yet_to_answer(void **state)
{
    (void)state;
    unsigned object = begin_unmapped();
    assert_true(mmu_would_write(&space->space, model_address(arena, LOW)));
    unsigned copy = op_copy(object);
    assert_false(mmu_would_write(&space->space, model_address(arena, LOW)));
    expect(1, 1);
    op_release(copy);
    end_with(object);
}

/* The page of the other mapping is replaced: the copy may then write to the old one, which it has alone. */
static void a_page_is_replaced_after_all_have_answered(void **state)
{
    (void)state;
    begin();
    unsigned object = op_make(0, PAGES);
    show(object, LOW);
    show(object, LOW + 2 * PAGES);
    unsigned copy = op_copy(object);
    mmu_be(1);
    touch_all(LOW, ACCESS_READ);
    mmu_be(0);
    unmap(LOW);
    expect(1, 0);
    op_touch(arena, LOW + 2 * PAGES, ACCESS_WRITE);
    assert_false(is_remembered(LOW));
    assert_int_equal(objects[object].memory->afterimage.request, 0); /* one view again */
    op_release(copy);
    end_with(object);
}

/* The end of one of two objects that share all pages. */
static void what_is_shared_is_let_go_after_all_have_answered(void **state)
{
    (void)state;
    begin();
    unsigned object = op_make(0, PAGES), copy;
    show(object, LOW);
    copy = op_copy(object);
    mmu_be(1);
    touch_all(LOW, ACCESS_READ);
    mmu_be(0);
    op_release(object);
    unmap(LOW);
    expect(1, 1);
    assert_false(is_remembered(LOW));
    op_release(copy);
    end();
}

static void who_unmaps_in_another_space_waits(void **state)
{
    (void)state;
    begin();
    show_new(LOW);
    mmu_be(2);
    unmap(LOW);
    expect(1, 1);
    assert_false(is_remembered(LOW));
    mmu_be(0);
    end();
}

/* --- in the midst of a change of rights --- */

static bool intruded;

static void unmap_meanwhile(void)
{
    struct range_plan plan;
    mmu_before_flush = NULL;
    mmu_be(2);
    assert_int_equal(aspace_unmap_prepare(&space->space, model_address(arena, LOW), 0, &plan), ERR_NONE);
    aspace_unmap_commit(&plan);
    host_leave_kernel(); /* here the object ends */
    mmu_check_alive();
    mmu_be(0);
    intruded = true;
}

/* All leaves are gone when the second CPU unmaps, but nobody has been asked yet to forget them. */
static void protected_pages_are_unmapped_by_another(void **state)
{
    struct memory *memory;
    struct map_plan map;
    struct range_plan plan;
    uint32_t value = 7;
    (void)state;
    begin();
    mmu_be(2);
    op_load(space);
    mmu_be(0);
    uint64_t at = model_address(arena, LOW);
    assert_int_equal(memory_make(space->account, (pages_t){PAGES}, 0, &memory), ERR_NONE);
    const struct map_request request = {memory, 0, at, PAGES * PAGE_SIZE, READ_WRITE | MAP_MODE_MAY(7)};
    assert_int_equal(aspace_map_prepare(&space->space, &request, &map), ERR_NONE);
    assert_int_equal(aspace_map_commit(&map), at);
    memory_release(memory);
    mmu_be(1);
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(mmu_access(at + i * PAGE_SIZE, ACCESS_WRITE, &value), ERR_NONE);
    }
    mmu_be(0);
    assert_int_equal(aspace_protect_prepare(&space->space, at, PAGES * PAGE_SIZE, 0, &plan), ERR_NONE);
    mmu_before_flush = unmap_meanwhile;
    aspace_protect_commit(&plan);
    assert_true(intruded);
    mmu_be(2);
    op_load(NULL);
    mmu_be(0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_stay_until_all_have_answered),
        cmocka_unit_test(who_maps_something_there_waits),
        cmocka_unit_test(two_ranges_are_remembered_with_what_is_between),
        cmocka_unit_test(a_stack_that_grows_there_waits),
        cmocka_unit_test(pages_are_given_back_after_all_have_answered),
        cmocka_unit_test(a_copy_is_not_written_to_by_who_has_yet_to_answer),
        cmocka_unit_test(a_page_is_replaced_after_all_have_answered),
        cmocka_unit_test(what_is_shared_is_let_go_after_all_have_answered),
        cmocka_unit_test(who_unmaps_in_another_space_waits),
        cmocka_unit_test(protected_pages_are_unmapped_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
