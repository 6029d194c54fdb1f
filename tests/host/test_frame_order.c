/*
 * The order in which frames are given back: whatever it is, each frame is in one place at all times, and what
 * belongs together comes together. And which frame is given out next.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "kernel/mm/frame_state.h"
#include "tests/host/frame_host.h"
#include "tests/host/frame_model.h"
#include "tests/host/random.h"

#define CHUNKS 24u
#define FRAMES (CHUNKS * CHUNK_FRAMES)
#define CPUS   2u

static struct frame_model model;
static uint64_t held[FRAMES + 1];

/* A power of two of chunks, a hole, and half as many again. */
static int start(void **state)
{
    (void)state;
    struct memory_range ranges[] = {{pfn(0), {16 * CHUNK_FRAMES}}, {pfn(1 << 20), {8 * CHUNK_FRAMES}}};
    model_boot(&model, (1 << 20) + 8 * CHUNK_FRAMES, ranges, 2, CPUS);
    frame_host_enter(0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    model_end(&model);
    return 0;
}

static void take(unsigned slot, enum frame_class class)
{
    pfn_t first;
    assert_int_equal(frame_alloc(0, class, &first), ERR_NONE);
    model_take(&model, (struct held_block){first.value, 0, class});
    held[slot] = first.value;
}

static void give(unsigned slot)
{
    assert_int_equal(frame_free(pfn(held[slot]), 0), ERR_NONE);
    assert_int_equal(frame_free(pfn(held[slot]), 0), ERR_BAD_FREE);
    model_give(&model, (struct held_block){held[slot], 0, FRAME_FREE});
}

static void audit(void)
{
    const char *what;
    pfn_t where;
    if (!frame_audit(&what, &where))
        fail_msg("frame 0x%lx: %s", where.value, what);
    assert_int_equal(frame_count_free().value, model.free);
}

static uint64_t whole_chunks(void)
{
    struct frame_counts counts;
    uint64_t chunks = 0;
    frame_count(&counts);
    for (unsigned order = CHUNK_ORDER; order < FRAME_ORDERS; order++)
        chunks += counts.free_blocks[order] << (order - CHUNK_ORDER);
    return chunks;
}

static unsigned ascending(unsigned i)
{
    return i;
}

static unsigned descending(unsigned i)
{
    return FRAMES - 1 - i;
}

/* Each third frame of all memory, then the others. */
static unsigned in_thirds(unsigned i)
{
    return 3 * i % FRAMES + 3 * i / FRAMES;
}

/* Each chunk from its end to its beginning. */
static unsigned in_chunks(unsigned i)
{
    return i / CHUNK_FRAMES * CHUNK_FRAMES + CHUNK_FRAMES - 1 - i % CHUNK_FRAMES;
}

/* Pieces of 48 frames, those of two chunks in turn. */
static unsigned in_pieces(unsigned i)
{
    unsigned pair = i / 1024, within = i % 1024, piece = within / 96, at = within % 96;
    return within >= 960 ? pair * 1024 + (within < 992 ? 480 : 992) + within % 32
                         : pair * 1024 + at / 48 * 512 + piece * 48 + at % 48;
}

/* Of each chunk the lower halves of its words, then the upper ones. */
static unsigned in_halves(unsigned i)
{
    unsigned within = i % CHUNK_FRAMES, half = within / 256;
    return i - within + within % 256 / 32 * 64 + half * 32 + within % 32;
}

static unsigned (*const orders[])(unsigned) = {ascending, descending, in_thirds,
                                               in_chunks, in_pieces,  in_halves};

static void frames_come_together_in_whatever_order_they_are_given_back(void **state)
{
    (void)state;
    struct random random = {7};
    for (unsigned o = 0; o < sizeof orders / sizeof orders[0]; o++) {
        for (unsigned cpu = 0; cpu < CPUS; cpu++) {
            frame_host_enter(cpu);
            for (unsigned i = 0; i < FRAMES; i++)
                take(i, FRAME_USER_ANONYMOUS);
            for (unsigned i = 0; i < FRAMES; i++) {
                give(orders[o](i));
                if (random_below(&random, 128) == 0)
                    audit();
            }
            audit();
            frame_drain();
            assert_int_equal(whole_chunks(), CHUNKS);
            model_compare(&model);
        }
    }
}

static void memory_freed_in_order_is_whole_again_without_a_drain(void **state)
{
    (void)state;
    for (unsigned o = 0; o < 2; o++) {
        for (unsigned i = 0; i < FRAMES; i++)
            take(i, FRAME_USER_ANONYMOUS);
        for (unsigned i = 0; i < FRAMES; i++)
            give(orders[o](i));
        /* The first chunk and the last are partly in a list and a map. */
        assert_true(whole_chunks() >= CHUNKS - 2);
        audit();
    }
}

/* Gaps in what is freed, allocations in between, both groups: a run of frees begins and ends at any time. */
static void a_run_of_frees_can_end_at_any_frame(void **state)
{
    (void)state;
    struct random random = {11};
    for (unsigned round = 0; round < 60; round++) {
        unsigned kernel = 1 + (unsigned)random_below(&random, 3);
        for (unsigned i = 0; i < FRAMES; i++)
            take(i, i / CHUNK_FRAMES % 4 < kernel ? FRAME_KERNEL : FRAME_USER_SHARED);
        unsigned run = 64u << random_below(&random, 5), kept = 0;
        for (unsigned i = 0; i < FRAMES; i++) {
            bool keep = random_below(&random, run) == 0;
            if (keep)
                held[kept++] = held[i];
            else
                give(i);
            frame_host_enter(random_below(&random, 8 * run) == 0 ? 1 : 0);
            if (keep && model.free > 0) {
                take(FRAMES, FRAME_USER_ANONYMOUS);
                give(FRAMES);
            }
        }
        audit();
        while (kept > 0)
            give(--kept);
        model_compare(&model);
        frame_drain();
        assert_int_equal(whole_chunks(), CHUNKS);
    }
}

/* What is freed in a row is not taken from as long as another chunk is fuller; nor what is another CPU's by
 * now. */
static void an_allocation_in_a_run_of_frees_gets_the_best_frame(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FRAMES; i++)
        take(i, FRAME_USER_ANONYMOUS);
    give(20 * CHUNK_FRAMES);
    frame_drain();
    for (unsigned i = 0; i < FREED + 100; i++)
        give(i);
    uint64_t best = held[20 * CHUNK_FRAMES];
    take(20 * CHUNK_FRAMES, FRAME_USER_ANONYMOUS);
    assert_int_equal(held[20 * CHUNK_FRAMES], best);
    audit();
    /* The same, and the first frames, which are in the pool, have been lent to the other CPU meanwhile. */
    for (unsigned i = FREED + 100; i < 3 * FREED + 100; i++)
        give(i);
    frame_host_enter(1);
    take(0, FRAME_USER_ANONYMOUS);
    frame_host_enter(0);
    take(1, FRAME_USER_ANONYMOUS);
    audit();
}

static void the_frame_freed_last_is_used_again_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FRAMES; i++)
        take(i, FRAME_USER_ANONYMOUS);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned slot = i * 7919 % FRAMES;
        uint64_t freed = held[slot];
        give(slot);
        take(slot, FRAME_USER_ANONYMOUS);
        assert_int_equal(held[slot], freed);
    }
    audit();
}

static void a_frame_of_a_nearly_whole_chunk_goes_to_the_pool_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FRAMES; i++)
        take(i, FRAME_USER_ANONYMOUS);
    /* All but one frame of each chunk, and of these the last of all is what makes a difference. */
    for (unsigned i = 0; i < FRAMES; i++)
        if (i % CHUNK_FRAMES != 100)
            give(i);
    uint64_t before = whole_chunks();
    for (unsigned c = 0; c < CHUNKS / 2; c++) {
        give(c * CHUNK_FRAMES + 100);
        take(c * CHUNK_FRAMES + 100, FRAME_USER_ANONYMOUS);
    }
    assert_true(whole_chunks() >= before + CHUNKS / 2 - 2);
    audit();
}

/* What two CPUs do that give back the same frame at the same moment: both have seen that it is held. */
static void give_twice(uint64_t first)
{
    uint64_t index = frame_index_mapped(first);
    uint8_t record = frame_record(index);
    frame_host_enter(0);
    assert_int_equal(frame_free(pfn(first), 0), ERR_NONE);
    frame_set_record(index, record);
    frame_host_enter(1);
    assert_int_equal(frame_free(pfn(first), 0), ERR_NONE);
}

static void a_frame_given_back_twice_at_once_is_given_out_once(void **state)
{
    (void)state;
    struct frame_counts counts;
    static bool seen[FRAMES];
    for (unsigned i = 0; i < FRAMES; i++)
        take(i, FRAME_USER_ANONYMOUS);
    for (unsigned i = 0; i < 100; i++)
        give_twice(held[i * 100]);
    pfn_t first;
    unsigned got = 0;
    frame_host_enter(0);
    for (; frame_alloc(0, FRAME_USER_ANONYMOUS, &first) == ERR_NONE; got++) {
        unsigned place = (unsigned)(frame_index_mapped(first.value) - SECTION_FRAMES);
        assert_true(place < FRAMES && !seen[place]);
        seen[place] = true;
        frame_host_enter(got < 99 ? 0 : FRAME_CPUS - 1);
    }
    assert_int_equal(got, 100);
    frame_count(&counts);
    assert_int_equal(counts.damaged, 100);
}

#define LARGE_CHUNKS (336u + 800u)

/* Whole chunks, in an arena large enough for batches of 32, with a hole behind chunk 335. */
static void chunks_come_together_in_whatever_order_they_are_given_back(void **state)
{
    (void)state;
    struct memory_range ranges[] = {{pfn(0), {336 * CHUNK_FRAMES}}, {pfn(1 << 20), {800 * CHUNK_FRAMES}}};
    struct random random = {3};
    stop(NULL);
    model_boot(&model, (1 << 20) + 800 * CHUNK_FRAMES, ranges, 2, 1);
    for (unsigned round = 0; round < 5; round++) {
        pfn_t first;
        for (unsigned i = 0; i < LARGE_CHUNKS; i++) {
            assert_int_equal(frame_alloc(CHUNK_ORDER, FRAME_USER_ANONYMOUS, &first), ERR_NONE);
            held[i] = i < 336 ? i * CHUNK_FRAMES : (1 << 20) + (i - 336) * CHUNK_FRAMES;
        }
        for (unsigned i = LARGE_CHUNKS; round > 2 && i > 1; i--) {
            uint64_t k = random_below(&random, i), chunk = held[i - 1];
            held[i - 1] = held[k];
            held[k] = chunk;
        }
        for (unsigned i = 0; i < LARGE_CHUNKS; i++)
            assert_int_equal(frame_free(pfn(held[round == 1 ? LARGE_CHUNKS - 1 - i : i]), CHUNK_ORDER),
                             ERR_NONE);
        audit();
    }
    struct frame_counts counts;
    frame_drain();
    frame_count(&counts);
    /* 800 = 512 + 256 + 32, 336 = 256 + 64 + 16. */
    for (unsigned order = CHUNK_ORDER; order < FRAME_ORDERS; order++)
        assert_int_equal(counts.free_blocks[order], order == 18 ? 1
                                                    : order == 17
                                                        ? 2
                                                        : order == 15 || order == 14 || order == 13);
    audit();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_come_together_in_whatever_order_they_are_given_back),
        TEST(memory_freed_in_order_is_whole_again_without_a_drain),
        TEST(a_run_of_frees_can_end_at_any_frame),
        TEST(chunks_come_together_in_whatever_order_they_are_given_back),
        TEST(an_allocation_in_a_run_of_frees_gets_the_best_frame),
        TEST(the_frame_freed_last_is_used_again_first),
        TEST(a_frame_of_a_nearly_whole_chunk_goes_to_the_pool_at_once),
        TEST(a_frame_given_back_twice_at_once_is_given_out_once),
    };
    return cmocka_run_group_tests_name("frame_order", tests, NULL, NULL);
}
