/*
 * The real-time clock of the PC: a date that runs on a battery (Motorola MC146818A data sheet; the century's
 * register is named by the FADT, ACPI 6.4 table 5.9).
 */
#ifndef QUIRE_X86_RTC_H
#define QUIRE_X86_RTC_H

#include <stdbool.h>
#include <stdint.h>

/* Its registers as they were read, raw. */
struct rtc_registers {
    uint8_t second, minute, hour, day, month, year;
    uint8_t century; /* 0 when the machine has no register for it */
    uint8_t status_b;
};

/* Seconds since 1970-01-01, taking the clock to show UTC; 0 when it shows no date. */
uint64_t rtc_decode(const struct rtc_registers *registers);

/* Read the clock when it does not change; false when there is none. */
bool rtc_read(struct rtc_registers *out);

/* Seconds since 1970-01-01 at the kernel's clock 0; 0 when unknown. */
uint64_t rtc_wall_time(void);

#endif
