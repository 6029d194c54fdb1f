/* Seconds to a date; see calendar.h. Whole periods of 400 years first, then year by year and month by month.
 */
#include "user/root/calendar.h"

#include <stdbool.h>

#define DAY_SECONDS  86400u
#define PERIOD_YEARS 400u
#define PERIOD_DAYS  146097u
#define FIRST_YEAR   1970u

static bool is_leap(uint64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned year_days(uint64_t year)
{
    return is_leap(year) ? 366 : 365;
}

static unsigned month_days(uint64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

struct calendar calendar_from_seconds(uint64_t seconds)
{
    struct calendar date = {.month = 1};
    uint64_t days = seconds / DAY_SECONDS;
    unsigned rest = (unsigned)(seconds % DAY_SECONDS);

    date.year = FIRST_YEAR + days / PERIOD_DAYS * PERIOD_YEARS;
    days %= PERIOD_DAYS;
    while (days >= year_days(date.year)) {
        days -= year_days(date.year++);
    }
    while (days >= month_days(date.year, date.month)) {
        days -= month_days(date.year, date.month++);
    }
    date.day = (unsigned)days + 1;
    date.hour = rest / 3600;
    date.minute = rest / 60 % 60;
    date.second = rest % 60;
    return date;
}
