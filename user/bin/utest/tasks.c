/* Tasks: their status, how they end, who is told, and what cannot be done to them after. */
#include "abi/system.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"
#include "user/libq/system.h"

#define PLACE  0x0000200000000000ull
#define CROWDS 2

/* A child in this mode that has come to where it waits or runs. */
static bool start_and_reach(struct child *child, const char *mode, const char *argument)
{
    CHECK_OK(child_create(child, "utest", mode, argument));
    CHECK_OK(child_run(child));
    for (uint64_t deadline = clock_after(10 * SECOND); child->shared->answer == 0;) {
        CHECK(clock_now() < deadline);
        CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND)));
    }
    return true;
}

static bool a_task_ends_with_the_status_that_it_gives(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("utest", "exit", "0", &status));
    CHECK_EQUAL(status.state, TASK_ENDED);
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 0);
    CHECK_OK(child_complete("utest", "exit", "0xffffffff", &status));
    CHECK_EQUAL(status.status, 0xffffffff);
    return true;
}

static bool the_end_of_the_last_thread_is_the_end_of_the_task(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("utest", "thread-exit", "", &status));
    CHECK_EQUAL(status.state, TASK_ENDED);
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 0);
    return true;
}

static bool a_task_goes_from_empty_to_running_to_ended(void)
{
    struct child child;
    struct task_status status = {0};
    CHECK_OK(child_create(&child, "utest", "sleep", ""));
    CHECK_OK(sys_task_status(child.process.task, &status, sizeof status));
    CHECK_EQUAL(status.state, TASK_EMPTY);
    CHECK_OK(child_run(&child));
    CHECK_OK(sys_task_status(child.process.task, &status, sizeof status));
    CHECK_EQUAL(status.state, TASK_RUNNING);
    CHECK_OK(sys_task_kill(child.process.task, 9));
    CHECK_OK(child_wait(&child, &status));
    CHECK_EQUAL(status.state, TASK_ENDED);
    child_discard(&child);
    return true;
}

static bool kill_in_mode(const char *mode)
{
    struct child child;
    struct task_status status = {0};
    if (!start_and_reach(&child, mode, "")) {
        return false;
    }
    CHECK_OK(sys_thread_sleep(clock_after(5 * MILLISECOND)));
    CHECK_OK(sys_task_kill(child.process.task, 42));
    CHECK_OK(child_wait(&child, &status));
    CHECK_EQUAL(status.state, TASK_ENDED);
    CHECK_EQUAL(status.end, END_KILLED);
    CHECK_EQUAL(status.status, 42);
    CHECK_ERROR(sys_task_kill(child.process.task, 1), ERR_DEAD);
    child_discard(&child);
    return true;
}

static bool a_running_task_can_be_killed(void)
{
    return kill_in_mode("spin");
}

static bool a_sleeping_task_can_be_killed(void)
{
    return kill_in_mode("sleep");
}

static bool a_waiting_task_can_be_killed(void)
{
    return kill_in_mode("wait");
}

static bool a_task_without_threads_can_be_killed(void)
{
    struct task_status status = {0};
    uint32_t task;
    CHECK_OK(sys_task_create(0, "empty", 5, &task));
    CHECK_OK(sys_task_kill(task, 1));
    CHECK_OK(sys_task_status(task, &status, sizeof status));
    CHECK_EQUAL(status.state, TASK_ENDED);
    CHECK_EQUAL(status.end, END_KILLED);
    CHECK_OK(sys_handle_close(task));
    return true;
}

static bool nothing_can_be_added_to_a_task_that_has_ended(void)
{
    uint32_t task;
    uint32_t memory;
    uint32_t handle;
    uint64_t value;
    CHECK_OK(sys_task_create(0, "ended", 5, &task));
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    CHECK_OK(sys_task_kill(task, 1));
    CHECK_ERROR(sys_memory_map(task, memory, 0, PLACE, PAGE_SIZE, ACCESS_READ, &value), ERR_DEAD);
    CHECK_ERROR(sys_memory_unmap(task, PLACE, 0), ERR_DEAD);
    CHECK_ERROR(sys_thread_start(task, PLACE, PLACE, 0, &value), ERR_DEAD);
    CHECK_ERROR(sys_task_kill(task, 1), ERR_DEAD);
    CHECK(sys_handle_copy(task, memory, RIGHT_READ, &handle) != ERR_NONE);
    CHECK_OK(sys_handle_close(memory));
    CHECK_OK(sys_handle_close(task));
    return true;
}

static bool who_watches_a_task_that_has_ended_is_told_at_once(void)
{
    uint32_t task;
    uint32_t notification;
    uint64_t bits;
    CHECK_OK(sys_task_create(0, "watched", 7, &task));
    CHECK_OK(sys_task_kill(task, 1));
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(sys_task_watch(task, notification, 12));
    CHECK_OK(sys_notification_wait(notification, ~0ull, clock_after(SECOND), &bits));
    CHECK_EQUAL(bits, 12);
    CHECK_OK(sys_handle_close(notification));
    CHECK_OK(sys_handle_close(task));
    return true;
}

static bool a_new_watcher_replaces_the_one_before(void)
{
    uint32_t task;
    uint32_t first;
    uint32_t second;
    uint64_t bits;
    CHECK_OK(sys_task_create(0, "watched", 7, &task));
    CHECK_OK(sys_notification_create(0, &first));
    CHECK_OK(sys_notification_create(0, &second));
    CHECK_OK(sys_task_watch(task, first, 1));
    CHECK_OK(sys_task_watch(task, second, 2));
    CHECK_OK(sys_task_kill(task, 0));
    CHECK_OK(sys_notification_wait(second, ~0ull, clock_after(SECOND), &bits));
    CHECK_EQUAL(bits, 2);
    CHECK_ERROR(sys_notification_wait(first, ~0ull, clock_after(20 * MILLISECOND), &bits), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(first));
    CHECK_OK(sys_handle_close(second));
    CHECK_OK(sys_handle_close(task));
    return true;
}

static bool a_watcher_that_goes_away_does_no_harm(void)
{
    uint32_t task;
    uint32_t notification;
    CHECK_OK(sys_task_create(0, "watched", 7, &task));
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(sys_task_watch(task, notification, 1));
    CHECK_OK(sys_handle_close(notification));
    CHECK_OK(sys_task_kill(task, 0));
    CHECK_OK(sys_handle_close(task));
    return true;
}

static bool a_handle_given_to_a_task_works_there(void)
{
    struct child child;
    struct task_status status = {0};
    uint32_t notification;
    uint64_t bits;
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(child_create(&child, "utest", "signal", ""));
    CHECK_OK(sys_handle_copy(child.process.task, notification, RIGHT_SIGNAL, &child.shared->notification));
    child.shared->word = 1ull << 40;
    CHECK_OK(child_run(&child));
    CHECK_OK(sys_notification_wait(notification, ~0ull, clock_after(10 * SECOND), &bits));
    CHECK_EQUAL(bits, 1ull << 40);
    CHECK_OK(child_wait(&child, &status));
    CHECK_EQUAL(status.status, 0);
    child_discard(&child);
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static bool a_handle_without_the_right_to_signal_does_not_signal_there(void)
{
    struct child child;
    struct task_status status = {0};
    uint32_t notification;
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(child_create(&child, "utest", "signal", ""));
    CHECK_OK(sys_handle_copy(child.process.task, notification, RIGHT_WAIT, &child.shared->notification));
    child.shared->word = 1;
    CHECK_OK(child_run(&child));
    CHECK_OK(child_wait(&child, &status));
    CHECK_EQUAL(status.status, ERR_NO_RIGHT);
    child_discard(&child);
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static bool find_task(uint32_t number, struct system_task *task)
{
    for (uint64_t i = 0; system_record(TOPIC_TASKS, i, task, sizeof *task) == ERR_NONE; i++) {
        if (task->number == number) {
            return true;
        }
    }
    return false;
}

static bool the_list_of_tasks_has_the_name_number_and_memory(void)
{
    static const char name[] = "a-name-that-is-just-too-long-32b";
    struct task_status status = {0};
    struct system_task record;
    uint32_t task;
    uint32_t memory;
    uint64_t where;
    CHECK_OK(sys_task_create(0, name, 32, &task));
    CHECK_OK(sys_memory_create(0, 4 * PAGE_SIZE, 0, &memory));
    CHECK_OK(sys_memory_map(task, memory, 0, PLACE, 4 * PAGE_SIZE, ACCESS_READ, &where));
    CHECK_OK(sys_task_status(task, &status, sizeof status));
    CHECK(find_task(status.number, &record));
    CHECK_EQUAL(record.state, TASK_EMPTY);
    CHECK_EQUAL(record.threads, 0);
    CHECK_EQUAL(record.memory, 4 * PAGE_SIZE + PAGE_SIZE); /* and the clock page */
    CHECK_EQUAL(memcmp(record.name, name, TASK_NAME - 1), 0);
    CHECK_EQUAL(record.name[TASK_NAME - 1], 0);
    CHECK_OK(sys_task_kill(task, 0));
    CHECK_OK(sys_handle_close(task));
    CHECK_OK(sys_handle_close(memory));
    CHECK(!find_task(status.number, &record) || record.state == TASK_ENDED);
    return true;
}

static bool a_status_buffer_that_is_too_small_is_refused(void)
{
    struct task_status status = {0};
    CHECK_ERROR(sys_task_status(startup->self, &status, sizeof status - 1), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_task_status(startup->self, &status, 0), ERR_BAD_ARGUMENT);
    CHECK_OK(sys_task_status(startup->self, &status, sizeof status));
    CHECK_EQUAL(status.state, TASK_RUNNING);
    return true;
}

static uint64_t cpus_online(void)
{
    struct system_boot boot;
    return system_record(TOPIC_BOOT, 0, &boot, sizeof boot) == ERR_NONE ? boot.cpus_online : 0;
}

static bool threads_on_every_cpu_end_together_when_the_task_is_killed(void)
{
    for (unsigned round = 0; round < CROWDS; round++) {
        struct child child;
        struct task_status status = {0};
        CHECK_OK(child_create(&child, "utest", "crowd", "stay"));
        child.shared->word = cpus_online();
        CHECK_OK(child_run(&child));
        for (uint64_t deadline = clock_after(60 * SECOND);
             child.shared->answer < 2 * child.shared->word && clock_now() < deadline;) {
            CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND)));
        }
        CHECK_EQUAL(child.shared->answer, 2 * child.shared->word);
        CHECK_OK(sys_task_kill(child.process.task, 3));
        CHECK_OK(child_wait(&child, &status));
        CHECK_EQUAL(status.end, END_KILLED);
        child_discard(&child);
    }
    return true;
}

static bool threads_on_every_cpu_end_together_when_one_ends_the_task(void)
{
    for (unsigned round = 0; round < CROWDS; round++) {
        struct child child;
        struct task_status status = {0};
        CHECK_OK(child_create(&child, "utest", "crowd", "exit"));
        child.shared->word = cpus_online();
        CHECK_OK(child_run(&child));
        CHECK_OK(child_wait(&child, &status));
        CHECK_EQUAL(status.end, END_EXIT);
        CHECK_EQUAL(status.status, 7);
        child_discard(&child);
    }
    return true;
}

static const struct test tests[] = {
    TEST(a_task_ends_with_the_status_that_it_gives),
    TEST(the_end_of_the_last_thread_is_the_end_of_the_task),
    TEST(a_task_goes_from_empty_to_running_to_ended),
    TEST(a_running_task_can_be_killed),
    TEST(a_sleeping_task_can_be_killed),
    TEST(a_waiting_task_can_be_killed),
    TEST(a_task_without_threads_can_be_killed),
    TEST(nothing_can_be_added_to_a_task_that_has_ended),
    TEST(who_watches_a_task_that_has_ended_is_told_at_once),
    TEST(a_new_watcher_replaces_the_one_before),
    TEST(a_watcher_that_goes_away_does_no_harm),
    TEST(a_handle_given_to_a_task_works_there),
    TEST(a_handle_without_the_right_to_signal_does_not_signal_there),
    TEST(the_list_of_tasks_has_the_name_number_and_memory),
    TEST(a_status_buffer_that_is_too_small_is_refused),
    TEST(threads_on_every_cpu_end_together_when_the_task_is_killed),
    TEST(threads_on_every_cpu_end_together_when_one_ends_the_task),
};
const struct area area_tasks = AREA("tasks", tests);
