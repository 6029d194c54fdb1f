/*
 * An object that many mappings show, and is emptied or copied: in steps, between which others cut these
 * mappings, put them together again, unmap, map and fill them. None shows afterwards what it showed before.
 */
#include "tests/host/host.h"

#include "kernel/mm/aspace_parts.h"
#include "kernel/mm/memory_tree.h"
#include "tests/host/lock_host.h"
#include "tests/host/memory_books.h"
#include "tests/host/memory_check.h"
#include "tests/host/memory_host.h"
#include "tests/host/mmu_host.h"
#include "tests/host/random.h"

#define FRAMES     32768
#define MAPPINGS   40
#define PAGES      (3 * MEMORY_LEAF_PAGES)
#define BYTES      (PAGES * PAGE_SIZE)
#define APART      ((uint64_t)16 * MIB)
#define AT         ((uint64_t)64 * GIB)
#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)
#define ROUNDS     120
#define PLACES     6 /* pages of each mapping that are used; cuts are on both sides of the third one */

static struct account *account;
static struct aspace space;
static struct memory *memory;
static struct random dice;
static bool cut[MAPPINGS];
static unsigned long comings, cuts_then, joins_then, fills_veiled;
static void (*others)(void);

static uint64_t place(unsigned mapping, unsigned which)
{
    static const uint64_t pages[PLACES] = {0,         5,        MEMORY_LEAF_PAGES, MEMORY_LEAF_PAGES + 1,
                                           PAGES - 9, PAGES - 1};
    return AT + mapping * APART + pages[which] * PAGE_SIZE;
}

static void map(unsigned mapping, uint32_t mode)
{
    struct map_plan plan;
    const struct map_request request = {memory, 0, AT + mapping * APART, BYTES, mode | MAP_MODE_SMALL};
    assert_int_equal(aspace_map_prepare(&space, &request, &plan), ERR_NONE);
    assert_int_equal(aspace_map_commit(&plan), AT + mapping * APART);
    cut[mapping] = false;
}

static void unmap(unsigned mapping)
{
    struct range_plan plan;
    assert_int_equal(aspace_unmap_prepare(&space, AT + mapping * APART, BYTES, &plan), ERR_NONE);
    aspace_unmap_commit(&plan);
}

/* Take the right to write from a page in the middle, or give it back: three mappings of one, or one of three.
 */
static void cut_or_join(unsigned mapping)
{
    struct range_plan plan;
    uint64_t mappings = space.count;
    uint32_t access = cut[mapping] ? READ_WRITE : ACCESS_READ;
    assert_int_equal(aspace_protect_prepare(&space, place(mapping, 2), PAGE_SIZE, access, &plan), ERR_NONE);
    aspace_protect_commit(&plan);
    assert_int_equal(space.count, cut[mapping] ? mappings - 2 : mappings + 2);
    cut[mapping] = !cut[mapping];
}

static bool shows_nothing(unsigned mapping)
{
    bool nothing = true;
    for (unsigned i = 0; i < PLACES; i++) {
        nothing = nothing && mmu_look(space.root, place(mapping, i)).size == 0;
    }
    return nothing;
}

static unsigned any(void)
{
    return (unsigned)random_below(&dice, MAPPINGS);
}

/* --- what others do, as another CPU ------------------------------------------------------------------------
 */

static void come(void)
{
    void (*again)(void) = host_pause;
    host_pause = NULL;
    memory_host_waits_in_vain = true;
    mmu_be(1);
    others();
    mmu_be(0);
    memory_host_waits_in_vain = false;
    host_pause = again;
    comings++;
}

static void cut_and_join_some(void)
{
    for (unsigned i = 0; i < 3; i++) {
        unsigned mapping = any();
        *(cut[mapping] ? &joins_then : &cuts_then) += 1;
        cut_or_join(mapping);
    }
}

/* What is veiled is not filled: who does so gives up waiting here, and the mapping stays as it is. */
static void fill_one(void)
{
    unsigned mapping = any();
    unmap(mapping);
    map(mapping, READ_WRITE | MAP_MODE_POPULATE);
    spin_lock(&memory->lock);
    bool veiled = memory_is_veiled(memory, 0, PAGES);
    spin_unlock(&memory->lock);
    if (veiled) {
        assert_true(shows_nothing(mapping));
        fills_veiled++;
    }
}

/* --- before and after --------------------------------------------------------------------------------------
 */

static int begin(void **state)
{
    (void)state;
    memory_host_start(FRAMES, 2);
    mmu_start(FRAMES, true, true, 4);
    mmu_alone = true;
    books_open((uint64_t)1 << 30, (uint64_t)1 << 40);
    account = books_account("views", FRAMES, (uint64_t)1 << 30);
    memory_check_account = account->number;
    aspace_init(&space, account);
    assert_int_equal(aspace_open(&space), ERR_NONE);
    assert_int_equal(memory_make(account, (pages_t){PAGES}, 0, &memory), ERR_NONE);
    for (unsigned cpu = 2; cpu-- > 0;) {
        mmu_be(cpu);
        aspace_load(&space);
    }
    for (unsigned i = 0; i < MAPPINGS; i++) {
        map(i, READ_WRITE);
    }
    dice = (struct random){1};
    comings = cuts_then = joins_then = fills_veiled = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (unsigned cpu = 2; cpu-- > 0;) {
        mmu_be(cpu);
        aspace_load(NULL);
    }
    aspace_close(&space);
    memory_release(memory);
    for (unsigned cpu = 2; cpu-- > 0;) {
        mmu_be(cpu);
        host_leave_kernel();
    }
    tlb_settle(true);
    books_close();
    return 0;
}

/* All places of all mappings say so; those that may be written do so too. */
static void write_all(uint32_t value)
{
    for (unsigned i = 0; i < PLACES; i++) {
        for (unsigned mapping = 0; mapping < MAPPINGS; mapping++) {
            bool may = !(cut[mapping] && i == 2);
            assert_int_equal(mmu_access(place(mapping, i), ACCESS_WRITE, &value),
                             may ? ERR_NONE : ERR_NO_RIGHT);
        }
    }
}

static void expect_all(uint32_t expected)
{
    for (unsigned i = 0; i < PLACES; i++) {
        for (unsigned mapping = 0; mapping < MAPPINGS; mapping++) {
            uint32_t value = ~expected;
            assert_int_equal(mmu_access(place(mapping, i), ACCESS_READ, &value), ERR_NONE);
            assert_int_equal(value, expected);
        }
    }
}

static void leave_all(void)
{
    for (unsigned cpu = 2; cpu-- > 0;) {
        mmu_be(cpu);
        host_leave_kernel();
    }
}

/* Write, and empty the object while others do that. Nothing of what was written is seen, by any CPU. */
static void empty_meanwhile(void (*what)(void))
{
    struct memory_decommit_plan plan;
    others = what;
    for (unsigned round = 0; round < ROUNDS; round++) {
        write_all(round + 1);
        expect_all(round + 1);
        host_pause = come;
        assert_int_equal(memory_decommit_prepare(memory, 0, PAGES, &plan), ERR_NONE);
        memory_decommit_commit(&plan);
        host_pause = NULL;
        leave_all();
        assert_int_equal(memory->resident, 0);
        for (unsigned mapping = 0; mapping < MAPPINGS; mapping++) {
            assert_true(shows_nothing(mapping)); /* its frame may be the page's again by now */
        }
        expect_all(0);
        mmu_be(1);
        expect_all(0);
        mmu_be(0);
    }
    assert_true(comings > ROUNDS * 2);
    memory_check(memory);
}

static void mappings_that_are_cut_and_joined_are_not_forgotten(void **state)
{
    (void)state;
    empty_meanwhile(cut_and_join_some);
    assert_true(cuts_then > ROUNDS && joins_then > ROUNDS);
}

static void what_is_veiled_is_not_filled(void **state)
{
    (void)state;
    empty_meanwhile(fill_one);
    assert_true(fills_veiled > ROUNDS);
}

/* A copy has what was there, whoever writes to the original then, by whichever mapping. */
static void a_copy_does_not_change_when_what_it_was_made_of_is_written(void **state)
{
    (void)state;
    others = cut_and_join_some;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct memory *copy;
        struct memory_page found;
        write_all(round + 1);
        host_pause = come;
        assert_int_equal(memory_clone(memory, account, &copy), ERR_NONE);
        host_pause = NULL;
        leave_all();
        write_all(round + 1000);
        expect_all(round + 1000);
        assert_int_equal(memory_fault(copy, PAGES - 1, false, false, &found), ERR_NONE);
        assert_int_equal(*(uint32_t *)memory_host_frame(found.frame), round + 1);
        memory_fault_unlock(copy);
        memory_release(copy);
        leave_all();
    }
    assert_true(cuts_then > ROUNDS && joins_then > ROUNDS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(mappings_that_are_cut_and_joined_are_not_forgotten),
        CASE(what_is_veiled_is_not_filled),
        CASE(a_copy_does_not_change_when_what_it_was_made_of_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
