/*
 * Reading the real-time clock; see rtc.h.
 */
#include "kernel/arch/x86_64/rtc.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/registers.h"
#include "lib/text.h"

#define INDEX 0x70
#define DATA  0x71

#define REGISTER_SECOND 0x00
#define REGISTER_MINUTE 0x02
#define REGISTER_HOUR   0x04
#define REGISTER_DAY    0x07
#define REGISTER_MONTH  0x08
#define REGISTER_YEAR   0x09
#define STATUS_A        0x0a
#define STATUS_B        0x0b
#define STATUS_A_UPDATE 0x80u /* the date changes within the next 244 us */

/* An update takes 2 ms; this is many times that. */
#define TRIES 100000u

static uint8_t read(uint8_t number)
{
    port_write8(INDEX, number); /* bit 7 clear: NMI stays enabled */
    return port_read8(DATA);
}

static bool wait_for_rest(void)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if ((read(STATUS_A) & STATUS_A_UPDATE) == 0) {
            return true;
        }
        cpu_pause();
    }
    return false;
}

static void read_once(struct rtc_registers *r)
{
    *r = (struct rtc_registers){
        .second = read(REGISTER_SECOND),
        .minute = read(REGISTER_MINUTE),
        .hour = read(REGISTER_HOUR),
        .day = read(REGISTER_DAY),
        .month = read(REGISTER_MONTH),
        .year = read(REGISTER_YEAR),
        .century = acpi_machine.century != 0 ? read(acpi_machine.century) : 0,
        .status_b = read(STATUS_B),
    };
}

/* Twice the same: then no update came in between, whatever the flag said. */
bool rtc_read(struct rtc_registers *out)
{
    struct rtc_registers again;
    for (unsigned i = 0; i < 10 && wait_for_rest(); i++) {
        read_once(out);
        read_once(&again);
        if (memcmp(out, &again, sizeof(again)) == 0) {
            return true;
        }
    }
    return false;
}

uint64_t rtc_wall_time(void)
{
    struct rtc_registers registers;
    uint64_t seconds = rtc_read(&registers) ? rtc_decode(&registers) : 0;
    uint64_t up = arch_clock() / 1000000000;
    return seconds > up ? seconds - up : 0;
}
