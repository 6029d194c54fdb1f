/* Copies of memory objects and of whole tasks, whose pages are shared until somebody writes. */
#include "user/bin/utest/space.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/system.h"

#define PAGES  16
#define BYTES  (PAGES * PAGE_SIZE)
#define CHAIN  12
#define ROUNDS 1000

static bool fill(uint64_t where, uint64_t value)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        *word_at(where + i * PAGE_SIZE) = value + i;
    }
    return true;
}

static bool has(uint64_t where, uint64_t value)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        CHECK_EQUAL(*word_at(where + i * PAGE_SIZE), value + i);
    }
    return true;
}

static bool write_on_both_sides(void)
{
    const uint64_t other = FIELD + GIB;
    uint32_t memory, copy, access;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE));
    fill(FIELD, 100);
    CHECK_OK(sys_memory_clone(memory, 0, &copy));
    CHECK_OK(space_map(copy, 0, other, BYTES, READ_WRITE));
    CHECK(has(FIELD, 100) && has(other, 100));
    CHECK_EQUAL(page_state(memory, 0), MEMORY_PAGE_PRESENT | MEMORY_PAGE_SHARED);
    CHECK_EQUAL(leaf_of(startup->self, FIELD, &access), PAGE_SIZE);
    CHECK_EQUAL(access & WRITE, 0);
    *word_at(FIELD + 3 * PAGE_SIZE) = 1;
    *word_at(other + 4 * PAGE_SIZE) = 2;
    CHECK_EQUAL(*word_at(other + 3 * PAGE_SIZE), 103);
    CHECK_EQUAL(*word_at(FIELD + 4 * PAGE_SIZE), 104);
    CHECK_EQUAL(page_state(memory, 3 * PAGE_SIZE), MEMORY_PAGE_PRESENT);
    fill(FIELD, 200);
    fill(other, 300);
    CHECK(has(FIELD, 200) && has(other, 300));
    CHECK_OK(sys_memory_decommit(copy, 0, BYTES));
    CHECK(has(FIELD, 200));
    CHECK_EQUAL(*word_at(other), 0);
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(sys_handle_close(memory));
    CHECK_OK(space_unmap(other, 0));
    CHECK_OK(sys_handle_close(copy));
    return true;
}

static bool writes_to_a_copy_and_its_original_do_not_meet(void)
{
    return gives_all_back(write_on_both_sides, 20);
}

/* Each a copy of the one before, with one page changed; then the older ones go first. */
static bool chain_of_copies(void)
{
    uint32_t copies[CHAIN];
    CHECK_OK(sys_memory_create(0, BYTES, 0, &copies[0]));
    for (unsigned i = 0; i < CHAIN; i++) {
        uint64_t where = FIELD + i * GIB;
        if (i > 0) {
            CHECK_OK(sys_memory_clone(copies[i - 1], 0, &copies[i]));
        }
        CHECK_OK(space_map(copies[i], 0, where, BYTES, READ_WRITE));
        if (i == 0) {
            fill(where, 1000);
        } else {
            *word_at(where + i * PAGE_SIZE) = i;
        }
    }
    for (unsigned gone = 0; gone < CHAIN; gone++) {
        for (unsigned i = gone; i < CHAIN; i++) {
            for (uint64_t page = 0; page < PAGES; page++) {
                bool changed = page >= 1 && page <= i;
                CHECK_EQUAL(*word_at(FIELD + i * GIB + page * PAGE_SIZE), changed ? page : 1000 + page);
            }
        }
        CHECK_OK(space_unmap(FIELD + gone * GIB, 0));
        CHECK_OK(sys_handle_close(copies[gone]));
    }
    return true;
}

static bool chains_of_copies_outlive_their_beginning(void)
{
    return gives_all_back(chain_of_copies, 10);
}

/* --- tasks ---------------------------------------------------------------------------------------------- */

/* What the thread in a copied task and this one see both, at FIELD + 4 GiB. */
struct report {
    _Atomic uint64_t done;
    uint64_t seen[PAGES];
    uint64_t private;
};
#define REPORT ((struct report *)(FIELD + 4 * GIB))
#define HIDDEN (FIELD + 5 * GIB)

static uint64_t stack_of_copy[2048] __attribute__((aligned(16)));
static volatile uint64_t in_data = 5;

/* Runs in the copied task, which has no handles: tells what it sees, writes there, and ends. */
static void in_copy(uint64_t value)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        REPORT->seen[i] = *word_at(FIELD + i * PAGE_SIZE);
        *word_at(FIELD + i * PAGE_SIZE) = value + i;
    }
    REPORT->private = in_data;
    in_data = value;
    REPORT->done = value;
    for (;;) {
        sys_task_exit(in_data == value ? 3 : 4);
    }
}

static bool wait_for_end(uint32_t task, struct task_status *status)
{
    uint64_t deadline = clock_after(60 * SECOND);
    do {
        CHECK_OK(sys_task_status(task, status, sizeof *status));
    } while (status->state != TASK_ENDED && clock_now() < deadline && sys_thread_yield() == ERR_NONE);
    CHECK_EQUAL(status->state, TASK_ENDED);
    return true;
}

static bool run_copy(uint32_t task, uint64_t value)
{
    struct task_status status = {0};
    uint64_t number, top = (uint64_t)stack_of_copy + sizeof stack_of_copy - 8;
    CHECK_OK(sys_thread_start(task, (uint64_t)in_copy, top, value, &number));
    if (!wait_for_end(task, &status)) {
        return false;
    }
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 3);
    CHECK_EQUAL(REPORT->done, value);
    return true;
}

static bool clone_self(void)
{
    uint32_t memory, shared, hidden, task, access;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &shared));
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &hidden));
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE));
    CHECK_OK(space_map(shared, 0, (uint64_t)REPORT, PAGE_SIZE, READ_WRITE | MAP_MODE_SHARED));
    CHECK_OK(space_map(hidden, 0, HIDDEN, PAGE_SIZE, READ_WRITE | MAP_MODE_PRIVATE));
    *word_at(HIDDEN) = 1;
    fill(FIELD, 500);
    CHECK_OK(sys_task_clone(startup->self, 0, "copy", 4, &task));
    CHECK_EQUAL(leaf_of(task, HIDDEN, &access), 0);
    *word_at(FIELD) = 9; /* before the copy looks */
    CHECK(run_copy(task, 700));
    for (uint64_t i = 0; i < PAGES; i++) {
        CHECK_EQUAL(REPORT->seen[i], 500 + i);
        CHECK_EQUAL(*word_at(FIELD + i * PAGE_SIZE), i == 0 ? 9 : 500 + i);
    }
    CHECK_EQUAL(REPORT->private, 5);
    CHECK_EQUAL(in_data, 5);
    CHECK_OK(sys_handle_close(task));
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(space_unmap((uint64_t)REPORT, 0));
    CHECK_OK(space_unmap(HIDDEN, 0));
    CHECK_OK(sys_handle_close(memory));
    CHECK_OK(sys_handle_close(shared));
    CHECK_OK(sys_handle_close(hidden));
    return true;
}

static bool a_copied_task_has_its_own_memory_but_for_what_is_to_be_shared(void)
{
    return gives_all_back(clone_self, 10);
}

static bool a_copied_task_does_not_get_what_is_private(void)
{
    uint32_t memory, task;
    struct memory_mapping records[64];
    uint64_t bytes = 0, from = 0;
    bool found = false;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    CHECK_OK(space_map(memory, 0, HIDDEN, PAGE_SIZE, READ_WRITE | MAP_MODE_PRIVATE));
    CHECK_OK(sys_task_clone(startup->self, 0, "copy", 4, &task));
    do {
        CHECK_OK(sys_task_mappings(task, from, records, sizeof records, &bytes));
        for (uint64_t i = 0; i < bytes / sizeof records[0]; i++) {
            found |= records[i].start <= (uint64_t)stack_of_copy &&
                     records[i].start + records[i].bytes > (uint64_t)stack_of_copy;
            CHECK(records[i].start != HIDDEN);
            CHECK(records[i].start >= from);
            from = records[i].start + records[i].bytes;
        }
    } while (bytes > 0);
    CHECK(found);
    CHECK_OK(sys_handle_close(task));
    CHECK_OK(space_unmap(HIDDEN, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

/* Some pages change, the task is copied, the copy before goes. */
static bool fork_rounds(unsigned rounds, uint32_t *last, uint64_t *took)
{
    uint64_t began = clock_now();
    for (unsigned round = 0; round < rounds; round++) {
        uint32_t task;
        for (unsigned i = 0; i < 4; i++) {
            *word_at(FIELD + (round * 5 + i * 3) % PAGES * PAGE_SIZE) = round;
        }
        CHECK_OK(sys_task_clone(startup->self, 0, "copy", 4, &task));
        if (*last != 0) {
            CHECK_OK(sys_handle_close(*last));
        }
        *last = task;
    }
    *took = clock_now() - began;
    return true;
}

static uint64_t frames_free(void)
{
    struct system_frames frames;
    if (clock_sleep(100 * MILLISECOND) != ERR_NONE ||
        sys_system_control(startup->system, ACTION_DRAIN, 0) != ERR_NONE ||
        system_record(TOPIC_FRAMES, 0, &frames, sizeof frames) != ERR_NONE) {
        return 0;
    }
    return frames.free + frames.classes[8]; /* and metadata, which comes when it is needed */
}

/* The first hundred rounds are measured against the last, with some room for an emulated machine's moods:
 * what grows with each round would take ten times as long. */
static bool a_thousand_copies_of_copies_cost_no_more_than_the_first(void)
{
    uint32_t memory, last = 0;
    uint64_t first_took, took, late_took;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE));
    fill(FIELD, 0);
    CHECK(fork_rounds(ROUNDS / 20, &last, &took));
    CHECK(fork_rounds(ROUNDS / 10, &last, &first_took));
    uint64_t before = frames_free();
    CHECK(fork_rounds(ROUNDS - ROUNDS / 10, &last, &took));
    CHECK(fork_rounds(ROUNDS / 10, &last, &late_took));
    uint64_t after = frames_free();
    CHECK(after + 64 >= before);
    CHECK(late_took < 4 * first_took + 100 * MILLISECOND);
    CHECK_OK(sys_handle_close(last));
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool objects_that_are_not_ordinary_memory_are_not_copied(void)
{
    uint32_t memory, copy;
    CHECK_OK(sys_memory_device(startup->system, 0, 0xfee00000, PAGE_SIZE, MEMORY_CACHE_NONE, &memory));
    CHECK_ERROR(sys_memory_clone(memory, 0, &copy), ERR_UNSUPPORTED);
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static const struct test tests[] = {
    TEST(writes_to_a_copy_and_its_original_do_not_meet),
    TEST(chains_of_copies_outlive_their_beginning),
    TEST(a_copied_task_has_its_own_memory_but_for_what_is_to_be_shared),
    TEST(a_copied_task_does_not_get_what_is_private),
    TEST(a_thousand_copies_of_copies_cost_no_more_than_the_first),
    TEST(objects_that_are_not_ordinary_memory_are_not_copied),
};
const struct area area_clones = AREA("clones", tests);
