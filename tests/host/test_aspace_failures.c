/*
 * A scene with all that can be done to address spaces and memory objects, played over and over: the first
 * time the first allocation in it fails, the next time the second, and so on until none is left to fail.
 * After the failure all is as the model says it was before (aspace_operations.h); the operation is done
 * again, the scene goes on, and at the end nothing is missing.
 */
#include "tests/host/host.h"

#include "tests/host/aspace_operations.h"
#include "tests/host/lock_host.h"
#include "tests/host/memory_host.h"
#include "tests/host/mmu_host.h"

#include "kernel/debug/inject.h"

#define FRAMES     16384 /* 64 MiB */
#define CPUS       2
#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)

/* Pages of the arena where large pages can be; the rest of it is before. */
#define FIRST_LARGE ((TABLES_LARGE - ARENA_START % TABLES_LARGE) / PAGE_SIZE)

static unsigned plain, sparse, device, paged;

static void touch_some(struct model_strip *strip, uint64_t page, uint64_t count, uint64_t stride,
                       uint32_t access)
{
    for (uint64_t i = 0; i < count; i++) {
        op_touch(strip, page + i * stride, access);
    }
}

static void make_objects(void)
{
    plain = op_make(0, 1100);
    sparse = op_make(MEMORY_SPARSE, MODEL_PAGES);
    device = op_make_physical(3, 200, MAP_UNCACHED);
    paged = op_make_paged(MEMORY_SPARSE, 40);
}

/* Large and small pages, holes, a stack, and a device. */
static void map_all(struct model_space *space)
{
    struct model_strip *arena = &space->strips[0];
    op_map(space, arena, FIRST_LARGE, 1100, plain, 0, READ_WRITE | MAP_MODE_MAY(7) | MAP_MODE_LARGE);
    op_touch(arena, FIRST_LARGE + 7, ACCESS_WRITE);
    op_touch(arena, FIRST_LARGE + 600, ACCESS_READ);
    touch_some(arena, FIRST_LARGE + 1024, 3, 30, ACCESS_WRITE);
    struct model_strip *hole = op_map(space, NULL, 0, 300, sparse, 100, READ_WRITE | MAP_MODE_SHARED);
    touch_some(hole, 0, 4, 70, ACCESS_WRITE);
    op_map(space, NULL, 0, 20, 0, 0, 0);
    op_map(space, arena, 40, 200, device, 0, READ_WRITE | MAP_MODE_POPULATE);
    touch_some(arena, 40, 2, 199, ACCESS_WRITE);
    op_map(space, arena, 300, 20, sparse, 500, READ_WRITE | MAP_MODE_GROWS | MAP_MODE_PRIVATE);
    touch_some(arena, 299, 3, 1, ACCESS_WRITE);
    op_touch(arena, 290, ACCESS_WRITE);
    op_map(space, arena, 400, 40, paged, 0, READ_WRITE | MAP_MODE_SHARED);
    op_describe(space, arena, 0);
}

static void ask_pager(struct model_space *space)
{
    struct model_strip *arena = &space->strips[0];
    static const enum pager_way ways[] = {PAGER_SUPPLIES, PAGER_REFUSES, PAGER_FAILS, PAGER_WAITS};
    for (unsigned i = 0; i < 4; i++) {
        pager_way = ways[i];
        op_touch(arena, 400 + i, ACCESS_READ);
    }
    op_touch(arena, 403, ACCESS_WRITE);
    op_supply(paged, 3);
    op_supply(paged, 20);
    op_touch(arena, 403, ACCESS_WRITE);
    op_touch(arena, 405, ACCESS_WRITE);
    op_refuse(paged, 5);
    pager_way = PAGER_SUPPLIES;
    op_commit(paged, 8, 3);
    op_copy(paged);
}

/* In both spaces, of which one is a copy of the other. */
static void write_to_copies(struct model_space *from, struct model_space *to)
{
    mmu_be(1);
    op_load(to);
    touch_some(&to->strips[0], FIRST_LARGE, 3, 500, ACCESS_WRITE);
    touch_some(&to->strips[0], FIRST_LARGE, 3, 1, ACCESS_READ);
    mmu_be(0);
    op_load(from);
    touch_some(&from->strips[0], FIRST_LARGE + 1, 3, 500, ACCESS_WRITE);
    op_touch(&from->strips[0], FIRST_LARGE + 1024, ACCESS_WRITE);
}

static void cut_mappings(struct model_space *space)
{
    struct model_strip *arena = &space->strips[0];
    op_protect(space, arena, FIRST_LARGE + 100, 30, ACCESS_READ);
    op_protect(space, arena, FIRST_LARGE + 110, 5, READ_WRITE | ACCESS_EXECUTE);
    op_protect(space, arena, FIRST_LARGE + 100, 30, READ_WRITE);
    op_unmap(space, arena, FIRST_LARGE + 200, 20);
    op_map(space, arena, FIRST_LARGE + 200, 20, plain, 200, READ_WRITE | MAP_MODE_MAY(7) | MAP_MODE_LARGE);
    op_unmap(space, arena, 100, 10);
    op_unmap(space, arena, 40, 0);
    op_map(space, arena, FIRST_LARGE, 2, plain, 0, READ_WRITE);
    op_unmap(space, arena, 0, 30);
}

static void change_pages(struct model_space *space)
{
    struct model_strip *arena = &space->strips[0];
    op_decommit(plain, 520, 8, false);
    op_decommit(plain, 5, 1030, false);
    op_decommit(sparse, 0, 600, true);
    op_commit(plain, 0, 1100);
    touch_some(arena, FIRST_LARGE, 2, 513, ACCESS_WRITE);
    op_pin(plain, 510, 4);
    op_copy(plain);
    op_decommit(plain, 500, 100, false);
    op_unpin(plain, 510, 4);
    op_pin(sparse, 1200, 2);
    op_resize(sparse, 1000);
    op_unpin(sparse, 1200, 2);
    op_resize(sparse, 550);
    op_resize(sparse, 1200);
    op_query(sparse, 500, 100);
    op_commit(plain, 512, 512);
    op_promote(plain, 512, true);
    op_touch(arena, FIRST_LARGE + 520, ACCESS_WRITE);
}

/* Small pages that a large leaf shows, in a space alone, of which one is written that is shared: the leaf has
 * to be cut, and must not go on showing the old page where that fails. */
static void cut_large_leaf(struct model_space *space)
{
    struct model_strip *arena = &space->strips[0];
    uint64_t low = FIRST_LARGE + 3 * MEMORY_LEAF_PAGES;
    unsigned object = op_make(0, MEMORY_LEAF_PAGES);
    op_map(space, arena, low, MEMORY_LEAF_PAGES, object, 0, READ_WRITE);
    op_touch(arena, low + 20, ACCESS_WRITE);
    op_pin(object, 30, 1);
    op_unpin(object, 30, 1);
    unsigned copy = op_copy(object);
    bool large = mmu_look(space->space.root, model_address(arena, low)).size == TABLES_LARGE;
    assert_true(large || failed_once); /* a page will do where a block fails */
    op_touch(arena, low + 20, ACCESS_WRITE);
    op_touch(arena, low + 21, ACCESS_READ);
    op_release(copy);
    op_release(object);
    op_unmap(space, arena, low, 0);
}

/* An object that becomes larger step by step, with a copy of each size. */
static void grow_and_copy(unsigned flags)
{
    static const uint64_t sizes[] = {3, 9, 70, 500, 512, 1100, 513, 8};
    unsigned object = op_make(flags, 1);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        op_resize(object, sizes[i]);
        op_commit(object, sizes[i] - 1, 1);
        unsigned copy = op_copy(object);
        op_commit(copy, 0, 2);
        op_decommit(copy, sizes[i] - 1, 1, false);
        op_decommit(object, sizes[i] / 2, 1, false);
        op_release(copy);
    }
    op_release(object);
}

static void scene(void)
{
    struct model_space *first = &spaces[0], *second = &spaces[1], *third = &spaces[2];
    op_open(first);
    op_load(first);
    make_objects();
    map_all(first);
    ask_pager(first);
    op_fork(first, second);
    write_to_copies(first, second);
    cut_mappings(second);
    op_fork(second, third);
    write_to_copies(second, third);
    op_load(first);
    change_pages(first);
    cut_large_leaf(first);
    op_close(second);
    cut_mappings(first);
    grow_and_copy(0);
    grow_and_copy(MEMORY_SPARSE);
    op_release(plain);
    model_check();
}

/* Play it; true when an allocation has failed in it. */
static bool play(uint32_t which)
{
    const struct conditions conditions = {1, FRAMES, CPUS, true, true, 4, FRAME_SHARES_MOST, 1 << 20};
    lock_host_clock += 100000000; /* blocks of 2 MiB are tried again */
    operations_begin(&conditions);
    failed_once = false;
    inject_arm(which);
    scene();
    bool failed = which != 0 && thread_current()->inject_left == 0;
    inject_arm(0);
    mmu_be(1);
    op_load(NULL);
    mmu_be(0);
    operations_end();
    return failed;
}

static void each_allocation_may_fail(void **state)
{
    uint32_t which = 1;
    (void)state;
    inject_on = true;
    failures = FAIL_ONCE;
    while (play(which)) {
        which++;
    }
    assert_true(which > 300);
    print_message("# %u allocations\n", which - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
