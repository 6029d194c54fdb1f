/* Seconds since 1970 as a date of the Gregorian calendar, UTC. Makes no calls. */
#ifndef QUIRE_ROOT_CALENDAR_H
#define QUIRE_ROOT_CALENDAR_H

#include <stdint.h>

struct calendar {
    uint64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
    unsigned hour;
    unsigned minute;
    unsigned second;
};

struct calendar calendar_from_seconds(uint64_t seconds);

#endif
