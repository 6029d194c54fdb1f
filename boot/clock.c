#include "boot/clock.h"

#include <stdbool.h>

#include "lib/text.h"

#define MINUTES_A_DAY 1440

static uint8_t days_in_month(uint16_t year, uint8_t month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static bool is_sane(const struct clock_time *time)
{
    return time->year >= 1 && time->year <= 9998 && time->month >= 1 && time->month <= 12 && time->day >= 1 &&
           time->day <= days_in_month(time->year, time->month) && time->hour < 24 && time->minute < 60 &&
           time->second < 60 && time->hundredth < 100;
}

static void next_day(struct clock_time *time)
{
    if (++time->day > days_in_month(time->year, time->month)) {
        time->day = 1;
        if (++time->month > 12) {
            time->month = 1;
            time->year++;
        }
    }
}

static void previous_day(struct clock_time *time)
{
    if (--time->day == 0) {
        if (--time->month == 0) {
            time->month = 12;
            time->year--;
        }
        time->day = days_in_month(time->year, time->month);
    }
}

int16_t clock_zone(const struct clock_time *local)
{
    bool is_known = local->zone >= -MINUTES_A_DAY && local->zone <= MINUTES_A_DAY;
    return (int16_t)(is_known ? local->zone : 0);
}

static struct clock_time to_utc(struct clock_time time)
{
    int minutes = time.hour * 60 + time.minute + clock_zone(&time);
    if (minutes < 0) {
        previous_day(&time);
        minutes += MINUTES_A_DAY;
    } else if (minutes >= MINUTES_A_DAY) {
        next_day(&time);
        minutes -= MINUTES_A_DAY;
    }
    time.hour = (uint8_t)(minutes / 60);
    time.minute = (uint8_t)(minutes % 60);
    return time;
}

static uint8_t bcd_of(unsigned number)
{
    return (uint8_t)(number / 10 << 4 | number % 10);
}

void clock_to_bcd(const struct clock_time *local, uint8_t bcd[8])
{
    memset(bcd, 0, 8);
    if (!is_sane(local)) {
        return;
    }
    struct clock_time utc = to_utc(*local);
    bcd[0] = bcd_of(utc.year / 100);
    bcd[1] = bcd_of(utc.year % 100);
    bcd[2] = bcd_of(utc.month);
    bcd[3] = bcd_of(utc.day);
    bcd[4] = bcd_of(utc.hour);
    bcd[5] = bcd_of(utc.minute);
    bcd[6] = bcd_of(utc.second);
    bcd[7] = bcd_of(utc.hundredth);
}
