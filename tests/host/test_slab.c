/* The kernel's heap on the host: random work against a model, shortage, shapes, counts, and misuse. */
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/slab_state.h"
#include "tests/host/frame_host.h"
#include "tests/host/heap_model.h"
#include "tests/host/host.h"

#define SEEDS 4
#define STEPS 60000

static struct slab_cache things = SLAB_CACHE("thing", 200, 8);

static int start(void **state)
{
    (void)state;
    model_start();
    return 0;
}

static void random_work_of_all_cpus_keeps_contents_and_books(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        model_work(seed, STEPS);
        model_end();
    }
    uint64_t before = model_frames_free();
    model_work(SEEDS + 1, STEPS);
    model_end();
    assert_int_equal(model_frames_free(), before);
}

/* Take the same row of objects again and again, with one more frame allocation that succeeds each time, until
 * all of them do. */
static void every_frame_allocation_may_fail(void **state)
{
    (void)state;
    heap_drain();
    uint64_t before = model_frames_free(), allowed = 0;
    bool whole = false;
    for (; !whole; allowed++) {
        struct random random = {99};
        model_fail_after(allowed);
        whole = true;
        for (unsigned i = 0; i < 300 && whole; i++) {
            frame_host_enter(i % MODEL_CPUS);
            whole = model_take(&random);
        }
        model_check();
        model_fail_after(UINT64_MAX);
        model_end();
        assert_int_equal(model_frames_free(), before);
    }
    assert_true(allowed > 50);
}

static void a_refused_allocation_changes_nothing(void **state)
{
    (void)state;
    uint64_t bytes, frames, bytes_then, frames_then;
    heap_drain();
    heap_count(&bytes, &frames);
    model_fail_after(0);
    for (size_t size = 1; size < 300000; size += 1 + size / 7) {
        assert_null(heap_alloc(size));
        assert_null(heap_alloc_zeroed(size));
    }
    assert_null(slab_alloc(&things));
    assert_null(slab_alloc_zeroed(&things));
    model_fail_after(UINT64_MAX);
    heap_count(&bytes_then, &frames_then);
    assert_int_equal(bytes_then, bytes);
    assert_int_equal(frames_then, frames);
    assert_null(heap_alloc(SIZE_MAX));
    assert_null(heap_alloc((size_t)1 << 52));
    model_check();
}

static void all_memory_can_be_had_and_comes_back(void **state)
{
    (void)state;
    static void *objects[MODEL_FRAMES * 64];
    static const size_t sizes[] = {64, 200, 1000, 3000, 4096, 5000, 9000, 12288, 100000};
    heap_drain();
    uint64_t before = model_frames_free();
    for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        unsigned count = 0;
        while (count < MODEL_FRAMES * 64 && (objects[count] = heap_alloc(sizes[k])) != NULL) {
            frame_host_enter(count++ % MODEL_CPUS);
        }
        assert_true(count < MODEL_FRAMES * 64);
        assert_true(sizes[k] * count > MODEL_FRAMES * PAGE_SIZE * 7 / 10);
        struct heap_fault fault;
        assert_true(heap_audit(&fault));
        while (count > 0) {
            frame_host_enter((count * 7) % MODEL_CPUS);
            heap_free(objects[--count], sizes[k]);
        }
        heap_drain();
        assert_int_equal(model_frames_free(), before);
    }
}

/* An object of one CPU's magazine is found before another CPU is refused. */
static void what_other_cpus_have_at_hand_is_found(void **state)
{
    (void)state;
    heap_drain();
    frame_host_enter(1);
    void *object = slab_alloc(&things);
    void *own = slab_alloc(&things);
    slab_free(&things, object);
    frame_host_enter(2);
    model_fail_after(0);
    void *found = slab_alloc(&things);
    assert_non_null(found);
    model_fail_after(UINT64_MAX);
    slab_free(&things, found);
    slab_free(&things, own);
    model_check();
}

/* Who wants frames and is refused gets what the heap does not need. */
static void the_heap_gives_back_when_others_are_short(void **state)
{
    (void)state;
    static pfn_t taken[MODEL_FRAMES];
    void *objects[500];
    heap_drain();
    uint64_t before = model_frames_free();
    frame_host_enter(1);
    for (unsigned i = 0; i < 500; i++) {
        objects[i] = slab_alloc(&things);
    }
    for (unsigned i = 0; i < 500; i++) {
        slab_free(&things, objects[i]);
    }
    assert_true(model_frames_free() < before);
    frame_ask_before_refusing(heap_give_back);
    frame_host_enter(2);
    assert_int_equal(frame_alloc_batch(0, FRAME_USER_ANONYMOUS, taken, MODEL_FRAMES), before);
    assert_null(slab_alloc(&things)); /* from inside the heap it does not help, and does no harm */
    assert_int_equal(frame_free_batch(0, taken, before), before);
    frame_ask_before_refusing(NULL);
    model_check();
}

static void counts_of(const char *name, struct system_slab *counts)
{
    for (uint64_t i = 0; heap_describe(i, counts); i++) {
        if (strcmp(counts->name, name) == 0) {
            return;
        }
    }
    fail_msg("there is no cache '%s'", name);
}

/* Of as many objects of this size as fill some slabs, how many bytes are taken. */
static void check_waste(size_t bytes)
{
    void *objects[600];
    uint64_t bytes_then, frames_before, frames;
    heap_drain();
    heap_count(&bytes_then, &frames_before);
    unsigned count = bytes < 4096 ? 600 : 40;
    for (unsigned i = 0; i < count; i++) {
        objects[i] = heap_alloc(bytes);
        assert_non_null(objects[i]);
    }
    heap_drain();
    heap_count(&bytes_then, &frames);
    uint64_t taken = (frames - frames_before) * PAGE_SIZE;
    uint64_t last = 0; /* the last slab need not be full */
    struct system_slab counts;
    for (uint64_t i = 2; heap_describe(i, &counts); i++) {
        if (counts.in_use == count && strcmp(counts.name, "large object") != 0) {
            last = counts.frames / counts.slabs * PAGE_SIZE;
        }
        if (strcmp(counts.name, "large object") == 0) {
            taken -= counts.frames * PAGE_SIZE;
        }
    }
    if ((taken - last) * 3 > bytes * count * 4) {
        fail_msg("%u objects of %zu bytes take %lu", count, bytes, taken);
    }
    for (unsigned i = 0; i < count; i++) {
        heap_free(objects[i], bytes);
    }
}

static void no_size_wastes_more_than_a_quarter(void **state)
{
    (void)state;
    frame_host_enter(0);
    for (size_t bytes = 19; bytes < 100000; bytes += bytes < 400 ? 1 : 1 + bytes / 200) {
        check_waste(bytes);
    }
    static const size_t edges[] = {513,  641,  1025, 1281, 2049,  2561,  3072,  3073,
                                   4097, 5121, 6145, 8193, 10241, 12289, 16385, 20481};
    for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        check_waste(edges[i]);
    }
}

static void slabs_begin_at_different_lines(void **state)
{
    (void)state;
    void *objects[400];
    uint64_t lines = 0;
    frame_host_enter(0);
    for (unsigned i = 0; i < 400; i++) {
        objects[i] = slab_alloc(&things);
        const struct slab *slab = slab_of(&things, objects[i]);
        lines |= (uint64_t)1 << (slab->first & 0xfff) / 64;
    }
    assert_true(things.colours > 1);
    assert_int_equal(__builtin_popcountll(lines), things.colours);
    for (unsigned i = 0; i < 400; i++) {
        slab_free(&things, objects[i]);
    }
}

static void counts_tell_of_hits_and_misses(void **state)
{
    (void)state;
    struct system_slab before, after;
    frame_host_enter(0);
    void *object = slab_alloc(&things);
    slab_free(&things, object);
    counts_of("thing", &before);
    for (unsigned i = 0; i < 1000; i++) {
        object = slab_alloc(&things);
        slab_free(&things, object);
    }
    counts_of("thing", &after);
    assert_int_equal(after.hits - before.hits, 2000);
    assert_int_equal(after.misses, before.misses);
    assert_int_equal(after.in_use, 0);
}

/* What one CPU takes another one gives back: whole magazines go from one to the other, without the slabs. */
static void magazines_travel_between_cpus(void **state)
{
    (void)state;
    struct system_slab before, after;
    void *objects[200];
    for (unsigned round = 0; round < 100; round++) {
        if (round == 10) {
            counts_of("thing", &before);
        }
        frame_host_enter(1);
        for (unsigned i = 0; i < 60; i++) {
            objects[i] = slab_alloc(&things);
        }
        frame_host_enter(2);
        for (unsigned i = 0; i < 60; i++) {
            slab_free(&things, objects[i]);
        }
    }
    counts_of("thing", &after);
    assert_true(after.misses - before.misses < 100 * 60 * 2 / 10);
    assert_int_equal(after.slabs, before.slabs);
    model_check();
}

static void caches_are_made_and_taken_apart(void **state)
{
    (void)state;
    static struct slab_cache *made[2 * SLAB_HANDS];
    void *objects[2 * SLAB_HANDS];
    heap_drain();
    frame_host_enter(3);
    uint64_t before = model_frames_free();
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2 * SLAB_HANDS; i++) { /* more than CPUs have hands for */
            assert_int_equal(slab_cache_make("made", 100 + i, 8, &made[i]), ERR_NONE);
            objects[i] = slab_alloc(made[i]);
            assert_non_null(objects[i]);
        }
        struct heap_fault fault;
        assert_true(heap_audit(&fault));
        for (unsigned i = 0; i < 2 * SLAB_HANDS; i++) {
            slab_free(made[i], objects[i]);
            slab_cache_destroy(made[i]);
        }
        assert_true(heap_audit(&fault));
    }
    heap_drain();
    assert_int_equal(model_frames_free(), before);
    assert_int_equal(slab_cache_make("none", 0, 8, &made[0]), ERR_BAD_ARGUMENT);
    assert_int_equal(slab_cache_make("huge", SLAB_BYTES_MOST + 1, 8, &made[0]), ERR_BAD_ARGUMENT);
    assert_int_equal(slab_cache_make("odd", 100, 24, &made[0]), ERR_BAD_ARGUMENT);
    model_fail_after(0);
    assert_int_equal(slab_cache_make("short", 100, 8, &made[0]), ERR_NO_MEMORY);
    model_fail_after(UINT64_MAX);
    model_check();
}

static void every_shape_of_cache_works(void **state)
{
    (void)state;
    for (size_t alignment = 1; alignment <= SLAB_ALIGNMENT_MOST; alignment *= 4) {
        for (size_t bytes = 1; bytes <= SLAB_BYTES_MOST; bytes += 1 + bytes / 3) {
            struct slab_cache *cache;
            void *objects[40];
            assert_int_equal(slab_cache_make("shape", bytes, alignment, &cache), ERR_NONE);
            for (unsigned i = 0; i < 40; i++) {
                objects[i] = slab_alloc(cache);
                assert_non_null(objects[i]);
                assert_int_equal((uintptr_t)objects[i] % alignment, 0);
                memset(objects[i], (int)i, bytes);
            }
            for (unsigned i = 0; i < 40; i++) {
                assert_int_equal(*(unsigned char *)objects[i], i);
                slab_free(cache, objects[i]);
            }
            slab_cache_destroy(cache);
        }
    }
    model_check();
}

/* --- misuse --- */

static void twice_at_once(void)
{
    void *object = slab_alloc(&things);
    slab_free(&things, object);
    slab_free(&things, object);
}

static void twice_on_two_cpus(void)
{
    void *object = heap_alloc(100);
    heap_free(object, 100);
    frame_host_enter(2);
    heap_free(object, 100);
}

static void twice_after_others(void)
{
    void *objects[300];
    for (unsigned i = 0; i < 300; i++) {
        objects[i] = slab_alloc(&things);
    }
    for (unsigned i = 0; i < 300; i++) {
        slab_free(&things, objects[i]);
    }
    slab_free(&things, objects[290]);
}

/* Its user has written to the object meanwhile, so it does not look free: its slab knows. */
static void twice_and_written(void)
{
    uint64_t *object = slab_alloc(&things);
    void *other = slab_alloc(&things); /* the slab stays */
    slab_free(&things, object);
    heap_drain();
    *object = 1;
    slab_free(&things, object);
    slab_free(&things, other);
    heap_drain();
}

static void wrong_size(void)
{
    heap_free(heap_alloc(100), 200);
}

static void wrong_cache(void)
{
    slab_free(&things, heap_alloc(200));
}

static void inside(void)
{
    slab_free(&things, (char *)slab_alloc(&things) + 8);
}

static void header(void)
{
    char *object = heap_alloc(100);
    heap_free(object - ((uintptr_t)object & 0xfff), 100);
}

static void large_wrong_size(void)
{
    heap_free(heap_alloc(50000), 49999);
}

static void large_as_small(void)
{
    heap_free(heap_alloc_zeroed(50000), 100);
}

static void small_as_large(void)
{
    heap_free(heap_alloc(100), 50000);
}

static void large_twice(void)
{
    void *object = heap_alloc(50000);
    heap_free(object, 50000);
    heap_free(object, 50000);
}

static void frame_of_others(void)
{
    pfn_t frame;
    if (frame_alloc(0, FRAME_USER_ANONYMOUS, &frame) == ERR_NONE) {
        heap_free(aperture_at(pfn_to_paddr(frame)), 20000);
    }
}

/* What is no RAM at all; nothing is read there. */
static void outside_of_memory(void)
{
    heap_free((void *)(uintptr_t)0x123456789000, 20000);
}

static void destroyed_in_use(void)
{
    struct slab_cache *cache;
    if (slab_cache_make("used", 64, 8, &cache) == ERR_NONE && slab_alloc(cache) != NULL) {
        slab_cache_destroy(cache);
    }
}

static void misuse_is_told(void **state)
{
    (void)state;
    frame_host_enter(0);
    expect_panic(twice_at_once, "'thing' 0x");
    expect_panic(twice_at_once, "of 200 bytes is given back a second time");
    expect_panic(twice_on_two_cpus, "'112 bytes' 0x");
    expect_panic(twice_after_others, "is given back a second time");
    expect_panic(twice_and_written, "is given back a second time");
    expect_panic(wrong_size, "given back to '224 bytes', is no object of it: it is one of '112 bytes'");
    expect_panic(wrong_cache, "given back to 'thing', is no object of it: it is one of '224 bytes'");
    expect_panic(inside, "is no object of it: it is byte 8 of the object 0x");
    expect_panic(header, "it lies in a slab of '112 bytes', but in no object");
    expect_panic(large_wrong_size, "'large' 0x");
    expect_panic(large_wrong_size, "of 50000 bytes is given back as one of 49999 bytes");
    expect_panic(large_as_small, "it is byte 0 of the large object 0x");
    expect_panic(small_as_large, "given back to 'large', is no object of it: it is one of '112 bytes'");
    expect_panic(large_twice, "given back to 'large', is no object of it: its frame is free");
    expect_panic(frame_of_others, "is no object of it: its frame is held as 'user'");
    expect_panic(outside_of_memory, "is no object of it: its frame is no RAM");
    expect_panic(destroyed_in_use, "'used' ends with 1 objects in use");
}

/* An object whose first word happens to be the mark of a free one is given back like any other. */
static void the_mark_of_a_free_object_may_be_a_users_number(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        uint64_t *object = slab_alloc(&things);
        *object = slab_of(&things, object)->mark;
        slab_free(&things, object);
    }
    model_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_work_of_all_cpus_keeps_contents_and_books),
        cmocka_unit_test(every_frame_allocation_may_fail),
        cmocka_unit_test(a_refused_allocation_changes_nothing),
        cmocka_unit_test(all_memory_can_be_had_and_comes_back),
        cmocka_unit_test(what_other_cpus_have_at_hand_is_found),
        cmocka_unit_test(the_heap_gives_back_when_others_are_short),
        cmocka_unit_test(no_size_wastes_more_than_a_quarter),
        cmocka_unit_test(slabs_begin_at_different_lines),
        cmocka_unit_test(counts_tell_of_hits_and_misses),
        cmocka_unit_test(magazines_travel_between_cpus),
        cmocka_unit_test(caches_are_made_and_taken_apart),
        cmocka_unit_test(every_shape_of_cache_works),
        cmocka_unit_test(misuse_is_told),
        cmocka_unit_test(the_mark_of_a_free_object_may_be_a_users_number),
    };
    return cmocka_run_group_tests_name("slab", tests, start, NULL);
}
