/*
 * A large page at first touch: its block is cleared with no lock held, so what is mapped there then need not
 * be what was touched. Case by case, with what others do while it is cleared; and how many are cleared in
 * vain.
 */
#include "tests/host/host.h"

#include "kernel/mm/aspace_parts.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/memory_touch.h"
#include "tests/host/lock_host.h"
#include "tests/host/memory_books.h"
#include "tests/host/memory_check.h"
#include "tests/host/memory_host.h"
#include "tests/host/mmu_host.h"

#define FRAMES     65536 /* 256 MiB */
#define BLOCKS     16
#define PAGES      (BLOCKS * MEMORY_LEAF_PAGES) /* of each object */
#define AT         ((uint64_t)64 * GIB)
#define OTHER_AT   ((uint64_t)65 * GIB)
#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)
#define BYTES      (PAGES * PAGE_SIZE)

static struct account *account, *stranger;
static struct aspace space, other_space;
static struct memory *memory, *second;

static void map(struct aspace *where, struct memory *what, uint64_t at, uint32_t mode)
{
    struct map_plan plan;
    const struct map_request request = {what, 0, at, BYTES, mode};
    assert_int_equal(aspace_map_prepare(where, &request, &plan), ERR_NONE);
    assert_int_equal(aspace_map_commit(&plan), at);
    host_leave_kernel();
}

static void unmap(uint64_t at)
{
    struct range_plan plan;
    assert_int_equal(aspace_unmap_prepare(&space, at, BYTES, &plan), ERR_NONE);
    aspace_unmap_commit(&plan);
    host_leave_kernel();
}

static int begin(void **state)
{
    (void)state;
    memory_host_start(FRAMES, 2);
    mmu_start(FRAMES, true, true, 4);
    mmu_alone = true;
    books_open((uint64_t)1 << 30, (uint64_t)1 << 40);
    account = books_account("large", FRAMES, (uint64_t)1 << 30);
    stranger = books_account("stranger", FRAMES, (uint64_t)1 << 30);
    memory_check_account = stranger->number; /* made last */
    aspace_init(&space, account);
    aspace_init(&other_space, account);
    assert_int_equal(aspace_open(&space), ERR_NONE);
    assert_int_equal(aspace_open(&other_space), ERR_NONE);
    assert_int_equal(memory_make(account, (pages_t){PAGES}, 0, &memory), ERR_NONE);
    assert_int_equal(memory_make(stranger, (pages_t){PAGES}, 0, &second), ERR_NONE);
    aspace_load(&space);
    map(&space, memory, AT, READ_WRITE);
    memory_host_blocks_cleared = 0;
    memory_host_while_clearing = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_null(memory_host_while_clearing); /* it was called */
    memory_check(memory);
    aspace_load(NULL);
    aspace_close(&space);
    aspace_close(&other_space);
    memory_release(memory);
    memory_release(second);
    host_leave_kernel();
    tlb_settle(true);
    books_close();
    return 0;
}

static enum error write_at(uint64_t at, uint32_t value)
{
    return mmu_access(at, ACCESS_WRITE, &value);
}

static uint32_t read_at(uint64_t at)
{
    uint32_t value = UINT32_MAX;
    assert_int_equal(mmu_access(at, ACCESS_READ, &value), ERR_NONE);
    return value;
}

static uint64_t block_at(uint64_t at, unsigned block)
{
    return at + block * TABLES_LARGE + 5 * PAGE_SIZE;
}

/* So many large pages, after which the next is taken to be like them. */
static void touch_some(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(write_at(block_at(AT, i), i), ERR_NONE);
        assert_int_equal(mmu_look(space.root, block_at(AT, i)).size, TABLES_LARGE);
    }
    assert_int_equal(memory_host_blocks_cleared, count);
}

/* A write to a block that is not there yet, and what others do while it is cleared. */
static enum error write_while(void (*others)(void), uint32_t value)
{
    memory_host_while_clearing = others;
    return write_at(block_at(AT, 4), value);
}

/* --- what is there then ------------------------------------------------------------------------------------
 */

static void unmap_it(void)
{
    unmap(AT);
}

static void what_was_unmapped_meanwhile_is_not_there(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 2; before++) { /* with a look, and without */
        touch_some(before * 3);
        assert_int_equal(write_while(unmap_it, 1), ERR_BAD_ADDRESS);
        assert_int_equal(memory->large, before * 3 * MEMORY_LEAF_PAGES);
        map(&space, memory, AT, READ_WRITE);
        memory_host_blocks_cleared = 0;
    }
}

static void map_another(void)
{
    unmap(AT);
    map(&space, second, AT, READ_WRITE);
}

static void another_object_meanwhile_gets_a_block_of_its_own_account(void **state)
{
    (void)state;
    touch_some(3);
    assert_int_equal(write_while(map_another, 7), ERR_NONE);
    assert_int_equal(memory->large, 3 * MEMORY_LEAF_PAGES);
    assert_int_equal(second->large, MEMORY_LEAF_PAGES);
    assert_int_equal(memory_host_blocks_cleared, 5);
    assert_int_equal(frame_account_of(mmu_look(space.root, block_at(AT, 4)).frame), stranger->number);
    assert_int_equal(read_at(block_at(AT, 4)), 7);
    memory_check(second);
}

static void take_the_right(void)
{
    struct range_plan plan;
    assert_int_equal(aspace_protect_prepare(&space, AT, BYTES, ACCESS_READ, &plan), ERR_NONE);
    aspace_protect_commit(&plan);
    host_leave_kernel();
}

static void a_right_that_was_taken_meanwhile_is_asked_for(void **state)
{
    (void)state;
    touch_some(3);
    assert_int_equal(write_while(take_the_right, 1), ERR_NO_RIGHT);
    assert_int_equal(memory->large, 3 * MEMORY_LEAF_PAGES);
    assert_int_equal(read_at(block_at(AT, 4)), 0);
}

static void touch_it(void)
{
    assert_int_equal(write_at(block_at(AT, 4) + PAGE_SIZE, 9), ERR_NONE);
}

static void two_who_touch_a_block_get_the_same(void **state)
{
    (void)state;
    touch_some(3);
    assert_int_equal(write_while(touch_it, 1), ERR_NONE);
    assert_int_equal(read_at(block_at(AT, 4) + PAGE_SIZE), 9);
    assert_int_equal(memory->large, 4 * MEMORY_LEAF_PAGES);
    assert_int_equal(memory_host_blocks_cleared, 5);
}

static void shrink(void)
{
    assert_int_equal(memory_resize(memory, (pages_t){MEMORY_LEAF_PAGES}), ERR_NONE);
    host_leave_kernel();
}

static void an_object_that_shrank_meanwhile_has_nothing_behind_its_end(void **state)
{
    (void)state;
    touch_some(3);
    assert_int_equal(write_while(shrink, 1), ERR_BAD_ADDRESS);
    assert_int_equal(memory->large, MEMORY_LEAF_PAGES);
}

/* --- in vain -----------------------------------------------------------------------------------------------
 */

/* One writes, another reads after him what he wrote. */
static void who_comes_after_another_clears_nothing(void **state)
{
    (void)state;
    map(&space, memory, OTHER_AT, READ_WRITE);
    for (unsigned i = 0; i < BLOCKS; i++) {
        assert_int_equal(write_at(block_at(AT, i), i), ERR_NONE);
        assert_int_equal(read_at(block_at(OTHER_AT, i)), i);
    }
    assert_int_equal(memory_host_blocks_cleared, BLOCKS);
    assert_int_equal(memory->large, PAGES);
}

/* After a row of new ones the first that is there costs one block, which is given back, and no more do. */
static void a_row_that_ends_costs_one_block(void **state)
{
    (void)state;
    map(&space, memory, OTHER_AT, READ_WRITE);
    touch_some(BLOCKS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        assert_int_equal(read_at(block_at(OTHER_AT, i)), i);
        assert_int_equal(mmu_look(space.root, block_at(OTHER_AT, i)).size, TABLES_LARGE);
    }
    assert_int_equal(memory_host_blocks_cleared, BLOCKS + 1);
    assert_int_equal(memory->large, PAGES);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_unmapped_meanwhile_is_not_there),
        CASE(another_object_meanwhile_gets_a_block_of_its_own_account),
        CASE(a_right_that_was_taken_meanwhile_is_asked_for),
        CASE(two_who_touch_a_block_get_the_same),
        CASE(an_object_that_shrank_meanwhile_has_nothing_behind_its_end),
        CASE(who_comes_after_another_clears_nothing),
        CASE(a_row_that_ends_costs_one_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
