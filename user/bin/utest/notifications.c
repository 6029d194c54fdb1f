/* Notifications: bits, waits, and that no wake-up is lost. */
#include <stdatomic.h>

#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/thread.h"

#define ROUNDS  10000u
#define LEAST   1000u        /* rounds that have to be done, however slow the machine is */
#define ENOUGH  (8 * SECOND) /* and time after which they are all */
#define ALL     (~0ull)
#define LONG    (30 * SECOND)
#define ANY_CPU ALL

static bool bits_gather_until_they_are_taken(void)
{
    uint32_t notification;
    uint64_t bits;
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(sys_notification_signal(notification, 1));
    CHECK_OK(sys_notification_signal(notification, 1ull << 63));
    CHECK_OK(sys_notification_signal(notification, 1));
    CHECK_OK(sys_notification_wait(notification, ALL, 0, &bits));
    CHECK_EQUAL(bits, 1ull << 63 | 1);
    CHECK_ERROR(sys_notification_wait(notification, ALL, 0, &bits), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static bool a_wait_takes_only_the_bits_of_its_mask(void)
{
    uint32_t notification;
    uint64_t bits;
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(sys_notification_signal(notification, 0xff));
    CHECK_OK(sys_notification_wait(notification, 0xf00f, 0, &bits));
    CHECK_EQUAL(bits, 0x0f);
    CHECK_ERROR(sys_notification_wait(notification, 0x0f, 0, &bits), ERR_TIMED_OUT);
    CHECK_OK(sys_notification_wait(notification, ALL, 0, &bits));
    CHECK_EQUAL(bits, 0xf0);
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static bool signalling_no_bits_wakes_nobody(void)
{
    uint32_t notification;
    uint64_t bits;
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(sys_notification_signal(notification, 0));
    CHECK_ERROR(sys_notification_wait(notification, ALL, 0, &bits), ERR_TIMED_OUT);
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static bool a_wait_ends_at_its_deadline(void)
{
    uint32_t notification;
    uint64_t bits;
    CHECK_OK(sys_notification_create(0, &notification));
    for (uint64_t time = MILLISECOND; time <= 20 * MILLISECOND; time += 19 * MILLISECOND) {
        uint64_t deadline = clock_after(time);
        CHECK_ERROR(sys_notification_wait(notification, ALL, deadline, &bits), ERR_TIMED_OUT);
        CHECK(clock_now() >= deadline);
        CHECK(clock_now() < deadline + SECOND);
    }
    CHECK_OK(sys_notification_signal(notification, 4));
    CHECK_OK(sys_notification_wait(notification, ALL, ALL, &bits));
    CHECK_EQUAL(bits, 4);
    CHECK_OK(sys_handle_close(notification));
    return true;
}

/* Two threads that take turns: each waits for the other's signal. */
struct pair {
    uint32_t there;
    uint32_t back;
    uint64_t cpu; /* of the second thread */
    _Atomic uint64_t answered;
    _Atomic bool over;
};

static void answer(void *argument)
{
    struct pair *pair = argument;
    uint64_t bits;
    sys_thread_affinity(pair->cpu);
    while (sys_notification_wait(pair->there, 1, clock_after(LONG), &bits) == ERR_NONE && !pair->over) {
        atomic_fetch_add(&pair->answered, 1);
        sys_notification_signal(pair->back, 1);
    }
}

static bool play(uint64_t first_cpu, uint64_t second_cpu)
{
    static struct pair pair;
    struct thread thread;
    uint64_t bits;
    pair = (struct pair){.cpu = second_cpu};
    CHECK_OK(sys_notification_create(0, &pair.there));
    CHECK_OK(sys_notification_create(0, &pair.back));
    CHECK_OK(sys_thread_affinity(first_cpu));
    CHECK_OK(thread_create(&thread, answer, &pair));
    uint64_t enough = clock_after(ENOUGH);
    for (unsigned i = 0; i < ROUNDS && (i < LEAST || clock_now() < enough); i++) {
        CHECK_OK(sys_notification_signal(pair.there, 1));
        CHECK_OK(sys_notification_wait(pair.back, 1, clock_after(LONG), &bits));
        CHECK_EQUAL(pair.answered, i + 1);
    }
    pair.over = true;
    CHECK_OK(sys_notification_signal(pair.there, 1));
    CHECK_OK(thread_join(&thread, clock_after(LONG)));
    CHECK_OK(sys_thread_affinity(ANY_CPU));
    CHECK_OK(sys_handle_close(pair.there));
    CHECK_OK(sys_handle_close(pair.back));
    return true;
}

static bool no_wake_up_is_lost_between_two_threads(void)
{
    return play(ANY_CPU, ANY_CPU);
}

static bool no_wake_up_is_lost_on_one_cpu(void)
{
    return play(0, 0);
}

static bool no_wake_up_is_lost_between_two_cpus(void)
{
    bool two = sys_thread_affinity(1) == ERR_NONE;
    CHECK_OK(sys_thread_affinity(ANY_CPU));
    return two ? play(0, 1) : test_skip("there is one CPU");
}

/* A signal and the deadline of the wait come at the same time: whoever wins, the bit is not lost. */
static void signal_at(void *argument)
{
    struct pair *pair = argument;
    for (unsigned i = 0; i < 200; i++) {
        uint64_t bits;
        if (sys_notification_wait(pair->there, ALL, clock_after(LONG), &bits) != ERR_NONE) {
            return;
        }
        sys_thread_sleep(clock_after(500 * MICROSECOND));
        sys_notification_signal(pair->back, 1);
    }
}

static bool a_signal_at_the_deadline_is_not_lost(void)
{
    static struct pair pair;
    struct thread thread;
    uint64_t bits;
    pair = (struct pair){0};
    CHECK_OK(sys_notification_create(0, &pair.there));
    CHECK_OK(sys_notification_create(0, &pair.back));
    CHECK_OK(thread_create(&thread, signal_at, &pair));
    for (unsigned i = 0; i < 200; i++) {
        CHECK_OK(sys_notification_signal(pair.there, 1));
        enum error error = sys_notification_wait(pair.back, 1, clock_after(500 * MICROSECOND), &bits);
        if (error != ERR_NONE) {
            CHECK_ERROR(error, ERR_TIMED_OUT);
            CHECK_OK(sys_notification_wait(pair.back, 1, clock_after(LONG), &bits));
        }
        CHECK_EQUAL(bits, 1);
    }
    CHECK_OK(thread_join(&thread, clock_after(LONG)));
    CHECK_OK(sys_handle_close(pair.there));
    CHECK_OK(sys_handle_close(pair.back));
    return true;
}

struct waiter {
    struct thread thread;
    uint64_t mask;
    uint64_t bits;
    uint64_t patience;      /* how long it waits, in ns */
    _Atomic uint64_t *over; /* counts those whose wait has ended, if not NULL */
    uint32_t notification;
    enum error error;
};

static void wait_once(void *argument)
{
    struct waiter *waiter = argument;
    waiter->error = sys_notification_wait(waiter->notification, waiter->mask, clock_after(waiter->patience),
                                          &waiter->bits);
    if (waiter->over != NULL) {
        atomic_fetch_add(waiter->over, 1);
    }
}

static bool each_waiter_is_woken_by_its_own_bits(void)
{
    static struct waiter waiters[4];
    uint32_t notification;
    CHECK_OK(sys_notification_create(0, &notification));
    for (unsigned i = 0; i < 4; i++) {
        waiters[i] = (struct waiter){.notification = notification, .mask = 1ull << i, .patience = LONG};
        CHECK_OK(thread_create(&waiters[i].thread, wait_once, &waiters[i]));
    }
    CHECK_OK(sys_thread_sleep(clock_after(20 * MILLISECOND)));
    for (unsigned i = 4; i > 0; i--) {
        CHECK_OK(sys_notification_signal(notification, 1ull << (i - 1)));
    }
    for (unsigned i = 0; i < 4; i++) {
        CHECK_OK(thread_join(&waiters[i].thread, clock_after(LONG)));
        CHECK_ERROR(waiters[i].error, ERR_NONE);
        CHECK_EQUAL(waiters[i].bits, 1ull << i);
    }
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static bool a_bit_is_taken_by_one_waiter_only(void)
{
    static struct waiter waiters[4];
    uint32_t notification;
    static _Atomic uint64_t over;
    over = 0;
    CHECK_OK(sys_notification_create(0, &notification));
    for (unsigned i = 0; i < 4; i++) {
        waiters[i] =
            (struct waiter){.notification = notification, .mask = 1, .patience = LONG, .over = &over};
        CHECK_OK(thread_create(&waiters[i].thread, wait_once, &waiters[i]));
    }
    CHECK_OK(sys_thread_sleep(clock_after(20 * MILLISECOND)));
    for (unsigned i = 1; i <= 4; i++) { /* one for each signal, and no more */
        uint64_t deadline = clock_after(LONG);
        CHECK_OK(sys_notification_signal(notification, 1));
        while (over < i && clock_now() < deadline) {
            CHECK_OK(sys_thread_sleep(clock_after(MILLISECOND)));
        }
        CHECK_OK(sys_thread_sleep(clock_after(50 * MILLISECOND)));
        CHECK_EQUAL(over, i);
    }
    for (unsigned i = 0; i < 4; i++) {
        CHECK_OK(thread_join(&waiters[i].thread, clock_after(LONG)));
        CHECK_ERROR(waiters[i].error, ERR_NONE);
        CHECK_EQUAL(waiters[i].bits, 1);
    }
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static bool closing_the_handle_under_a_waiter_does_no_harm(void)
{
    static struct waiter waiter;
    waiter = (struct waiter){.mask = 1, .patience = 300 * MILLISECOND};
    CHECK_OK(sys_notification_create(0, &waiter.notification));
    CHECK_OK(thread_create(&waiter.thread, wait_once, &waiter));
    CHECK_OK(sys_thread_sleep(clock_after(20 * MILLISECOND)));
    CHECK_OK(sys_handle_close(waiter.notification));
    CHECK_OK(thread_join(&waiter.thread, clock_after(LONG)));
    CHECK(waiter.error == ERR_TIMED_OUT || waiter.error == ERR_CANCELLED);
    return true;
}

static const struct test tests[] = {
    TEST(bits_gather_until_they_are_taken),
    TEST(a_wait_takes_only_the_bits_of_its_mask),
    TEST(signalling_no_bits_wakes_nobody),
    TEST(a_wait_ends_at_its_deadline),
    TEST(no_wake_up_is_lost_between_two_threads),
    TEST(no_wake_up_is_lost_on_one_cpu),
    TEST(no_wake_up_is_lost_between_two_cpus),
    TEST(a_signal_at_the_deadline_is_not_lost),
    TEST(each_waiter_is_woken_by_its_own_bits),
    TEST(a_bit_is_taken_by_one_waiter_only),
    TEST(closing_the_handle_under_a_waiter_does_no_harm),
};
const struct area area_notifications = AREA("notifications", tests);
