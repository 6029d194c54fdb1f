/*
 * From a date to seconds; see calendar.h.
 */
#include "lib/calendar.h"

#include <stdbool.h>

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

uint64_t calendar_seconds(const struct moment *m)
{
    if (m->year < 1970 || m->year > 9999 || m->month < 1 || m->month > 12 || m->day < 1 ||
        m->day > days_of_month(m->year, m->month) || m->hour > 23 || m->minute > 59 || m->second > 59) {
        return 0;
    }
    /* Days since 0000-03-01, in years that begin in March, so that a leap day is the last one. */
    uint64_t year = m->month > 2 ? m->year : m->year - 1;
    uint64_t month = m->month > 2 ? m->month - 3 : m->month + 9;
    uint64_t days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + m->day - 1;
    const uint64_t epoch = 719468;
    return (days - epoch) * 86400 + (uint64_t)m->hour * 3600 + (uint64_t)m->minute * 60 + m->second;
}
