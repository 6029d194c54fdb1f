/*
 * Keeping the kernel's frames apart: random operations on several CPUs, with a watch that notes which chunks
 * it has been shown. At each step no chunk has frames of the kernel and of others; frames of the kernel lie
 * in chunks that are shown, all others in chunks that are not; and what is refused cannot be had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "tests/host/frame_host.h"
#include "tests/host/frame_model.h"
#include "tests/host/random.h"

#define CHUNK      512u
#define FRAMES     (24 * CHUNK)
#define CPUS       3
#define HELD       1500
#define STEPS      60000
#define KERNEL_END (20 * CHUNK) /* the kernel can use no frame from here on */

static bool shown[FRAMES / CHUNK], leaving[FRAMES / CHUNK];
static unsigned moves;

static void enter(pfn_t first, pages_t count)
{
    assert_true(first.value % CHUNK == 0 && count.value % CHUNK == 0);
    for (uint64_t c = first.value / CHUNK; c < (first.value + count.value) / CHUNK; c++) {
        assert_false(leaving[c]);
        shown[c] = true;
    }
    moves++;
}

static void leave(pfn_t first, pages_t count)
{
    assert_true(first.value % CHUNK == 0 && count.value % CHUNK == 0);
    for (uint64_t c = first.value / CHUNK; c < (first.value + count.value) / CHUNK; c++) {
        assert_true(shown[c]);
        shown[c] = false;
        leaving[c] = true;
    }
    moves++;
}

static void left(void)
{
    memset(leaving, 0, sizeof leaving);
}

static const struct frame_watch watch = {enter, leave, left};

static struct held_block held[HELD];
static unsigned held_count;
static struct frame_model model;

static bool is_kernels(enum frame_class class)
{
    return class <= FRAME_STACK;
}

static bool chunk_has(uint64_t chunk, bool kernels)
{
    for (uint64_t i = chunk * CHUNK; i < (chunk + 1) * CHUNK; i++)
        if (model.class[i] >= FRAME_KERNEL && model.class[i] < FRAME_BAD &&
            is_kernels(model.class[i]) == kernels)
            return true;
    return false;
}

static bool block_is_free(uint64_t first, unsigned order)
{
    for (uint64_t i = first; i < first + (1u << order); i++)
        if (model.class[i] != FRAME_FREE)
            return false;
    return true;
}

/* Is there a free block where the class may have it? */
static bool can_serve(unsigned order, enum frame_class class)
{
    for (uint64_t first = 0; first + (1u << order) <= FRAMES; first += 1u << order) {
        bool good = block_is_free(first, order) && (!is_kernels(class) || first < KERNEL_END);
        for (uint64_t c = first / CHUNK; good && c <= (first + (1u << order) - 1) / CHUNK; c++) {
            bool ragged =
                model.class[c * CHUNK] == FRAME_ABSENT || model.class[(c + 1) * CHUNK - 1] == FRAME_ABSENT;
            good = !chunk_has(c, !is_kernels(class)) && !(ragged && is_kernels(class));
        }
        if (good)
            return true;
    }
    return false;
}

static void check(void)
{
    const char *what;
    pfn_t where;
    struct frame_counts counts;
    if (!frame_audit(&what, &where))
        fail_msg("frame 0x%lx: %s", where.value, what);
    uint64_t spare = 0;
    for (uint64_t c = 0; c < FRAMES / CHUNK; c++) {
        bool kernels = chunk_has(c, true), others = chunk_has(c, false);
        assert_false(kernels && others);
        assert_true(!kernels || shown[c]);
        assert_true(!others || !shown[c]);
        assert_false(leaving[c]);
    }
    for (uint64_t i = 0; i < FRAMES; i++) {
        enum frame_class class = frame_class_of(pfn(i));
        spare += class == FRAME_SPARE;
        assert_true(class == model.class[i] || (class == FRAME_SPARE && model.class[i] == FRAME_FREE));
        assert_true(class != FRAME_SPARE || shown[i / CHUNK]);
        assert_int_equal(frame_is_kernels(pfn(i)), shown[i / CHUNK]);
    }
    frame_count(&counts);
    assert_int_equal(counts.free, model.free);
    assert_int_equal(counts.classes[FRAME_SPARE], spare);
    assert_int_equal(counts.classes[FRAME_FREE], model.free - spare);
    model_survey(FRAMES);
}

static void take(struct random *random)
{
    static const enum frame_class classes[] = {FRAME_KERNEL, FRAME_PAGE_TABLE, FRAME_USER_ANONYMOUS,
                                               FRAME_USER_SHARED, FRAME_DEVICE};
    unsigned order =
        random_below(random, 8) ? (unsigned)random_below(random, 4) : (unsigned)random_below(random, 12);
    enum frame_class class = classes[random_below(random, 5)];
    pfn_t first;
    enum error error =
        random_below(random, 20)
            ? frame_alloc(order, class, &first)
            : frame_alloc_within(order, class, pfn(random_below(random, FRAMES)), pfn(FRAMES), &first);
    if (error == ERR_NONE) {
        held[held_count] = (struct held_block){first.value, order, class};
        assert_true(!is_kernels(class) || first.value + (1u << order) <= KERNEL_END);
        model_take(&model, held[held_count++]);
    } else if (random_below(random, 50) == 0) {
        assert_int_equal(error, ERR_NO_MEMORY);
        assert_int_equal(frame_alloc(order, class, &first),
                         can_serve(order, class) ? ERR_NONE : ERR_NO_MEMORY);
        if (can_serve(order, class))
            assert_int_equal(frame_free(first, order), ERR_NONE);
    }
}

static void give(struct random *random)
{
    unsigned k = (unsigned)random_below(random, held_count);
    assert_int_equal(frame_free(pfn(held[k].first), held[k].order), ERR_NONE);
    model_give(&model, held[k]);
    held[k] = held[--held_count];
}

static void start(const struct memory_range *ram, size_t count)
{
    memset(shown, 0, sizeof shown);
    held_count = 0;
    model_boot(&model, FRAMES, ram, count, CPUS);
    frame_keep_apart(&watch, pfn(KERNEL_END));
}

static void no_chunk_is_shared_and_each_is_shown_while_it_is_the_kernels(void **state)
{
    (void)state;
    static const struct memory_range rams[][2] = {
        {{{0}, {FRAMES}}}, {{{100}, {5 * CHUNK}}, {{6 * CHUNK + 7}, {FRAMES - 8 * CHUNK}}}};
    for (unsigned round = 0; round < 4; round++) {
        struct random random = {round + 1};
        start(rams[round % 2], 1 + round % 2);
        for (unsigned step = 0; step < STEPS; step++) {
            frame_host_enter((unsigned)random_below(&random, CPUS));
            unsigned lean = step / 4000 % 2 ? 35 : 65;
            if (held_count < HELD && (held_count == 0 || random_below(&random, 100) < lean))
                take(&random);
            else
                give(&random);
            if (step % 500 == 0)
                check();
            if (random_below(&random, 300) == 0)
                frame_tidy();
        }
        while (held_count > 0)
            give(&random);
        frame_drain();
        for (uint64_t c = 0; c < FRAMES / CHUNK; c++)
            assert_false(shown[c]);
        check();
        assert_true(moves > 50);
        model_end(&model);
    }
}

static void everything_goes_to_whoever_asks_when_nobody_else_has_any(void **state)
{
    (void)state;
    static const struct memory_range ram = {{0}, {FRAMES}};
    start(&ram, 1);
    for (unsigned round = 0; round < 4; round++) {
        enum frame_class class = round % 2 ? FRAME_USER_ANONYMOUS : FRAME_KERNEL;
        uint64_t most = round % 2 ? FRAMES : KERNEL_END, count = 0;
        static pfn_t got[FRAMES];
        while (count < most && frame_alloc(0, class, &got[count]) == ERR_NONE)
            count++;
        assert_int_equal(count, most);
        pfn_t none;
        assert_int_equal(frame_alloc(0, class, &none), ERR_NO_MEMORY);
        while (count-- > 0)
            assert_int_equal(frame_free(got[count], 0), ERR_NONE);
    }
    model_end(&model);
}

static void what_is_reserved_is_given_back_as_such_only(void **state)
{
    (void)state;
    static const struct memory_range ram = {{0}, {FRAMES}};
    start(&ram, 1);
    assert_int_equal(frame_take(pfn(5), (pages_t){20}, FRAME_RESERVED), ERR_NONE);
    assert_int_equal(frame_free(pfn(5), 0), ERR_BAD_FREE);
    assert_int_equal(frame_free_run(pfn(5), (pages_t){20}), ERR_BAD_FREE);
    assert_int_equal(frame_unreserve(pfn(4), (pages_t){21}), ERR_BAD_FREE);
    assert_int_equal(frame_take(pfn(30), (pages_t){1}, FRAME_KERNEL), ERR_NOT_READY);
    assert_int_equal(frame_unreserve(pfn(5), (pages_t){20}), ERR_NONE);
    assert_int_equal(frame_unreserve(pfn(5), (pages_t){20}), ERR_BAD_FREE);
    assert_int_equal(frame_take(pfn(30), (pages_t){1}, FRAME_KERNEL), ERR_NONE);
    assert_int_equal(frame_free(pfn(30), 0), ERR_NONE);
    check();
    model_end(&model);
}

static pfn_t kept[64];
static unsigned kept_count;

static enum frame_gift give_kept(unsigned asked)
{
    (void)asked;
    bool any = kept_count > 0;
    while (kept_count > 0)
        assert_int_equal(frame_free(kept[--kept_count], 0), ERR_NONE);
    return any ? FRAME_GIFT_MADE : FRAME_GIFT_NONE;
}

static void what_is_kept_is_given_back_before_a_request_is_refused(void **state)
{
    (void)state;
    static const struct memory_range ram = {{0}, {FRAMES}};
    start(&ram, 1);
    frame_ask_before_refusing(give_kept);
    for (; kept_count < 64; kept_count++)
        assert_int_equal(frame_alloc(0, FRAME_USER_ANONYMOUS, &kept[kept_count]), ERR_NONE);
    static pfn_t got[FRAMES];
    uint64_t count = 0;
    while (frame_alloc(0, FRAME_USER_ANONYMOUS, &got[count]) == ERR_NONE)
        count++;
    assert_int_equal(count, FRAMES);
    assert_int_equal(kept_count, 0);
    model_end(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_chunk_is_shared_and_each_is_shown_while_it_is_the_kernels),
        cmocka_unit_test(everything_goes_to_whoever_asks_when_nobody_else_has_any),
        cmocka_unit_test(what_is_reserved_is_given_back_as_such_only),
        cmocka_unit_test(what_is_kept_is_given_back_before_a_request_is_refused),
    };
    return cmocka_run_group_tests_name("frame_apart", tests, NULL, NULL);
}
