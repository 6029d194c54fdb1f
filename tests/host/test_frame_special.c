/* The rare requests: ranges of addresses, exact places, contiguous frames, parts, bad memory, accounts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/host/frame_host.h"
#include "tests/host/frame_model.h"
#include "tests/host/random.h"

#define FRAMES 8192

static struct frame_model model;

static int start(void **state)
{
    (void)state;
    struct memory_range ranges[] = {{pfn(16), {3000}}, {pfn(4096), {2048}}, {pfn(7000), {700}}};
    model_boot(&model, FRAMES, ranges, 3, 2);
    frame_host_enter(0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    model_end(&model);
    return 0;
}

static void hold(uint64_t first, uint64_t count, enum frame_class class)
{
    for (uint64_t i = first; i < first + count; i++)
        model_take(&model, (struct held_block){i, 0, class});
}

static void drop(uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++)
        model_give(&model, (struct held_block){i, 0, FRAME_FREE});
}

static void a_block_within_a_range_is_found_whenever_there_is_one(void **state)
{
    (void)state;
    struct random random = {5};
    static struct held_block held[FRAMES];
    size_t count = 0;
    for (unsigned step = 0; step < 30000; step++) {
        unsigned order = (unsigned)random_below(&random, 11);
        if (count && (random_below(&random, 5) < 2 || count == FRAMES)) {
            size_t k = random_below(&random, count);
            assert_int_equal(frame_free(pfn(held[k].first), held[k].order), ERR_NONE);
            model_give(&model, held[k]);
            held[k] = held[--count];
            continue;
        }
        uint64_t low = random_below(&random, FRAMES), high = low + random_below(&random, FRAMES - low + 100);
        pfn_t found;
        bool possible = false;
        for (uint64_t at = align_up(low, 1u << order); at + (1u << order) <= high && !possible;
             at += 1u << order) {
            possible = at + (1u << order) <= FRAMES;
            for (uint64_t i = at; possible && i < at + (1u << order); i++)
                possible = model.class[i] == FRAME_FREE;
        }
        enum error error = frame_alloc_within(order, FRAME_DEVICE, pfn(low), pfn(high), &found);
        assert_int_equal(error, possible ? ERR_NONE : ERR_NO_MEMORY);
        if (!possible)
            continue;
        assert_true(found.value >= low && found.value + (1u << order) <= high);
        held[count] = (struct held_block){found.value, order, FRAME_DEVICE};
        model_take(&model, held[count++]);
        if (step % 1000 == 0)
            model_compare(&model);
    }
    model_compare(&model);
}

static void runs_of_any_length_are_found_and_given_back(void **state)
{
    (void)state;
    pfn_t first, single;
    assert_int_equal(frame_alloc(0, FRAME_KERNEL, &single), ERR_NONE);
    hold(single.value, 1, FRAME_KERNEL);
    for (uint64_t count = 1; count < 2048; count += 1 + count / 3) {
        assert_int_equal(frame_alloc_run((pages_t){count}, FRAME_DEVICE, &first), ERR_NONE);
        hold(first.value, count, FRAME_DEVICE);
        model_compare(&model);
        assert_int_equal(frame_free_run(first, (pages_t){count + 1}), ERR_BAD_FREE);
        assert_int_equal(frame_free_run(first, (pages_t){count}), ERR_NONE);
        drop(first.value, count);
        assert_int_equal(frame_free_run(first, (pages_t){count}), ERR_BAD_FREE);
    }
    /* Only an unaligned run is left that is long enough for this. */
    assert_int_equal(frame_alloc_run((pages_t){2500}, FRAME_DEVICE, &first), ERR_NONE);
    hold(first.value, 2500, FRAME_DEVICE);
    model_compare(&model);
    assert_int_equal(frame_alloc_run((pages_t){2500}, FRAME_DEVICE, &first), ERR_NO_MEMORY);
    assert_int_equal(frame_alloc_run((pages_t){0}, FRAME_DEVICE, &first), ERR_BAD_ARGUMENT);
    model_compare(&model);
}

static void exact_frames_are_taken_only_when_all_are_free(void **state)
{
    (void)state;
    assert_int_equal(frame_take(pfn(1000), (pages_t){1500}, FRAME_METADATA), ERR_NONE);
    hold(1000, 1500, FRAME_METADATA);
    model_compare(&model);
    assert_int_equal(frame_take(pfn(2000), (pages_t){600}, FRAME_METADATA), ERR_NOT_READY);
    assert_int_equal(frame_take(pfn(3000), (pages_t){17}, FRAME_METADATA), ERR_NOT_READY);
    assert_int_equal(frame_take(pfn(1), (pages_t){20}, FRAME_METADATA), ERR_NOT_READY);
    assert_int_equal(frame_take(pfn(0), (pages_t){UINT64_MAX}, FRAME_METADATA), ERR_BAD_ARGUMENT);
    model_compare(&model);
    assert_int_equal(frame_free_run(pfn(1000), (pages_t){1500}), ERR_NONE);
    drop(1000, 1500);
    model_compare(&model);
}

static void any_part_of_a_block_can_be_given_back(void **state)
{
    (void)state;
    struct random random = {9};
    for (unsigned round = 0; round < 200; round++) {
        unsigned order = (unsigned)random_below(&random, 11),
                 part_order = (unsigned)random_below(&random, order + 1);
        pfn_t first;
        assert_int_equal(frame_alloc_for(order, FRAME_USER_SHARED, 77, &first), ERR_NONE);
        hold(first.value, 1u << order, FRAME_USER_SHARED);
        uint64_t part = first.value + (random_below(&random, 1u << (order - part_order)) << part_order);
        assert_int_equal(frame_free_part(first, order, pfn(part), order + 1), ERR_BAD_FREE);
        assert_int_equal(frame_free_part(first, order, pfn(part), part_order), ERR_NONE);
        drop(part, 1u << part_order);
        model_compare(&model);
        for (uint64_t at = first.value; at < first.value + (1u << order); at++)
            assert_int_equal(frame_account_of(pfn(at)), model.class[at] == FRAME_FREE ? 0 : 77);
        if (part > first.value)
            assert_int_equal(frame_free_run(first, (pages_t){part - first.value}), ERR_NONE);
        uint64_t after = part + (1u << part_order), end = first.value + (1u << order);
        if (after < end)
            assert_int_equal(frame_free_run(pfn(after), (pages_t){end - after}), ERR_NONE);
        drop(first.value, part - first.value);
        drop(after, end - after);
        model_compare(&model);
    }
}

static void bad_frames_are_never_given_out_again(void **state)
{
    (void)state;
    static const uint64_t bad[] = {16, 700, 1023, 4096, 4097, 5000, 7699};
    static pfn_t taken[FRAMES];
    pfn_t block;
    assert_int_equal(frame_alloc_within(9, FRAME_KERNEL, pfn(4608), pfn(5120), &block), ERR_NONE);
    hold(4608, 512, FRAME_KERNEL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(frame_retire(pfn(bad[i]), (pages_t){1}), ERR_NONE);
    assert_int_equal(frame_retire(pfn(4608), (pages_t){1}), ERR_NONE); /* the first frame of the held block */
    assert_int_equal(frame_retire(pfn(3), (pages_t){1}), ERR_BAD_ARGUMENT);
    assert_int_equal(frame_class_of(pfn(5000)), FRAME_KERNEL);
    const char *what;
    pfn_t where;
    assert_true(frame_audit(&what, &where));
    assert_int_equal(frame_free(block, 9), ERR_NONE);
    drop(4608, 512);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        hold(bad[i], 1, FRAME_BAD);
    hold(4608, 1, FRAME_BAD);
    model_compare(&model);
    size_t count = frame_alloc_batch(0, FRAME_KERNEL, taken, FRAMES);
    assert_int_equal(count, model.free);
    for (size_t i = 0; i < count; i++)
        hold(taken[i].value, 1, FRAME_KERNEL);
    model_compare(&model);
    assert_int_equal(frame_free_batch(0, taken, count), count);
    assert_int_equal(frame_free(pfn(4608), 0), ERR_BAD_FREE);
}

static void a_cpu_without_a_cache_gets_and_gives_all_the_same(void **state)
{
    (void)state;
    pfn_t a, b;
    frame_host_enter(FRAME_CPUS - 1);
    assert_int_equal(frame_alloc(0, FRAME_KERNEL, &a), ERR_NONE);
    assert_int_equal(frame_alloc(5, FRAME_USER_ANONYMOUS, &b), ERR_NONE);
    hold(a.value, 1, FRAME_KERNEL);
    hold(b.value, 32, FRAME_USER_ANONYMOUS);
    model_compare(&model);
    frame_host_enter(0);
    assert_int_equal(frame_free(a, 0), ERR_NONE);
    frame_host_enter(FRAME_CPUS - 1);
    assert_int_equal(frame_free(b, 5), ERR_NONE);
    assert_int_equal(frame_free(b, 5), ERR_BAD_FREE);
    drop(a.value, 1);
    drop(b.value, 32);
    model_compare(&model);
}

static void draining_brings_all_free_memory_together(void **state)
{
    (void)state;
    static pfn_t taken[FRAMES];
    struct frame_counts before, after;
    frame_count(&before);
    size_t count = frame_alloc_batch(0, FRAME_USER_ANONYMOUS, taken, FRAMES);
    assert_int_equal(frame_free_batch(0, taken, count), count);
    frame_drain();
    frame_count(&after);
    assert_int_equal(after.cached, 0);
    assert_memory_equal(before.free_blocks, after.free_blocks, sizeof before.free_blocks);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_block_within_a_range_is_found_whenever_there_is_one),
        TEST(runs_of_any_length_are_found_and_given_back),
        TEST(exact_frames_are_taken_only_when_all_are_free),
        TEST(any_part_of_a_block_can_be_given_back),
        TEST(bad_frames_are_never_given_out_again),
        TEST(a_cpu_without_a_cache_gets_and_gives_all_the_same),
        TEST(draining_brings_all_free_memory_together),
    };
    return cmocka_run_group_tests_name("frame_special", tests, NULL, NULL);
}
