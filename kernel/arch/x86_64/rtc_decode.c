/*
 * What the registers of the real-time clock mean; see rtc.h.
 */
#include "kernel/arch/x86_64/rtc.h"

#include "lib/calendar.h"

#define STATUS_B_24_HOURS 0x02u
#define STATUS_B_BINARY   0x04u
#define HOUR_PM           0x80u
#define NO_NUMBER         10000u

/* A register as a number; NO_NUMBER when it is no BCD where it should be. */
static unsigned number(uint8_t value, uint8_t status_b)
{
    if ((status_b & STATUS_B_BINARY) != 0) {
        return value;
    }
    return (value & 15u) > 9 || value >> 4 > 9 ? NO_NUMBER : (value >> 4) * 10u + (value & 15u);
}

static unsigned hour_of(uint8_t value, uint8_t status_b)
{
    if ((status_b & STATUS_B_24_HOURS) != 0) {
        return number(value, status_b);
    }
    unsigned hour = number(value & (uint8_t)~HOUR_PM, status_b);
    if (hour < 1 || hour > 12) {
        return NO_NUMBER;
    }
    return hour % 12 + ((value & HOUR_PM) != 0 ? 12 : 0);
}

uint64_t rtc_decode(const struct rtc_registers *r)
{
    unsigned year = number(r->year, r->status_b);
    unsigned century = r->century != 0 ? number(r->century, r->status_b) : year < 70 ? 20 : 19;
    struct moment moment = {
        .year = year < 100 && century < 100 ? century * 100 + year : NO_NUMBER,
        .month = number(r->month, r->status_b),
        .day = number(r->day, r->status_b),
        .hour = hour_of(r->hour, r->status_b),
        .minute = number(r->minute, r->status_b),
        .second = number(r->second, r->status_b),
    };
    return calendar_seconds(&moment);
}
