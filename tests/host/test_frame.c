/* The frame allocator against a byte map, over random memory maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/host/frame_host.h"
#include "tests/host/frame_model.h"
#include "tests/host/random.h"

#define CPUS       3
#define MAX_HELD   4096
#define MAX_RANGES 12

static size_t random_ranges(struct random *random, uint64_t frames, struct memory_range *out)
{
    size_t count = 0;
    uint64_t at = random_below(random, 2) * random_below(random, frames / 4);
    while (count < MAX_RANGES && at < frames) {
        uint64_t length = 1 + random_below(random, 1u << random_below(random, 14));
        if (length > frames - at)
            length = frames - at;
        out[count++] = (struct memory_range){pfn(at), {length}};
        at += length + 1 + random_below(random, 1u << random_below(random, 13));
    }
    return count;
}

static unsigned random_order(struct random *random)
{
    return random_below(random, 3) ? (unsigned)random_below(random, 4)
                                   : (unsigned)random_below(random, FRAME_ORDERS);
}

struct trial {
    struct random random;
    struct frame_model model;
    struct held_block held[MAX_HELD];
    size_t count;
};

static void try_alloc(struct trial *trial)
{
    struct held_block block = {.order = random_order(&trial->random),
                               .class = FRAME_KERNEL + (unsigned)random_below(&trial->random, 7)};
    pfn_t first;
    enum error error = frame_alloc(block.order, block.class, &first);
    if (error != ERR_NONE) {
        assert_int_equal(error, ERR_NO_MEMORY);
        assert_false(model_can_serve(&trial->model, block.order));
        return;
    }
    block.first = first.value;
    model_take(&trial->model, block);
    trial->held[trial->count++] = block;
}

static void try_free(struct trial *trial)
{
    size_t i = random_below(&trial->random, trial->count);
    struct held_block block = trial->held[i];
    assert_int_equal(frame_free(pfn(block.first), block.order), ERR_NONE);
    model_give(&trial->model, block);
    trial->held[i] = trial->held[--trial->count];
}

/* Free something at random: unless a held block of that order begins there, it must be refused. */
static void try_bad_free(struct trial *trial)
{
    uint64_t first = random_below(&trial->random, trial->model.frames + 64);
    unsigned order = (unsigned)random_below(&trial->random, FRAME_ORDERS + 2);
    for (size_t i = 0; i < trial->count; i++)
        if (trial->held[i].first == first && trial->held[i].order == order)
            return;
    assert_int_equal(frame_free(pfn(first), order), ERR_BAD_FREE);
}

static void random_operations_match_a_byte_map(void **state)
{
    (void)state;
    static struct trial trial;
    for (uint64_t round = 0; round < 60; round++) {
        struct memory_range ranges[MAX_RANGES];
        trial = (struct trial){.random = {round}};
        uint64_t frames = 64 + random_below(&trial.random, 16384);
        size_t count = random_ranges(&trial.random, frames, ranges);
        model_boot(&trial.model, frames, ranges, count, CPUS);
        for (unsigned step = 0; step < 20000; step++) {
            /* The share of frees swings, so that memory is sometimes full and sometimes empty. */
            unsigned share = step / 4000 % 2 ? 60 : 40;
            frame_host_enter((unsigned)random_below(&trial.random, CPUS));
            unsigned dice = (unsigned)random_below(&trial.random, 100);
            if (dice < share && trial.count)
                try_free(&trial);
            else if (dice < 95 && trial.count < MAX_HELD)
                try_alloc(&trial);
            else
                try_bad_free(&trial);
            if (step % 1999 == 0)
                model_compare(&trial.model);
        }
        while (trial.count)
            try_free(&trial);
        model_compare(&trial.model);
        model_end(&trial.model);
    }
}

static void every_frame_can_be_taken_and_given_back(void **state)
{
    (void)state;
    struct frame_model model;
    struct memory_range ranges[] = {{pfn(3), {5000}}, {pfn(6001), {1}}, {pfn(6500), {524}}};
    static pfn_t taken[6000];
    model_boot(&model, 8192, ranges, 3, 1);
    frame_host_enter(0);
    for (int round = 0; round < 3; round++) {
        size_t count = 0;
        while (frame_alloc(0, FRAME_KERNEL, &taken[count]) == ERR_NONE)
            model_take(&model, (struct held_block){taken[count++].value, 0, FRAME_KERNEL});
        assert_int_equal(count, 5525);
        model_compare(&model);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(frame_free(taken[i], 0), ERR_NONE);
            model_give(&model, (struct held_block){taken[i].value, 0, FRAME_KERNEL});
            assert_int_equal(frame_free(taken[i], 0), ERR_BAD_FREE);
        }
        model_compare(&model);
    }
    model_end(&model);
}

static void misuse_is_refused(void **state)
{
    (void)state;
    struct frame_model model;
    struct memory_range ranges[] = {{pfn(0), {4096}}};
    pfn_t first;
    model_boot(&model, 4096, ranges, 1, 1);
    frame_host_enter(0);
    assert_int_equal(frame_alloc(FRAME_ORDERS, FRAME_KERNEL, &first), ERR_BAD_ARGUMENT);
    assert_int_equal(frame_alloc(0, FRAME_FREE, &first), ERR_BAD_ARGUMENT);
    assert_int_equal(frame_alloc(0, FRAME_BAD, &first), ERR_BAD_ARGUMENT);
    assert_int_equal(frame_alloc(3, FRAME_STACK, &first), ERR_NONE);
    assert_int_equal(frame_free(first, 2), ERR_BAD_FREE);
    assert_int_equal(frame_free(first, 4), ERR_BAD_FREE);
    assert_int_equal(frame_free(pfn(first.value + 1), 0), ERR_BAD_FREE);
    assert_int_equal(frame_free(first, FRAME_ORDERS), ERR_BAD_FREE);
    assert_int_equal(frame_free(pfn(UINT64_MAX), 0), ERR_BAD_FREE);
    assert_int_equal(frame_free(pfn(1 << 20), 0), ERR_BAD_FREE);
    assert_int_equal(frame_class_of(pfn(first.value + 7)), FRAME_STACK);
    assert_int_equal(frame_free(first, 3), ERR_NONE);
    assert_int_equal(frame_free(first, 3), ERR_BAD_FREE);
    model_compare(&model);
    model_end(&model);
}

static void improper_ranges_are_refused(void **state)
{
    (void)state;
    struct memory_range unsorted[] = {{pfn(100), {10}}, {pfn(50), {10}}};
    struct memory_range overlapping[] = {{pfn(50), {10}}, {pfn(59), {10}}};
    struct memory_range empty[] = {{pfn(50), {0}}};
    struct memory_range good[] = {{pfn(50), {10}}};
    static _Alignas(4096) uint8_t unused[4096];
    assert_int_equal(frame_init(unsorted, 2, unused, 1), ERR_BAD_ARGUMENT);
    assert_int_equal(frame_init(overlapping, 2, unused, 1), ERR_BAD_ARGUMENT);
    assert_int_equal(frame_init(empty, 1, unused, 1), ERR_BAD_ARGUMENT);
    assert_int_equal(frame_init(good, 1, unused, 0), ERR_BAD_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_match_a_byte_map),
        cmocka_unit_test(every_frame_can_be_taken_and_given_back),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(improper_ranges_are_refused),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
