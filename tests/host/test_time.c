/*
 * Dates against the C library's calendar, the registers of the real-time clock in all their forms, and what
 * comparisons of time stamp counters can tell.
 */
#include "tests/host/host.h"

#include <time.h>

#include "kernel/arch/x86_64/rtc.h"
#include "kernel/arch/x86_64/tsc_sync.h"
#include "lib/calendar.h"
#include "tests/host/random.h"

static struct tm date_of(time_t seconds)
{
    struct tm date;
    gmtime_r(&seconds, &date);
    return date;
}

static void every_date_has_its_seconds(void **state)
{
    (void)state;
    struct random random = {1};
    for (unsigned i = 0; i < 200000; i++) {
        time_t seconds = (time_t)random_below(&random, 4000000000u) + 1;
        struct tm d = date_of(seconds);
        struct moment m = {(unsigned)d.tm_year + 1900, (unsigned)d.tm_mon + 1, (unsigned)d.tm_mday,
                           (unsigned)d.tm_hour,        (unsigned)d.tm_min,     (unsigned)d.tm_sec};
        assert_int_equal(calendar_seconds(&m), seconds);
    }
}

static void what_is_no_date_has_none(void **state)
{
    (void)state;
    static const struct moment none[] = {
        {1969, 12, 31, 23, 59, 59}, {2026, 0, 1, 0, 0, 0},  {2026, 13, 1, 0, 0, 0}, {2026, 4, 31, 0, 0, 0},
        {2026, 2, 29, 0, 0, 0},     {2100, 2, 29, 0, 0, 0}, {2026, 1, 0, 0, 0, 0},  {2026, 1, 1, 24, 0, 0},
        {2026, 1, 1, 0, 60, 0},     {2026, 1, 1, 0, 0, 60}, {10000, 1, 1, 0, 0, 0},
    };
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(calendar_seconds(&none[i]), 0);
    }
}

static uint8_t coded(unsigned number, bool binary)
{
    return (uint8_t)(binary ? number : number / 10 * 16 + number % 10);
}

static void the_clock_is_read_in_all_four_forms(void **state)
{
    (void)state;
    struct random random = {2};
    for (unsigned i = 0; i < 100000; i++) {
        time_t seconds = (time_t)random_below(&random, 4000000000u) + 1;
        struct tm d = date_of(seconds);
        bool binary = random_below(&random, 2) == 0, full = random_below(&random, 2) == 0;
        bool century = random_below(&random, 2) == 0;
        unsigned year = (unsigned)d.tm_year + 1900,
                 twelve = d.tm_hour % 12 == 0 ? 12 : (unsigned)d.tm_hour % 12;
        struct rtc_registers r = {
            .second = coded((unsigned)d.tm_sec, binary),
            .minute = coded((unsigned)d.tm_min, binary),
            .hour = full ? coded((unsigned)d.tm_hour, binary)
                         : (uint8_t)(coded(twelve, binary) | (d.tm_hour >= 12 ? 0x80 : 0)),
            .day = coded((unsigned)d.tm_mday, binary),
            .month = coded((unsigned)d.tm_mon + 1, binary),
            .year = coded(year % 100, binary),
            .century = century ? coded(year / 100, binary) : 0,
            .status_b = (uint8_t)((binary ? 4 : 0) | (full ? 2 : 0)),
        };
        bool ambiguous = !century && (year < 1970 || year > 2069);
        if (!ambiguous) {
            assert_int_equal(rtc_decode(&r), seconds);
        }
        /* A register that holds no number makes the whole no date. */
        if (!binary) {
            r.minute = 0x6a;
            assert_int_equal(rtc_decode(&r), 0);
        }
    }
}

/* Samples between a counter and one that is ahead of it, with delays on the way there and back. */
static void ask(struct random *random, struct tsc_sample *samples, unsigned count, int64_t ahead,
                int64_t drift)
{
    uint64_t now = 1000000000;
    for (unsigned i = 0; i < count; i++) {
        samples[i].before = now;
        now += 50 + random_below(random, 10000);
        samples[i].answer = now + (uint64_t)(ahead + (int64_t)i * drift);
        now += 50 + random_below(random, 10000);
        samples[i].after = now;
    }
}

static void counters_that_agree_are_never_called_apart(void **state)
{
    (void)state;
    struct random random = {3};
    for (unsigned i = 0; i < 20000; i++) {
        struct tsc_sample samples[8];
        int64_t ahead;
        ask(&random, samples, 8, 0, 0);
        assert_int_equal(tsc_judge(samples, 8, &ahead), TSC_TOGETHER);
    }
}

static void a_difference_is_seen_and_told(void **state)
{
    (void)state;
    struct random random = {4};
    for (unsigned i = 0; i < 20000; i++) {
        struct tsc_sample samples[8];
        int64_t ahead, real = (int64_t)random_below(&random, 1000000) + 25000;
        real = random_below(&random, 2) == 0 ? real : -real;
        ask(&random, samples, 8, real, 0);
        assert_int_equal(tsc_judge(samples, 8, &ahead), TSC_APART);
        assert_true(ahead - real < 10100 && real - ahead < 10100);
    }
}

static void a_rate_of_its_own_is_no_difference(void **state)
{
    (void)state;
    struct random random = {5};
    struct tsc_sample samples[8];
    int64_t ahead;
    ask(&random, samples, 8, 1000000, 50000);
    assert_int_equal(tsc_judge(samples, 8, &ahead), TSC_DRIFTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_date_has_its_seconds),
        cmocka_unit_test(what_is_no_date_has_none),
        cmocka_unit_test(the_clock_is_read_in_all_four_forms),
        cmocka_unit_test(counters_that_agree_are_never_called_apart),
        cmocka_unit_test(a_difference_is_seen_and_told),
        cmocka_unit_test(a_rate_of_its_own_is_no_difference),
    };
    return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
