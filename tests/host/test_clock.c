/* boot/clock against the C library's calendar. */
#include "tests/host/host.h"

#include <time.h>

#include "boot/clock.h"

static unsigned from_bcd(uint8_t bcd)
{
    assert_true((bcd & 15) < 10 && bcd >> 4 < 10);
    return (bcd >> 4) * 10u + (bcd & 15);
}

static void assert_utc(const struct clock_time *local, int64_t utc_seconds)
{
    uint8_t bcd[8];
    time_t seconds = (time_t)utc_seconds;
    struct tm utc;
    gmtime_r(&seconds, &utc);
    clock_to_bcd(local, bcd);
    assert_int_equal(from_bcd(bcd[0]) * 100 + from_bcd(bcd[1]), utc.tm_year + 1900);
    assert_int_equal(from_bcd(bcd[2]), utc.tm_mon + 1);
    assert_int_equal(from_bcd(bcd[3]), utc.tm_mday);
    assert_int_equal(from_bcd(bcd[4]), utc.tm_hour);
    assert_int_equal(from_bcd(bcd[5]), utc.tm_min);
    assert_int_equal(from_bcd(bcd[6]), utc.tm_sec);
    assert_int_equal(from_bcd(bcd[7]), local->hundredth);
}

static void local_time_becomes_utc(void **state)
{
    (void)state;
    uint64_t seed = 17;
    for (int round = 0; round < 100000; round++) {
        int64_t seconds = (int64_t)(next_number(&seed) % 8000000000ull) - 1000000000;
        int zone = (int)(next_number(&seed) % 2881) - 1440;
        time_t shown = (time_t)(seconds - (int64_t)zone * 60); /* the local clock */
        struct tm local;
        gmtime_r(&shown, &local);
        struct clock_time time = {
            .year = (uint16_t)(local.tm_year + 1900),
            .month = (uint8_t)(local.tm_mon + 1),
            .day = (uint8_t)local.tm_mday,
            .hour = (uint8_t)local.tm_hour,
            .minute = (uint8_t)local.tm_min,
            .second = (uint8_t)local.tm_sec,
            .hundredth = (uint8_t)(next_number(&seed) % 100),
            .zone = (int16_t)zone,
        };
        assert_utc(&time, seconds);
        assert_int_equal(clock_zone(&time), zone);
        time.zone = CLOCK_ZONE_UNKNOWN;
        assert_utc(&time, shown);
        assert_int_equal(clock_zone(&time), 0);
    }
}

static void an_impossible_time_is_none(void **state)
{
    (void)state;
    static const struct clock_time wrong[] = {
        {0, 1, 1, 0, 0, 0, 0, 0},     {9999, 1, 1, 0, 0, 0, 0, 0},  {2026, 0, 1, 0, 0, 0, 0, 0},
        {2026, 13, 1, 0, 0, 0, 0, 0}, {2026, 1, 0, 0, 0, 0, 0, 0},  {2026, 1, 32, 0, 0, 0, 0, 0},
        {2026, 2, 29, 0, 0, 0, 0, 0}, {2100, 2, 29, 0, 0, 0, 0, 0}, {2026, 1, 1, 24, 0, 0, 0, 0},
        {2026, 1, 1, 0, 60, 0, 0, 0}, {2026, 1, 1, 0, 0, 60, 0, 0}, {2026, 1, 1, 0, 0, 0, 100, 0},
    };
    static const uint8_t none[8];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t bcd[8];
        memset(bcd, 0xff, sizeof(bcd));
        clock_to_bcd(&wrong[i], bcd);
        assert_memory_equal(bcd, none, 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_time_becomes_utc),
        cmocka_unit_test(an_impossible_time_is_none),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
