/* The clock and sleeping. */
#include "abi/system.h"
#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/system.h"
#include "user/libq/thread.h"

#define SLEEPERS    8
#define TRIES       10
#define LATE_MOST   (10 * MILLISECOND)
#define CLOCK_READS 20000

static bool the_clock_never_goes_back(void)
{
    uint64_t last = clock_now();
    for (unsigned i = 0; i < CLOCK_READS; i++) {
        uint64_t now = clock_now();
        CHECK(now >= last);
        last = now;
    }
    return true;
}

static bool the_clock_does_not_go_back_between_cpus(void)
{
    uint64_t last = clock_now();
    for (unsigned round = 0; round < 20; round++) {
        for (uint64_t cpu = 0; sys_thread_affinity(cpu) == ERR_NONE; cpu++) {
            uint64_t now = clock_now();
            CHECK(now >= last);
            last = now;
        }
    }
    CHECK_OK(sys_thread_affinity(~0ull));
    return true;
}

/* The smallest lateness of some tries, since the machine below may stop at any time; ~0 when one was early.
 */
static uint64_t least_lateness(uint64_t nanoseconds)
{
    uint64_t least = ~0ull;
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t deadline = clock_after(nanoseconds);
        sys_thread_sleep(deadline);
        uint64_t now = clock_now();
        if (now < deadline) {
            return ~0ull;
        }
        least = now - deadline < least ? now - deadline : least;
    }
    return least;
}

static bool a_sleep_ends_not_early_and_not_much_late(void)
{
    static const uint64_t times[] = {0, 100 * MICROSECOND, MILLISECOND, 7 * MILLISECOND, 30 * MILLISECOND};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint64_t late = least_lateness(times[i]);
        CHECK(late != ~0ull);
        CHECK(late < LATE_MOST);
    }
    return true;
}

static bool a_deadline_in_the_past_does_not_wait(void)
{
    uint64_t before = clock_now();
    CHECK_OK(sys_thread_sleep(0));
    CHECK_OK(sys_thread_sleep(before));
    CHECK_OK(sys_thread_sleep(1));
    CHECK(clock_now() - before < SECOND);
    return true;
}

struct sleeper {
    struct thread thread;
    uint64_t deadline;
    uint64_t woken;
};

static void sleep_once(void *argument)
{
    struct sleeper *sleeper = argument;
    sys_thread_sleep(sleeper->deadline);
    sleeper->woken = clock_now();
}

static bool many_sleepers_each_wake_at_their_own_time(void)
{
    static struct sleeper sleepers[SLEEPERS];
    uint64_t start = clock_after(20 * MILLISECOND);
    for (unsigned i = 0; i < SLEEPERS; i++) {
        sleepers[i].deadline = start + (uint64_t)(SLEEPERS - i) * 5 * MILLISECOND;
        CHECK_OK(thread_create(&sleepers[i].thread, sleep_once, &sleepers[i]));
    }
    for (unsigned i = 0; i < SLEEPERS; i++) {
        CHECK_OK(thread_join(&sleepers[i].thread, clock_after(10 * SECOND)));
    }
    for (unsigned i = 0; i < SLEEPERS; i++) {
        CHECK(sleepers[i].woken >= sleepers[i].deadline);
        CHECK(sleepers[i].woken - sleepers[i].deadline < SECOND);
    }
    return true;
}

/* The clock, and the time stamp counter before and after it was read, between which the host may stop us. */
struct both_clocks {
    uint64_t counter, clock, counter_after;
};

static struct both_clocks both_clocks_now(void)
{
    struct both_clocks now;
    now.counter = __builtin_ia32_rdtsc();
    now.clock = clock_now();
    now.counter_after = __builtin_ia32_rdtsc();
    return now;
}

/* The scale of the clock against the time stamp counter, whose frequency the kernel says. */
static bool the_clock_runs_with_the_time_stamp_counter(void)
{
    struct system_boot boot;
    CHECK_OK(system_record(TOPIC_BOOT, 0, &boot, sizeof boot));
    CHECK(boot.clock_hz > 0);
    CHECK_OK(sys_thread_affinity(0));
    struct both_clocks start = both_clocks_now();
    CHECK_OK(sys_thread_sleep(clock_after(200 * MILLISECOND)));
    struct both_clocks end = both_clocks_now();
    CHECK_OK(sys_thread_affinity(~0ull));
    uint64_t time = end.clock - start.clock, khz = boot.clock_hz / 1000;
    CHECK((end.counter_after - start.counter) * 1000000 / khz > time - time / 100);
    CHECK((end.counter - start.counter_after) * 1000000 / khz < time + time / 100);
    return true;
}

/* The page and the call are one clock: readings in turn never go back. Where the page cannot be used they are
 * the same anyway. */
static bool the_clock_page_and_the_call_agree(void)
{
    const struct clock_page *page = (const struct clock_page *)startup->clock;
    CHECK_EQUAL(startup->clock, CLOCK_PAGE_AT);
    CHECK_EQUAL(page->sequence % 2, 0);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t first = clock_now();
        uint64_t second = clock_ask();
        uint64_t third = clock_now();
        CHECK(first <= second && second <= third);
    }
    return true;
}

static bool the_clock_page_cannot_be_changed(void)
{
    uint64_t where;
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, 4096, 0, &memory));
    CHECK_ERROR(
        sys_memory_map(startup->self, memory, 0, CLOCK_PAGE_AT, 4096, ACCESS_READ | ACCESS_WRITE, &where),
        ERR_EXISTS);
    CHECK_OK(sys_handle_close(memory));
    struct system_boot boot;
    CHECK_OK(system_record(TOPIC_BOOT, 0, &boot, sizeof boot));
    CHECK_EQUAL(boot.wall_time, ((const struct clock_page *)startup->clock)->wall_time);
    return true;
}

/* With slack a sleeper may be late by that much, and never early. */
static bool a_sleep_with_slack_is_not_early_and_later_only_by_the_slack(void)
{
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t deadline = clock_after(2 * MILLISECOND);
        CHECK_OK(sys_thread_sleep_until(deadline, 20 * MILLISECOND));
        CHECK(clock_now() >= deadline);
        CHECK(clock_now() < deadline + SECOND);
    }
    CHECK_OK(sys_thread_sleep_until(0, DEADLINE_NEVER));
    return true;
}

static void sleep_to(void *argument)
{
    sys_thread_sleep(*(const uint64_t *)argument);
}

/* Two on one CPU, whose times lie near each other, and the earlier one has slack: both wake with the later
 * one, by one interrupt. Something else may wake the CPU in between, so not in each try. */
static bool sleeps_that_may_be_late_wait_for_each_other(void)
{
    unsigned together = 0;
    CHECK_OK(sys_thread_affinity(0));
    for (unsigned i = 0; i < TRIES && together == 0; i++) {
        struct thread other;
        const uint8_t first_cpu[32] = {1};
        uint64_t early = clock_after(10 * MILLISECOND);
        uint64_t late = early + 15 * MILLISECOND;
        CHECK_OK(thread_prepare(&other, sleep_to, &late));
        CHECK_OK(sys_thread_cpus(other.handle, first_cpu, sizeof first_cpu));
        CHECK_OK(sys_thread_resume(other.handle));
        CHECK_OK(sys_thread_sleep_until(early, 30 * MILLISECOND));
        uint64_t woken = clock_now();
        together += woken >= late && woken < early + 30 * MILLISECOND;
        CHECK_OK(thread_join(&other, clock_after(10 * SECOND)));
    }
    CHECK_OK(sys_thread_affinity(~0ull));
    CHECK(together > 0);
    return true;
}

static const struct test tests[] = {
    TEST(the_clock_page_and_the_call_agree),
    TEST(the_clock_page_cannot_be_changed),
    TEST(a_sleep_with_slack_is_not_early_and_later_only_by_the_slack),
    TEST(sleeps_that_may_be_late_wait_for_each_other),
    TEST(the_clock_never_goes_back),
    TEST(the_clock_does_not_go_back_between_cpus),
    TEST(the_clock_runs_with_the_time_stamp_counter),
    TEST(a_sleep_ends_not_early_and_not_much_late),
    TEST(a_deadline_in_the_past_does_not_wait),
    TEST(many_sleepers_each_wake_at_their_own_time),
};
const struct area area_time = AREA("time", tests);
