/* Calls on threads: priorities, suspending, joining, killing, permits, budgets, CPUs. */
#include <stdatomic.h>

#include "abi/system.h"
#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"
#include "user/libq/thread.h"

#define LONG    (30 * SECOND)
#define STORM   40
#define DEFAULT 128

static _Atomic bool stop;

static void count_on(void *argument)
{
    while (!stop) {
        atomic_fetch_add((_Atomic uint64_t *)argument, 1);
    }
}

static bool comes(_Atomic uint64_t *word, uint64_t least)
{
    uint64_t deadline = clock_after(LONG);
    while (*word < least && clock_now() < deadline) {
        clock_sleep(MILLISECOND);
    }
    return *word >= least;
}

static bool a_join_tells_how_the_thread_ended(void)
{
    struct thread thread;
    uint64_t end;
    _Atomic uint64_t count = 0;
    stop = false;
    CHECK_OK(thread_create(&thread, count_on, &count));
    CHECK(comes(&count, 1));
    CHECK_ERROR(sys_thread_join(thread.handle, 0, &end), ERR_TIMED_OUT);
    CHECK_ERROR(sys_thread_join(thread.handle, clock_after(3 * MILLISECOND), &end), ERR_TIMED_OUT);
    CHECK_OK(sys_thread_kill(thread.handle, 77));
    CHECK_OK(sys_thread_join(thread.handle, clock_after(LONG), &end));
    CHECK_EQUAL(end, (uint64_t)END_KILLED << 32 | 77);
    CHECK_OK(sys_thread_kill(thread.handle, 78)); /* it has its end already */
    CHECK_OK(sys_thread_join(thread.handle, 0, &end));
    CHECK_EQUAL(end, (uint64_t)END_KILLED << 32 | 77);
    CHECK_ERROR(sys_thread_suspend(thread.handle), ERR_DEAD);
    CHECK_OK(thread_join(&thread, 0));
    return true;
}

static void quit(void *argument)
{
    sys_thread_quit((uint32_t)(uint64_t)argument);
}

static bool a_thread_ends_with_the_status_that_it_gives(void)
{
    struct thread thread;
    uint64_t end;
    CHECK_OK(thread_create(&thread, quit, (void *)4711));
    CHECK_OK(sys_thread_join(thread.handle, clock_after(LONG), &end));
    CHECK_EQUAL(end, (uint64_t)END_EXIT << 32 | 4711);
    CHECK_OK(thread_join(&thread, 0));
    return true;
}

static bool nobody_joins_itself(void)
{
    uint32_t self;
    uint64_t end;
    CHECK_OK(sys_thread_self(&self));
    CHECK_ERROR(sys_thread_join(self, DEADLINE_NEVER, &end), ERR_BAD_ARGUMENT);
    CHECK_OK(sys_handle_close(self));
    return true;
}

static bool a_suspended_thread_does_nothing_until_it_is_resumed_as_often(void)
{
    struct thread thread;
    _Atomic uint64_t count = 0;
    stop = false;
    CHECK_OK(thread_create(&thread, count_on, &count));
    for (unsigned round = 0; round < 20; round++) {
        CHECK(comes(&count, count + 1));
        CHECK_OK(sys_thread_suspend(thread.handle));
        uint64_t then = count; /* at once: it runs nothing more */
        CHECK_OK(sys_thread_suspend(thread.handle));
        CHECK_OK(sys_thread_resume(thread.handle));
        CHECK_OK(clock_sleep(2 * MILLISECOND));
        CHECK_EQUAL(count, then);
        CHECK_OK(sys_thread_resume(thread.handle));
    }
    CHECK_ERROR(sys_thread_resume(thread.handle), ERR_BAD_ARGUMENT);
    stop = true;
    CHECK_OK(thread_join(&thread, clock_after(LONG)));
    return true;
}

static bool a_thread_made_suspended_runs_when_it_is_resumed(void)
{
    struct thread thread;
    _Atomic uint64_t count = 0;
    stop = false;
    CHECK_OK(thread_prepare(&thread, count_on, &count));
    CHECK_OK(clock_sleep(5 * MILLISECOND));
    CHECK_EQUAL(count, 0);
    CHECK_OK(sys_thread_resume(thread.handle));
    CHECK(comes(&count, 1));
    stop = true;
    CHECK_OK(thread_join(&thread, clock_after(LONG)));
    return true;
}

static void wait_for_ever(void *argument)
{
    uint64_t bits;
    sys_notification_wait(*(uint32_t *)argument, 1, DEADLINE_NEVER, &bits);
    atomic_store(&stop, true);
}

/* A kill finds a thread in each state: not yet run, suspended, waiting, running, parked, sleeping. */
static bool a_kill_ends_a_thread_in_whatever_state_it_is(void)
{
    struct thread threads[4];
    uint32_t notification;
    _Atomic uint64_t count = 0;
    stop = false;
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(thread_prepare(&threads[0], count_on, &count));
    CHECK_OK(thread_create(&threads[1], count_on, &count));
    CHECK_OK(thread_create(&threads[2], wait_for_ever, &notification));
    CHECK_OK(thread_create(&threads[3], count_on, &count));
    CHECK(comes(&count, 1));
    CHECK_OK(clock_sleep(5 * MILLISECOND));
    CHECK_OK(sys_thread_suspend(threads[3].handle));
    CHECK_OK(sys_thread_suspend(threads[2].handle));
    for (unsigned i = 0; i < 4; i++) {
        CHECK_OK(sys_thread_kill(threads[i].handle, i));
    }
    for (unsigned i = 0; i < 4; i++) {
        CHECK_OK(thread_join(&threads[i], clock_after(LONG)));
    }
    CHECK(!stop);
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static void sleep_and_yield(void *argument)
{
    for (unsigned i = 0;; i++) {
        atomic_fetch_add((_Atomic uint64_t *)argument, 1);
        if (i % 3 == 0) {
            clock_sleep(100 * MICROSECOND);
        } else {
            sys_thread_yield();
        }
    }
}

static bool storms_of_kills_suspensions_and_moves_leave_nobody_behind(void)
{
    static struct thread threads[STORM];
    static _Atomic uint64_t count;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < STORM; i++) {
            CHECK_OK(thread_create(&threads[i], i % 2 == 0 ? sleep_and_yield : count_on, &count));
        }
        stop = false;
        for (unsigned i = 0; i < STORM; i++) {
            uint8_t cpus[32] = {(uint8_t)(1 << i % 4 | 1)};
            CHECK_OK(sys_thread_suspend(threads[i].handle));
            CHECK_OK(sys_thread_cpus(threads[i].handle, cpus, sizeof cpus));
            CHECK_OK(sys_thread_priority(threads[i].handle, DEFAULT - i % 3));
            CHECK_OK(sys_thread_resume(threads[i].handle));
        }
        for (unsigned i = 0; i < STORM; i++) {
            CHECK_OK(sys_thread_kill(threads[STORM - 1 - i].handle, 0));
        }
        for (unsigned i = 0; i < STORM; i++) {
            CHECK_OK(thread_join(&threads[i], clock_after(LONG)));
        }
    }
    return true;
}

/* On one CPU: nobody who is lower gets there while the caller computes. */
static bool a_lower_thread_waits_for_a_higher_one(void)
{
    struct thread low;
    uint32_t self;
    _Atomic uint64_t count = 0;
    stop = false;
    CHECK_OK(sys_thread_affinity(0));
    CHECK_OK(sys_thread_self(&self));
    CHECK_OK(thread_prepare(&low, count_on, &count));
    uint8_t first_cpu[32] = {1};
    CHECK_OK(sys_thread_cpus(low.handle, first_cpu, sizeof first_cpu));
    CHECK_OK(sys_thread_priority(low.handle, DEFAULT - 10));
    CHECK_OK(sys_thread_resume(low.handle));
    uint64_t until = clock_after(30 * MILLISECOND);
    while (clock_now() < until) {
        sys_thread_yield();
    }
    uint64_t starved = count;
    CHECK_OK(sys_thread_priority(self, DEFAULT + 20));
    CHECK_OK(clock_sleep(5 * MILLISECOND)); /* only now it has the CPU */
    CHECK(count > 0);
    stop = true;
    CHECK_OK(thread_join(&low, clock_after(LONG)));
    CHECK_OK(sys_thread_priority(self, DEFAULT));
    CHECK_OK(sys_handle_close(self));
    CHECK_OK(sys_thread_affinity(~0ull));
    CHECK_EQUAL(starved, 0);
    return true;
}

static bool priorities_above_the_ceiling_are_refused(void)
{
    uint32_t self;
    uint32_t task;
    CHECK_OK(sys_thread_self(&self));
    CHECK_OK(sys_task_create(0, "ceiling", 7, &task));
    CHECK_OK(sys_task_ceiling(task, 50));
    CHECK_ERROR(sys_thread_priority(self, 256), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_task_ceiling(task, 256), ERR_BAD_ARGUMENT);
    CHECK_OK(sys_task_kill(task, 0));
    CHECK_OK(sys_handle_close(task));
    CHECK_OK(sys_handle_close(self));
    return true;
}

static bool impossible_wishes_are_refused(void)
{
    uint32_t self;
    uint8_t none[32] = {0};
    uint8_t far[32] = {[31] = 0x80};
    CHECK_OK(sys_thread_self(&self));
    CHECK_ERROR(sys_thread_cpus(self, none, sizeof none), ERR_NOT_FOUND);
    CHECK_ERROR(sys_thread_cpus(self, far, sizeof far), ERR_NOT_FOUND);
    CHECK_ERROR(sys_thread_slice(self, 1), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_thread_budget(self, 1, 1), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_thread_budget(self, MILLISECOND, 2 * MILLISECOND), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_thread_budget(self, 10 * MILLISECOND, 10), ERR_BAD_ARGUMENT);
    CHECK_OK(sys_thread_slice(self, 10 * MILLISECOND));
    CHECK_OK(sys_thread_budget(self, 10 * MILLISECOND, 9 * MILLISECOND));
    CHECK_OK(sys_thread_budget(self, 0, 0));
    CHECK_OK(sys_handle_close(self));
    return true;
}

struct partners {
    uint32_t first;
    _Atomic uint64_t answers;
};

static void answer_permits(void *argument)
{
    struct partners *partners = argument;
    while (sys_thread_exchange(partners->first, clock_after(LONG)) == ERR_NONE && !stop) {
        atomic_fetch_add(&partners->answers, 1);
    }
}

static bool play_permits(uint64_t first_cpu, uint64_t second_cpu)
{
    static struct partners partners;
    struct thread thread;
    uint8_t cpus[32] = {(uint8_t)(1 << second_cpu)};
    stop = false;
    partners.answers = 0;
    CHECK_OK(sys_thread_affinity(first_cpu));
    CHECK_OK(sys_thread_self(&partners.first));
    CHECK_OK(thread_prepare(&thread, answer_permits, &partners));
    CHECK_OK(sys_thread_cpus(thread.handle, cpus, sizeof cpus));
    CHECK_OK(sys_thread_resume(thread.handle));
    CHECK_OK(sys_thread_park(clock_after(LONG)));
    for (unsigned i = 0; i < 2000; i++) {
        CHECK_EQUAL(partners.answers, i);
        CHECK_OK(sys_thread_exchange(thread.handle, clock_after(LONG)));
    }
    stop = true;
    CHECK_OK(sys_thread_unpark(thread.handle));
    CHECK_OK(thread_join(&thread, clock_after(LONG)));
    CHECK_ERROR(sys_thread_park(0), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(partners.first));
    CHECK_OK(sys_thread_affinity(~0ull));
    return true;
}

static bool permits_go_to_and_fro_on_one_cpu(void)
{
    return play_permits(0, 0);
}

static bool permits_go_to_and_fro_between_two_cpus(void)
{
    bool two = sys_thread_affinity(1) == ERR_NONE;
    CHECK_OK(sys_thread_affinity(~0ull));
    return two ? play_permits(0, 1) : test_skip("there is one CPU");
}

static bool threads_are_named_by_handles_with_rights(void)
{
    uint32_t self;
    uint32_t weak;
    uint64_t end;
    CHECK_OK(sys_thread_self(&self));
    CHECK_OK(sys_handle_copy(startup->self, self, RIGHT_READ, &weak));
    CHECK_ERROR(sys_thread_kill(weak, 0), ERR_NO_RIGHT);
    CHECK_ERROR(sys_thread_suspend(weak), ERR_NO_RIGHT);
    CHECK_ERROR(sys_thread_priority(weak, 1), ERR_NO_RIGHT);
    CHECK_ERROR(sys_thread_unpark(weak), ERR_NO_RIGHT);
    CHECK_ERROR(sys_thread_join(weak, 0, &end), ERR_NO_RIGHT);
    CHECK_ERROR(sys_thread_kill(startup->self, 0), ERR_WRONG_TYPE);
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(self));
    return true;
}

static const struct test tests[] = {
    TEST(a_join_tells_how_the_thread_ended),
    TEST(a_thread_ends_with_the_status_that_it_gives),
    TEST(nobody_joins_itself),
    TEST(a_suspended_thread_does_nothing_until_it_is_resumed_as_often),
    TEST(a_thread_made_suspended_runs_when_it_is_resumed),
    TEST(a_kill_ends_a_thread_in_whatever_state_it_is),
    TEST(storms_of_kills_suspensions_and_moves_leave_nobody_behind),
    TEST(a_lower_thread_waits_for_a_higher_one),
    TEST(priorities_above_the_ceiling_are_refused),
    TEST(impossible_wishes_are_refused),
    TEST(permits_go_to_and_fro_on_one_cpu),
    TEST(permits_go_to_and_fro_between_two_cpus),
    TEST(threads_are_named_by_handles_with_rights),
};
const struct area area_scheduling = AREA("scheduling", tests);
