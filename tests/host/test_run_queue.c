/*
 * Run queues against a model that keeps everything in one array: the highest rank is next, first come first
 * served inside a rank, and what may move is found in the same order.
 */
#include "tests/host/host.h"

#include "kernel/sched/run_queue.h"
#include "tests/host/random.h"

#define ENTRIES 400

struct model_entry {
    struct run_entry entry;
    bool inside;
    int64_t order; /* lower is nearer to the front of its rank */
    unsigned home; /* for the search of what fits */
};

static struct run_queue queue;
static struct model_entry entries[ENTRIES];
static int64_t next_back, next_front;

static struct model_entry *of(struct run_entry *entry)
{
    return LIST_ENTRY(entry, struct model_entry, entry);
}

static bool fits_home(const struct run_entry *entry, const void *context)
{
    const struct model_entry *e = LIST_ENTRY(entry, const struct model_entry, entry);
    return e->home == *(const unsigned *)context;
}

/* The next one by the model; with `home`, only of what may move and fits. */
static struct model_entry *expected(const unsigned *home, uint32_t above)
{
    struct model_entry *best = NULL;
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct model_entry *e = &entries[i];
        bool counts =
            e->inside && e->entry.rank > above && (home == NULL || (e->entry.movable && e->home == *home));
        bool better = best == NULL || e->entry.rank > best->entry.rank ||
                      (e->entry.rank == best->entry.rank && e->order < best->order);
        best = counts && better ? e : best;
    }
    return best;
}

static void put(struct random *random, struct model_entry *e)
{
    /* Few ranks often, so that they have company, and all of them now and then. */
    uint32_t rank =
        random_below(random, 2) == 0 ? 60 + random_below(random, 8) : 1 + random_below(random, RANKS - 1);
    e->entry.rank = (uint16_t)rank;
    e->entry.movable = random_below(random, 2) == 0;
    e->home = (unsigned)random_below(random, 3);
    e->inside = true;
}

static void check(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ENTRIES; i++) {
        count += entries[i].inside;
    }
    struct model_entry *next = expected(NULL, 0);
    assert_int_equal(queue.count, count);
    assert_int_equal(run_queue_top(&queue), next != NULL ? next->entry.rank : 0);
    uint32_t movable = 0;
    for (unsigned i = 0; i < ENTRIES; i++) {
        struct model_entry *e = &entries[i];
        movable = e->inside && e->entry.movable && e->entry.rank > movable ? e->entry.rank : movable;
    }
    assert_int_equal(run_queue_movable_top(&queue), movable);
}

static void operations_agree_with_the_model(void **state)
{
    (void)state;
    struct random random = {7};
    run_queue_init(&queue);
    for (unsigned step = 0; step < 100000; step++) {
        struct model_entry *e = &entries[random_below(&random, ENTRIES)];
        uint64_t kind = random_below(&random, 8);
        if (kind == 1 && queue.count > 0 && !e->inside) {
            /* The running one has had its turn, and goes to the end of the highest rank. */
            struct model_entry *next = expected(NULL, 0);
            put(&random, e);
            e->entry.rank = next->entry.rank;
            e->order = ++next_back;
            assert_ptr_equal(of(run_queue_rotate(&queue, &e->entry)), next);
            next->inside = false;
        } else if (kind == 0 && queue.count > 0) {
            struct model_entry *next = expected(NULL, 0);
            struct model_entry *taken = of(run_queue_take(&queue));
            assert_ptr_equal(taken, next);
            taken->inside = false;
        } else if (e->inside) {
            run_queue_remove(&queue, &e->entry);
            e->inside = false;
        } else if (kind < 3) {
            put(&random, e);
            e->order = --next_front;
            run_queue_prepend(&queue, &e->entry);
        } else {
            put(&random, e);
            e->order = ++next_back;
            run_queue_append(&queue, &e->entry);
        }
        check();
    }
}

static void what_may_move_is_found_highest_first(void **state)
{
    (void)state;
    struct random random = {9};
    run_queue_init(&queue);
    memset(entries, 0, sizeof(entries));
    for (unsigned i = 0; i < ENTRIES; i++) {
        put(&random, &entries[i]);
        entries[i].order = ++next_back;
        run_queue_append(&queue, &entries[i].entry);
    }
    for (unsigned round = 0; round < 20000; round++) {
        unsigned home = (unsigned)random_below(&random, 3);
        uint32_t above = (uint32_t)random_below(&random, RANKS);
        struct run_entry *found = run_queue_find_movable(&queue, above, ENTRIES, fits_home, &home);
        assert_ptr_equal(found != NULL ? of(found) : NULL, expected(&home, above));
        if (found != NULL && round % 100 == 0) {
            run_queue_remove(&queue, found);
            of(found)->inside = false;
        }
    }
}

static void a_search_ends_after_so_many(void **state)
{
    (void)state;
    unsigned home = 1;
    run_queue_init(&queue);
    for (unsigned i = 0; i < 10; i++) {
        entries[i] = (struct model_entry){.home = i == 9, .entry.rank = 5, .entry.movable = true};
        run_queue_append(&queue, &entries[i].entry);
    }
    assert_null(run_queue_find_movable(&queue, 0, 9, fits_home, &home));
    assert_ptr_equal(of(run_queue_find_movable(&queue, 0, 10, fits_home, &home)), &entries[9]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_agree_with_the_model),
        cmocka_unit_test(what_may_move_is_found_highest_first),
        cmocka_unit_test(a_search_ends_after_so_many),
    };
    return cmocka_run_group_tests_name("run queues", tests, NULL, NULL);
}
