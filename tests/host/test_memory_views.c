/*
 * Objects that very many views show: what hides pages does so in steps of bounded length, and while it lasts
 * others come and go, touch pages that are veiled and pages that are not, are killed, or have no memory.
 */
#include "tests/host/host.h"
#include "tests/host/memory_books.h"
#include "tests/host/memory_host.h"
#include "tests/host/memory_space.h"

#include "kernel/debug/inject.h"
#include "kernel/mm/memory_tree.h"
#include "kernel/sched/steps.h"

#define FRAMES     32768
#define VIEWS      400
#define PAGES      1300
#define STEP_VIEWS 16 /* at most told in a step */

static struct account *account;
static struct memory *memory;
static struct played_view *views[VIEWS];
static uint64_t told_most, told_before;
static unsigned long comings; /* of others, in the midst of something */
static bool others_come;
static struct played_view *in_use; /* by who is interrupted: it does not go */

/* A view goes that may be the next one, and another one comes; pages are touched. As another CPU. */
static void come_and_go(void)
{
    static unsigned which;
    uint32_t seen;
    uint64_t page = which % PAGES;
    others_come = false;
    memory_host_waits_in_vain = true;
    memory_host_enter(1);
    for (unsigned i = 0; i < 8; i++) { /* at all places of the list, some of them near the mark */
        struct played_view **view = &views[(which = (which + 37) % VIEWS)];
        if (*view != in_use) {
            space_unshow(*view);
            *view = space_show(memory, 0, PAGES, false);
        }
    }
    struct played_view *view = views[which];
    bool inside = page < memory->pages.value, veiled = inside && memory_is_veiled(memory, page, 1);
    enum error error = space_read(view, page, &seen);
    assert_int_equal(error, !inside ? ERR_BAD_ARGUMENT : veiled ? ERR_CANCELLED : ERR_NONE);
    memory_host_enter(0);
    memory_host_waits_in_vain = false;
    others_come = true;
    comings += veiled;
}

static void note_step(void)
{
    uint64_t told = space_told - told_before;
    told_most = told > told_most ? told : told_most;
    arch_this_cpu()->steps.stretch++;
    if (others_come && memory != NULL) {
        come_and_go();
    }
    told_before = space_told;
}

/* Since the last call no step was too long; the last one ends here. */
static void check_steps(void)
{
    note_step();
    assert_true(told_most <= STEP_VIEWS);
    assert_true(arch_this_cpu()->steps.kinds[STEP_HIDE].most <= 8192);
    assert_true(arch_this_cpu()->steps.kinds[STEP_RIGHTS].most <= 8192);
    assert_null(memory->veil.owner);
    assert_int_equal(memory->open, memory->pages.value);
    told_most = 0;
}

static void touch_all(bool write)
{
    for (unsigned i = 0; i < VIEWS; i++) {
        for (uint64_t page = i % 7; page < memory->pages.value; page += 7) {
            uint32_t value = (uint32_t)page;
            assert_int_equal(write ? space_write(views[i], page, value) : space_read(views[i], page, &value),
                             ERR_NONE);
        }
    }
}

static uint32_t value_of(unsigned view, uint64_t page)
{
    uint32_t value;
    assert_int_equal(space_read(views[view], page, &value), ERR_NONE);
    return value;
}

static int begin(void **state)
{
    (void)state;
    memory_host_start(FRAMES, 2);
    space_watch(FRAMES);
    books_open((uint64_t)1 << 40, (uint64_t)1 << 40);
    account = books_account("memory", FRAMES, 100000000);
    assert_int_equal(memory_make(account, (pages_t){PAGES}, 0, &memory), ERR_NONE);
    for (unsigned i = 0; i < VIEWS; i++) {
        views[i] = space_show(memory, 0, PAGES, false);
    }
    touch_all(true);
    host_pause = note_step;
    others_come = true;
    comings = 0;
    told_before = space_told;
    told_most = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    others_come = false;
    for (unsigned i = 0; i < VIEWS; i++) {
        space_unshow(views[i]);
    }
    memory_release(memory);
    memory = NULL;
    for (unsigned i = 2; i-- > 0;) {
        memory_host_enter(i);
        host_leave_kernel();
    }
    books_close();
    host_pause = NULL;
    return 0;
}

static void give_back(uint64_t first, uint64_t count)
{
    struct memory_decommit_plan plan;
    assert_int_equal(memory_decommit_prepare(memory, first, count, &plan), ERR_NONE);
    memory_decommit_commit(&plan);
    check_steps();
}

static void pages_are_given_back_in_steps(void **state)
{
    (void)state;
    give_back(10, 1200);
    for (unsigned i = 0; i < VIEWS; i += 13) {
        assert_int_equal(value_of(i, 9), 9);
        assert_int_equal(value_of(i, 10 + i), 0);
        assert_int_equal(value_of(i, 1210), 1210);
    }
    assert_true(comings > VIEWS / STEP_VIEWS / 2); /* what comes anew need not be passed */
    touch_all(true);
    give_back(600, 3);
    assert_int_equal(value_of(5, 602), 0);
    assert_int_equal(value_of(5, 603), 603);
}

static void the_end_goes_in_steps(void **state)
{
    (void)state;
    assert_int_equal(memory_resize(memory, (pages_t){300}), ERR_NONE);
    check_steps();
    assert_int_equal(memory_resize(memory, (pages_t){PAGES}), ERR_NONE);
    check_steps();
    assert_int_equal(value_of(7, 299), 299);
    assert_int_equal(value_of(7, 300), 0);
}

/* Both copies are what they were, whoever writes; each write is seen in all views of its object. */
static void copies_are_made_in_steps(void **state)
{
    struct memory *copy;
    (void)state;
    assert_int_equal(memory_clone(memory, account, &copy), ERR_NONE);
    check_steps();
    assert_true(comings > 0);
    struct played_view *view = space_show(copy, 0, PAGES, false);
    touch_all(false);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t page = i * 61;
        uint32_t seen;
        in_use = views[i];
        assert_int_equal(space_write(in_use, page, 5000 + i), ERR_NONE);
        check_steps();
        assert_int_equal(value_of(VIEWS - 1 - i, page), 5000 + i);
        assert_int_equal(space_read(view, page, &seen), ERR_NONE);
        assert_int_equal(seen, page);
    }
    space_unshow(view);
    memory_release(copy);
    host_leave_kernel();
}

static void blocks_are_made_in_steps(void **state)
{
    (void)state;
    assert_true(memory_promote(memory, 600, true));
    check_steps();
    assert_int_equal(memory->large, MEMORY_LEAF_PAGES);
    assert_int_equal(value_of(3, 700), 700);
    give_back(700, 1);
    assert_int_equal(value_of(3, 700), 0);
    assert_int_equal(value_of(3, 701), 701);
}

static void who_is_killed_leaves_no_veil(void **state)
{
    struct memory_decommit_plan plan;
    struct memory *copy;
    (void)state;
    memory_host_enter(1);
    assert_int_equal(veil_leaf(memory, 600), ERR_NONE);
    memory_host_enter(0);
    memory_host_waits_in_vain = true;
    assert_int_equal(memory_clone(memory, account, &copy), ERR_CANCELLED);
    assert_int_equal(memory_decommit_prepare(memory, 0, 10, &plan), ERR_CANCELLED);
    assert_int_equal(memory_resize(memory, (pages_t){10}), ERR_CANCELLED);
    assert_false(memory_promote(memory, 10, true));
    assert_int_equal(space_write(views[0], 600, 1), ERR_CANCELLED);
    assert_int_equal(space_write(views[0], 400, 1), ERR_NONE);
    memory_host_waits_in_vain = false;
    memory_host_enter(1);
    veil_end(memory);
    memory_host_enter(0);
    host_leave_kernel();
    check_steps();
    assert_int_equal(memory_decommit_prepare(memory, 0, 10, &plan), ERR_NONE);
    memory_decommit_cancel(&plan);
    check_steps();
    host_killed_at = 1;
    give_back(0, PAGES); /* to the end in any case */
    host_killed_at = 0;
    assert_int_equal(value_of(9, 500), 0);
    touch_all(true);
}

static void who_has_no_memory_leaves_no_veil(void **state)
{
    struct memory *copy;
    unsigned failed = 0;
    (void)state;
    assert_int_equal(memory_clone(memory, account, &copy), ERR_NONE);
    others_come = false; /* it is their turn, too, to fail */
    inject_on = true;
    for (bool again = true; again; failed += again) {
        inject_arm(failed + 1);
        enum error error = space_write(views[11], 77, 12345);
        again = thread_current()->inject_left == 0;
        inject_arm(0);
        assert_int_equal(error, again ? ERR_NO_MEMORY : ERR_NONE);
        check_steps();
    }
    inject_on = false;
    assert_true(failed >= 2);
    assert_int_equal(value_of(12, 77), 12345);
    memory_release(copy);
    host_leave_kernel();
}

/* Two views become one while the walk is behind the first, and before the second. */
static void what_joins_is_not_forgotten(void **state)
{
    struct memory_veil *veil = &memory->veil;
    struct memory_view mark = {0}, *passed = &views[1]->view, *other = &views[2]->view;
    (void)state;
    spin_lock(&memory->lock);
    veil->walk++;
    list_cut(&passed->node);
    list_insert_before(memory->views.next, &passed->node);
    list_insert_before(passed->node.next, &mark.node);
    veil->cursor = &mark.node;
    passed->passed = veil->walk;
    memory_view_joins(memory, passed, other);
    assert_ptr_equal(mark.node.next, &passed->node);
    passed->passed = other->passed = veil->walk;
    memory_view_joins(memory, other, passed);
    assert_ptr_equal(mark.node.next, &passed->node);
    list_cut(&mark.node);
    veil->cursor = NULL;
    spin_unlock(&memory->lock);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_are_given_back_in_steps), TEST(the_end_goes_in_steps),
        TEST(copies_are_made_in_steps),      TEST(blocks_are_made_in_steps),
        TEST(who_is_killed_leaves_no_veil),  TEST(who_has_no_memory_leaves_no_veil),
        TEST(what_joins_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
