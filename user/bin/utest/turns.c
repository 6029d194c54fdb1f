/* Calls on threads: who runs when, by priorities, ceilings, slices, budgets, CPUs and permits. */
#include "abi/system.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/counting.h"
#include "user/bin/utest/test.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/libq/thread.h"

/* On one CPU: nobody who is lower gets there while the caller computes. */
static bool a_lower_thread_waits_for_a_higher_one(void)
{
    struct thread low;
    uint32_t self;
    _Atomic uint64_t count = 0;
    counting_over = false;
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
    /* Only now it has the CPU: as soon as the machine has one, which can be taken from it for longer than a
     * sleep. */
    for (until = clock_after(LONG); count == 0 && clock_now() < until;) {
        CHECK_OK(clock_sleep(5 * MILLISECOND));
    }
    bool ran = count > 0;
    counting_over = true;
    CHECK_OK(thread_join(&low, clock_after(LONG)));
    CHECK_OK(sys_thread_priority(self, DEFAULT));
    CHECK_OK(sys_handle_close(self));
    CHECK_OK(sys_thread_affinity(~0ull));
    CHECK(ran);
    CHECK_EQUAL(starved, 0);
    return true;
}

/* The child finds itself below a ceiling of 50, and tries to get above it. */
static bool priorities_above_the_ceiling_are_refused(void)
{
    struct child child;
    struct task_status status = {0};
    uint32_t self;
    CHECK_OK(sys_thread_self(&self));
    CHECK_ERROR(sys_thread_priority(self, 256), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_task_ceiling(startup->self, 256), ERR_BAD_ARGUMENT);
    CHECK_OK(sys_handle_close(self));
    CHECK_OK(child_create(&child, "utest", "ceiling", ""));
    CHECK_OK(sys_task_ceiling(child.process.task, 50));
    CHECK_OK(child_run(&child));
    CHECK_OK(child_wait(&child, &status));
    child_discard(&child);
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 0);
    return true;
}

/* Lent priorities come on top; only who has used up its budget counts for less, and the record says so. */
static bool what_counts_is_never_lower_than_the_priority_that_is_told(void)
{
    struct system_thread record;
    unsigned count = 0;
    for (uint64_t index = 0; system_record(TOPIC_THREADS, index, &record, sizeof record) == ERR_NONE;
         index = record.number + 1) {
        CHECK(record.counted == UINT32_MAX || record.counted >= record.priority);
        count++;
    }
    CHECK(count >= 2);
    return true;
}

#define BUDGET_ROUNDS 300

/* A new budget again and again, for one that uses it up at once; it comes back each time. */
static bool budgets_that_change_all_the_time_lose_no_timer(void)
{
    struct thread spinner, sleeper;
    _Atomic uint64_t count = 0, slept = 0;
    counting_over = false;
    CHECK_OK(thread_create(&spinner, count_on, &count));
    CHECK_OK(thread_create(&sleeper, sleep_and_yield, &slept));
    for (unsigned i = 0; i < BUDGET_ROUNDS; i++) {
        CHECK_OK(
            sys_thread_budget(spinner.handle, i % 2 == 0 ? 10 * SECOND : MILLISECOND, 100 * MICROSECOND));
        if (i % 16 == 0) {
            CHECK_OK(clock_sleep(MILLISECOND));
        }
    }
    CHECK_OK(sys_thread_budget(spinner.handle, 2 * MILLISECOND, MILLISECOND));
    CHECK(comes(&count, count + 1000) && comes(&slept, slept + 10));
    CHECK_OK(sys_thread_budget(spinner.handle, 0, 0));
    CHECK(comes(&count, count + 1000) && comes(&slept, slept + 10));
    CHECK_OK(sys_thread_kill(sleeper.handle, 0));
    counting_over = true;
    CHECK_OK(thread_join(&spinner, clock_after(LONG)));
    CHECK_OK(thread_join(&sleeper, clock_after(LONG)));
    return true;
}

/* While one waits in turn, how often they take turns tells how long the turns are. */
static bool a_longer_slice_makes_fewer_turns(void)
{
    struct thread threads[2];
    const uint8_t first_cpu[32] = {1};
    uint64_t switches[2];
    _Atomic uint64_t counts[2] = {0, 0};
    counting_over = false;
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(thread_prepare(&threads[i], count_on, &counts[i]));
        CHECK_OK(sys_thread_cpus(threads[i].handle, first_cpu, sizeof first_cpu));
        CHECK_OK(sys_thread_resume(threads[i].handle));
    }
    for (unsigned round = 0; round < 2; round++) {
        struct system_cpu before, after;
        for (unsigned i = 0; i < 2; i++) {
            CHECK_OK(sys_thread_slice(threads[i].handle, round == 0 ? 200 * MICROSECOND : 40 * MILLISECOND));
        }
        CHECK_OK(clock_sleep(50 * MILLISECOND)); /* the turns that were begun end */
        CHECK_OK(system_record(TOPIC_CPUS, 0, &before, sizeof before));
        CHECK_OK(clock_sleep(400 * MILLISECOND));
        CHECK_OK(system_record(TOPIC_CPUS, 0, &after, sizeof after));
        switches[round] = after.switches - before.switches;
    }
    counting_over = true;
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(thread_join(&threads[i], clock_after(LONG)));
    }
    CHECK(switches[0] > 4 * switches[1]);
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
    while (sys_thread_exchange(partners->first, clock_after(LONG)) == ERR_NONE && !counting_over) {
        atomic_fetch_add(&partners->answers, 1);
    }
}

static bool play_permits(uint64_t first_cpu, uint64_t second_cpu)
{
    static struct partners partners;
    struct thread thread;
    uint8_t cpus[32] = {(uint8_t)(1 << second_cpu)};
    counting_over = false;
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
    counting_over = true;
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

struct third {
    struct partners partners;
    _Atomic uint64_t count;
};

/* Two that hand the CPU to each other have one turn together: a third one of their priority has its own. */
static bool two_that_exchange_permits_leave_a_third_one_its_turns(void)
{
    static struct third third;
    struct thread partner, other;
    const uint8_t first_cpu[32] = {1};
    counting_over = false;
    third.count = 0;
    third.partners.answers = 0;
    CHECK_OK(sys_thread_affinity(0));
    CHECK_OK(sys_thread_self(&third.partners.first));
    CHECK_OK(thread_prepare(&partner, answer_permits, &third.partners));
    CHECK_OK(thread_prepare(&other, count_on, &third.count));
    CHECK_OK(sys_thread_cpus(partner.handle, first_cpu, sizeof first_cpu));
    CHECK_OK(sys_thread_cpus(other.handle, first_cpu, sizeof first_cpu));
    CHECK_OK(sys_thread_resume(partner.handle));
    CHECK_OK(sys_thread_park(clock_after(LONG)));
    CHECK_OK(sys_thread_resume(other.handle));
    uint64_t until = clock_after(300 * MILLISECOND);
    while (clock_now() < until) {
        CHECK_OK(sys_thread_exchange(partner.handle, clock_after(LONG)));
    }
    uint64_t counted = third.count;
    counting_over = true;
    CHECK_OK(sys_thread_unpark(partner.handle));
    CHECK_OK(thread_join(&partner, clock_after(LONG)));
    CHECK_OK(thread_join(&other, clock_after(LONG)));
    CHECK_ERROR(sys_thread_park(0), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(third.partners.first));
    CHECK_OK(sys_thread_affinity(~0ull));
    CHECK(counted > 0);
    return true;
}

static const struct test tests[] = {
    TEST(a_lower_thread_waits_for_a_higher_one),
    TEST(priorities_above_the_ceiling_are_refused),
    TEST(what_counts_is_never_lower_than_the_priority_that_is_told),
    TEST(a_longer_slice_makes_fewer_turns),
    TEST(budgets_that_change_all_the_time_lose_no_timer),
    TEST(impossible_wishes_are_refused),
    TEST(permits_go_to_and_fro_on_one_cpu),
    TEST(permits_go_to_and_fro_between_two_cpus),
    TEST(two_that_exchange_permits_leave_a_third_one_its_turns),
};
const struct area area_turns = AREA("turns", tests);
