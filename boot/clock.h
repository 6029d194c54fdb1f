/* The date and time of the hand-over. Pure. */
#ifndef QUIRE_BOOT_CLOCK_H
#define QUIRE_BOOT_CLOCK_H

#include <stdint.h>

#define CLOCK_ZONE_UNKNOWN 0x7ff

/* Local time as firmware tells it: UTC is local time plus `zone` minutes, when that is known. */
struct clock_time {
    uint16_t year;
    uint8_t month; /* from 1 */
    uint8_t day;   /* from 1 */
    uint8_t hour;
    uint8_t minute;
    uint8_t second;
    uint8_t hundredth;
    int16_t zone;
};

/*
 * Century, year, month, day, hour, minute, second, 1/100 s of UTC in BCD; all zero when a field of the time
 * is out of its range.
 */
void clock_to_bcd(const struct clock_time *local, uint8_t bcd[8]);

/* The zone for the hand-over, in minutes; 0 when it is unknown. */
int16_t clock_zone(const struct clock_time *local);

#endif
