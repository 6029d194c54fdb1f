/* The debug mode of the kernel's heap on the host: the same random work as without it, and each kind of
 * misuse. */
#include "tests/host/frame_host.h"
#include "tests/host/heap_model.h"
#include "tests/host/host.h"

static struct slab_cache things = SLAB_CACHE("thing", 200, 8);

static int start(void **state)
{
    (void)state;
    heap_debug();
    model_start();
    return 0;
}

static void random_work_of_all_cpus_keeps_contents_and_books(void **state)
{
    (void)state;
    uint64_t before = model_frames_free();
    for (uint64_t seed = 1; seed <= 2; seed++) {
        model_work(seed, 30000);
        model_end();
        assert_int_equal(model_frames_free(), before);
    }
}

static void every_frame_allocation_may_fail(void **state)
{
    (void)state;
    uint64_t before = model_frames_free();
    bool whole = false;
    for (uint64_t allowed = 0; !whole; allowed++) {
        struct random random = {99};
        model_fail_after(allowed);
        whole = true;
        for (unsigned i = 0; i < 200 && whole; i++) {
            whole = model_take(&random);
        }
        model_check();
        model_fail_after(UINT64_MAX);
        model_end();
        assert_int_equal(model_frames_free(), before);
    }
}

/* What was given back is not given out again at once, but when there is nothing else it is. */
static void freed_objects_wait_but_are_not_lost(void **state)
{
    (void)state;
    void *first = slab_alloc(&things);
    slab_free(&things, first);
    void *second = slab_alloc(&things);
    assert_ptr_not_equal(second, first);
    slab_free(&things, second);
    void *objects[100];
    unsigned count = 0;
    bool again = false;
    model_fail_after(0);
    while (count < 100 && (objects[count] = slab_alloc(&things)) != NULL) {
        again = again || objects[count] == first;
        count++;
    }
    model_fail_after(UINT64_MAX);
    assert_true(again);
    while (count > 0) {
        slab_free(&things, objects[--count]);
    }
    model_check();
}

static void overrun(void)
{
    char *object = slab_alloc(&things);
    object[200] = 1;
    slab_free(&things, object);
}

/* Red from the very byte behind what was asked for, not only behind what the cache has. */
static void overrun_of_a_size(void)
{
    char *object = heap_alloc(101);
    object[101] = 1;
    heap_free(object, 101);
}

static void overrun_by_far(void)
{
    char *object = slab_alloc(&things);
    memset(object, 1, 240);
    slab_free(&things, object);
}

static void underrun(void)
{
    char *object = slab_alloc(&things);
    object[-3] = 1;
    slab_free(&things, object);
}

static void use_after_free(void)
{
    char *object = slab_alloc(&things);
    slab_free(&things, object);
    object[7] = 1;
    for (unsigned i = 0; i < 100; i++) {
        slab_free(&things, slab_alloc(&things));
    }
}

static void double_free(void)
{
    void *object = slab_alloc(&things);
    slab_free(&things, object);
    slab_free(&things, object);
}

static void wrong_size_of_the_same_cache(void)
{
    heap_free(heap_alloc(100), 101);
}

static void wrong_cache(void)
{
    slab_free(&things, heap_alloc(200));
}

static void large_overrun(void)
{
    char *object = heap_alloc(50000);
    object[50000] = 1;
    heap_free(object, 50000);
}

static void large_underrun(void)
{
    char *object = heap_alloc(50000);
    object[-64] = 1;
    heap_free(object, 50000);
}

static void large_use_after_free(void)
{
    char *object = heap_alloc(50000);
    heap_free(object, 50000);
    object[49999] = 1;
    heap_drain();
}

static void large_double_free(void)
{
    void *object = heap_alloc(50000);
    heap_free(object, 50000);
    heap_free(object, 50000);
}

static void each_misuse_is_told(void **state)
{
    (void)state;
    expect_panic(overrun, "'thing' 0x");
    expect_panic(overrun, "of 200 bytes was overrun: 1 bytes behind its last is 01; last taken by 0x");
    expect_panic(overrun_of_a_size, "of 101 bytes was overrun: 1 bytes behind its last is 01");
    expect_panic(overrun_by_far, "was overrun: 1 bytes behind its last is 01");
    expect_panic(underrun, "of 200 bytes was underrun: 3 bytes before it is 01");
    expect_panic(use_after_free, "was written to after it was given back: byte 7 is 01; last taken by 0x");
    expect_panic(use_after_free, ", given back by 0x");
    expect_panic(double_free, "is given back a second time; last taken by 0x");
    expect_panic(wrong_size_of_the_same_cache, "of 100 bytes is given back as one of 101 bytes");
    expect_panic(wrong_cache, "given back to 'thing', is no object of it: it is one of '224 bytes'");
    expect_panic(large_overrun, "'large' 0x");
    expect_panic(large_overrun, "of 50000 bytes was overrun");
    expect_panic(large_underrun, "of 50000 bytes was underrun");
    expect_panic(large_use_after_free, "of 50000 bytes was written to after it was given back");
    expect_panic(large_double_free, "of 50000 bytes is given back a second time");
}

/* An audit finds what has not been given back yet; and what is made good again it does not hold against it.
 */
static void an_audit_finds_damage(void **state)
{
    (void)state;
    struct heap_fault fault;
    char *object = slab_alloc(&things), *large = heap_alloc(50000);
    char good = object[200];
    object[200] = 1;
    assert_false(heap_audit(&fault));
    assert_string_equal(fault.cache, "thing");
    assert_ptr_equal(fault.where, object);
    assert_non_null(strstr(fault.what, "overrun"));
    object[200] = good;
    assert_true(heap_audit(&fault));
    good = large[-1];
    large[-1] = 1;
    assert_false(heap_audit(&fault));
    assert_string_equal(fault.cache, "large");
    large[-1] = good;
    slab_free(&things, object);
    good = object[3];
    object[3] = 1;
    assert_false(heap_audit(&fault));
    assert_non_null(strstr(fault.what, "after it was given back"));
    object[3] = good;
    heap_free(large, 50000);
    model_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_work_of_all_cpus_keeps_contents_and_books),
        cmocka_unit_test(every_frame_allocation_may_fail),
        cmocka_unit_test(freed_objects_wait_but_are_not_lost),
        cmocka_unit_test(each_misuse_is_told),
        cmocka_unit_test(an_audit_finds_damage),
    };
    return cmocka_run_group_tests_name("slab_debug", tests, start, NULL);
}
