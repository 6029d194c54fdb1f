/* Shortage, and doing everything many times: after it all memory is back. */
#include "abi/system.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/libq/thread.h"

#define WARM_UP     20
#define TIMES       200
#define FAULTS      30 /* each is a line of the log */
#define SETTLE      (5 * SECOND)
#define EXHAUSTIBLE (2 * GIB)
#define SPARE       160 /* single pages that are given back one by one: a start needs up to 140 */
#define HOGS        512 /* what is left can be in many pieces */
#define PLACE       0x0000200000000000ull

/* Free, when the kernel has given back what it keeps for later. */
static uint64_t free_memory(void)
{
    struct system_memory memory;
    if (sys_system_control(startup->system, ACTION_DRAIN, 0) != ERR_NONE) {
        return 0;
    }
    return system_record(TOPIC_MEMORY, 0, &memory, sizeof memory) == ERR_NONE ? memory.free : 0;
}

/* Wait until as much memory is free as before: the last of an ended task may go a little later. */
static bool settles_at(uint64_t expected)
{
    uint64_t deadline = clock_after(SETTLE);
    while (free_memory() < expected && clock_now() < deadline) {
        CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND)));
    }
    CHECK_EQUAL(free_memory(), expected);
    return true;
}

/* Do it some times, so that all that is kept for reuse is there, then many times, and compare. */
static bool gives_all_memory_back(bool (*once)(void), unsigned times)
{
    for (unsigned i = 0; i < WARM_UP; i++) {
        if (!once()) {
            return false;
        }
    }
    CHECK_OK(sys_thread_sleep(clock_after(50 * MILLISECOND)));
    uint64_t before = free_memory();
    for (unsigned i = 0; i < times; i++) {
        if (!once()) {
            return false;
        }
    }
    return settles_at(before);
}

static bool run_to_its_end(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("utest", "exit", "5", &status));
    CHECK_EQUAL(status.status, 5);
    return true;
}

static bool run_into_a_fault(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("fault", "null", NULL, &status));
    CHECK_EQUAL(status.end, END_FAULT);
    return true;
}

static bool kill_it(void)
{
    struct child child;
    struct task_status status = {0};
    CHECK_OK(child_create(&child, "utest", "wait", ""));
    CHECK_OK(child_run(&child));
    sys_task_kill(child.process.task, 0);
    CHECK_OK(child_wait(&child, &status));
    child_discard(&child);
    return true;
}

static bool never_run(void)
{
    struct child child;
    CHECK_OK(child_create(&child, "utest", "exit", "0"));
    child_discard(&child);
    return true;
}

static void do_nothing(void *argument)
{
    (void)argument;
}

static bool run_a_thread(void)
{
    struct thread thread;
    CHECK_OK(thread_create(&thread, do_nothing, NULL));
    CHECK_OK(thread_join(&thread, clock_after(10 * SECOND)));
    return true;
}

static bool map_and_unmap(void)
{
    uint32_t memory;
    uint64_t where;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    for (uint64_t i = 1; i < 8; i++) {
        CHECK_OK(sys_memory_map(startup->self, memory, 0, PLACE + i * GIB, PAGE_SIZE, ACCESS_READ, &where));
    }
    for (uint64_t i = 1; i < 8; i++) {
        CHECK_OK(sys_memory_unmap(startup->self, PLACE + i * GIB, 0));
    }
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool tasks_that_end_give_all_their_memory_back(void)
{
    return gives_all_memory_back(run_to_its_end, TIMES);
}

static bool tasks_that_fault_give_all_their_memory_back(void)
{
    return gives_all_memory_back(run_into_a_fault, FAULTS);
}

static bool tasks_that_are_killed_give_all_their_memory_back(void)
{
    return gives_all_memory_back(kill_it, TIMES);
}

static bool tasks_that_never_ran_give_all_their_memory_back(void)
{
    return gives_all_memory_back(never_run, TIMES);
}

static bool threads_that_end_give_all_their_memory_back(void)
{
    return gives_all_memory_back(run_a_thread, TIMES);
}

static bool mappings_that_go_give_all_their_memory_back(void)
{
    return gives_all_memory_back(map_and_unmap, TIMES);
}

/* Memory that is held so that nobody else can have it. */
struct siege {
    uint32_t spare[SPARE];
    uint32_t hogs[HOGS];
    unsigned spares;
    unsigned count;
};

/* Take all memory: some single pages, then the largest blocks that are left, smaller and smaller. */
static bool siege_begin(struct siege *siege)
{
    *siege = (struct siege){0};
    for (; siege->spares < SPARE; siege->spares++) {
        CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &siege->spare[siege->spares]));
    }
    for (uint64_t bytes = EXHAUSTIBLE; bytes >= PAGE_SIZE && siege->count < HOGS;) {
        enum error error = sys_memory_create(0, bytes, 0, &siege->hogs[siege->count]);
        if (error == ERR_NONE) {
            siege->count++;
        } else {
            CHECK_ERROR(error, ERR_LIMIT);
            bytes /= 2;
        }
    }
    CHECK(siege->count < HOGS);
    return true;
}

static bool siege_end(struct siege *siege)
{
    while (siege->spares > 0) {
        CHECK_OK(sys_handle_close(siege->spare[--siege->spares]));
    }
    while (siege->count > 0) {
        CHECK_OK(sys_handle_close(siege->hogs[--siege->count]));
    }
    return true;
}

static bool take_all_and_give_back(void)
{
    static struct siege siege;
    uint32_t memory;
    if (!siege_begin(&siege)) {
        return false;
    }
    CHECK_ERROR(sys_memory_create(0, PAGE_SIZE, 0, &memory), ERR_LIMIT);
    return siege_end(&siege);
}

#define CHAIN 800

/* Tasks of which each holds the only handle to the one before: closing the last handle frees them all. */
static bool a_long_chain_of_tasks_goes_with_its_last_handle(void)
{
    uint32_t last = 0, next, copy;
    uint64_t before = 0;
    for (unsigned round = 0; round < 2; round++) {
        before = free_memory();
        for (unsigned i = 0; i < CHAIN; i++) {
            CHECK_OK(sys_task_create(0, "link", 4, &next));
            if (last != 0) {
                CHECK_OK(sys_handle_copy(next, last, RIGHT_ALL, &copy));
                CHECK_OK(sys_handle_close(last));
            }
            last = next;
        }
        CHECK_OK(sys_handle_close(last));
        last = 0;
    }
    return settles_at(before);
}

/* Once first, so that what the kernel keeps for reuse is there. */
static bool all_memory_can_be_taken_and_comes_back(void)
{
    if (free_memory() > EXHAUSTIBLE) {
        return test_skip("taking all memory of this machine would take too long");
    }
    if (!take_all_and_give_back()) {
        return false;
    }
    uint64_t before = free_memory();
    return take_all_and_give_back() && settles_at(before);
}

/* A start with 0, 1, 2... pages left: it fails cleanly, until it has enough. */
static bool a_start_without_memory_fails_and_takes_nothing(void)
{
    static struct siege siege;
    uint64_t before = free_memory();
    bool started = false;
    unsigned refused = 0;
    if (before > EXHAUSTIBLE) {
        return test_skip("taking all memory of this machine would take too long");
    }
    if (!siege_begin(&siege)) {
        return false;
    }
    while (!started) {
        struct child child;
        uint64_t left = free_memory();
        enum error error = child_create(&child, "utest", "exit", "0");
        started = error == ERR_NONE;
        if (started) {
            child_discard(&child);
        } else {
            CHECK_ERROR(error, ERR_LIMIT);
            refused++;
        }
        if (!settles_at(left)) {
            return false;
        }
        if (!started) {
            CHECK(siege.spares > 0);
            CHECK_OK(sys_handle_close(siege.spare[--siege.spares]));
        }
    }
    CHECK(refused > 0);
    return siege_end(&siege) && settles_at(before);
}

static const struct test tests[] = {
    TEST(tasks_that_end_give_all_their_memory_back),
    TEST(tasks_that_fault_give_all_their_memory_back),
    TEST(tasks_that_are_killed_give_all_their_memory_back),
    TEST(tasks_that_never_ran_give_all_their_memory_back),
    TEST(threads_that_end_give_all_their_memory_back),
    TEST(mappings_that_go_give_all_their_memory_back),
    TEST(a_long_chain_of_tasks_goes_with_its_last_handle),
    TEST(all_memory_can_be_taken_and_comes_back),
    TEST(a_start_without_memory_fails_and_takes_nothing),
};
const struct area area_pressure = AREA("pressure", tests);
