/*
 * From a date to seconds.
 */
#ifndef QUIRE_LIB_CALENDAR_H
#define QUIRE_LIB_CALENDAR_H

#include <stdint.h>

/* A moment of UTC in the Gregorian calendar. */
struct moment {
    unsigned year, month, day, hour, minute, second; /* month and day count from 1 */
};

/* Seconds since 1970-01-01, or 0 when there is no such moment, or it is before. A leap second is none. */
uint64_t calendar_seconds(const struct moment *moment);

#endif
