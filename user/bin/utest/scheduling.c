/* Calls on threads: how they are suspended, joined and killed. */
#include "abi/system.h"
#include "lib/text.h"
#include "syscalls.h"
#include "user/bin/utest/counting.h"
#include "user/bin/utest/test.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/libq/thread.h"

#define STORM 40

static _Atomic uint64_t told;

static bool a_join_tells_how_the_thread_ended(void)
{
    struct thread thread;
    uint64_t end;
    _Atomic uint64_t count = 0;
    counting_over = false;
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
    counting_over = false;
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
    counting_over = true;
    CHECK_OK(thread_join(&thread, clock_after(LONG)));
    return true;
}

static bool a_thread_made_suspended_runs_when_it_is_resumed(void)
{
    struct thread thread;
    _Atomic uint64_t count = 0;
    counting_over = false;
    CHECK_OK(thread_prepare(&thread, count_on, &count));
    CHECK_OK(clock_sleep(5 * MILLISECOND));
    CHECK_EQUAL(count, 0);
    CHECK_OK(sys_thread_resume(thread.handle));
    CHECK(comes(&count, 1));
    counting_over = true;
    CHECK_OK(thread_join(&thread, clock_after(LONG)));
    return true;
}

static void wait_for_ever(void *argument)
{
    uint64_t bits;
    sys_notification_wait(*(uint32_t *)argument, 1, DEADLINE_NEVER, &bits);
    atomic_store(&counting_over, true);
}

static void sleep_for_ever(void *argument)
{
    (void)argument;
    sys_thread_sleep(DEADLINE_NEVER);
    atomic_store(&counting_over, true);
}

static void park_for_ever(void *argument)
{
    (void)argument;
    sys_thread_park(DEADLINE_NEVER);
    atomic_store(&counting_over, true);
}

static void join_for_ever(void *argument)
{
    uint64_t end;
    sys_thread_join(*(uint32_t *)argument, DEADLINE_NEVER, &end);
    atomic_store(&counting_over, true);
}

/* A thread of this task, as ps tells it. */
static bool somebody_waits_for(const char *what)
{
    struct system_thread record;
    struct task_status own = {0};
    sys_task_status(startup->self, &own, sizeof own);
    for (uint64_t index = 0; system_record(TOPIC_THREADS, index, &record, sizeof record) == ERR_NONE;
         index = record.number + 1) {
        if (record.task == own.number && text_equal(record.waits_for, what)) {
            return true;
        }
    }
    return false;
}

static bool come_to_wait(const char *what)
{
    uint64_t deadline = clock_after(LONG);
    while (!somebody_waits_for(what) && clock_now() < deadline) {
        clock_sleep(MILLISECOND);
    }
    return somebody_waits_for(what);
}

/* A kill finds a thread in each state: not yet run, suspended, waiting, running, parked, sleeping, joining.
 */
static bool a_kill_ends_a_thread_in_whatever_state_it_is(void)
{
    enum { KINDS = 7 };
    struct thread threads[KINDS];
    uint32_t notification;
    _Atomic uint64_t count = 0;
    counting_over = false;
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(thread_prepare(&threads[0], count_on, &count));
    CHECK_OK(thread_create(&threads[1], count_on, &count));
    CHECK_OK(thread_create(&threads[2], wait_for_ever, &notification));
    CHECK_OK(thread_create(&threads[3], count_on, &count));
    CHECK_OK(thread_create(&threads[4], sleep_for_ever, NULL));
    CHECK_OK(thread_create(&threads[5], park_for_ever, NULL));
    CHECK_OK(thread_create(&threads[6], join_for_ever, &threads[0].handle));
    CHECK(comes(&count, 1));
    CHECK(come_to_wait("a notification") && come_to_wait("its permit") && come_to_wait("a thread's end"));
    CHECK_OK(sys_thread_suspend(threads[3].handle));
    CHECK_OK(sys_thread_suspend(threads[2].handle));
    for (unsigned i = KINDS; i > 0; i--) { /* who joins first, so that it is the kill that ends its wait */
        CHECK_OK(sys_thread_kill(threads[i - 1].handle, i));
    }
    for (unsigned i = 0; i < KINDS; i++) {
        CHECK_OK(thread_join(&threads[i], clock_after(LONG)));
    }
    CHECK(!counting_over);
    CHECK_OK(sys_handle_close(notification));
    return true;
}

struct own_suspension {
    _Atomic uint64_t step;
    uint32_t notification;
};

/* Suspends itself, and then waits for something that comes while it is suspended again. */
static void suspend_oneself(void *argument)
{
    struct own_suspension *own = argument;
    uint32_t self;
    uint64_t bits;
    sys_thread_self(&self);
    own->step = 1;
    sys_thread_suspend(self);
    own->step = 2;
    if (sys_notification_wait(own->notification, 1, clock_after(LONG), &bits) == ERR_NONE) {
        own->step = 3;
    }
    sys_handle_close(self);
}

static bool a_thread_can_suspend_itself_and_a_wait_ends_while_it_is_suspended(void)
{
    static struct own_suspension own;
    struct thread thread;
    own.step = 0;
    CHECK_OK(sys_notification_create(0, &own.notification));
    CHECK_OK(thread_create(&thread, suspend_oneself, &own));
    CHECK(comes(&own.step, 1));
    CHECK_OK(clock_sleep(10 * MILLISECOND));
    CHECK_EQUAL(own.step, 1);
    CHECK_OK(sys_thread_resume(thread.handle));
    CHECK(comes(&own.step, 2) && come_to_wait("a notification"));
    CHECK_OK(sys_thread_suspend(thread.handle));
    CHECK_OK(sys_notification_signal(own.notification, 1));
    CHECK_OK(clock_sleep(10 * MILLISECOND));
    CHECK_EQUAL(own.step, 2); /* the wait is over, but it runs nothing */
    CHECK_OK(sys_thread_resume(thread.handle));
    CHECK(comes(&own.step, 3));
    CHECK_OK(thread_join(&thread, clock_after(LONG)));
    CHECK_OK(sys_handle_close(own.notification));
    return true;
}

static void join_and_count(void *argument)
{
    uint64_t end;
    uint32_t *handle = argument;
    if (sys_thread_join(*handle, clock_after(LONG), &end) == ERR_NONE &&
        end == ((uint64_t)END_KILLED << 32 | 5)) {
        told++;
    }
}

static bool all_who_join_are_told_of_the_end(void)
{
    struct thread victim, joiners[3];
    _Atomic uint64_t count = 0;
    counting_over = false;
    told = 0;
    CHECK_OK(thread_create(&victim, count_on, &count));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_OK(thread_create(&joiners[i], join_and_count, &victim.handle));
    }
    CHECK(come_to_wait("a thread's end"));
    CHECK_OK(sys_thread_kill(victim.handle, 5));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_OK(thread_join(&joiners[i], clock_after(LONG)));
    }
    CHECK_EQUAL(told, 3);
    CHECK_OK(thread_join(&victim, clock_after(LONG)));
    return true;
}

static bool storms_of_kills_suspensions_and_moves_leave_nobody_behind(void)
{
    static struct thread threads[STORM];
    static _Atomic uint64_t count;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < STORM; i++) {
            CHECK_OK(thread_create(&threads[i], i % 2 == 0 ? sleep_and_yield : count_on, &count));
        }
        counting_over = false;
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
    TEST(a_thread_can_suspend_itself_and_a_wait_ends_while_it_is_suspended),
    TEST(all_who_join_are_told_of_the_end),
    TEST(storms_of_kills_suspensions_and_moves_leave_nobody_behind),
    TEST(threads_are_named_by_handles_with_rights),
};
const struct area area_scheduling = AREA("scheduling", tests);
