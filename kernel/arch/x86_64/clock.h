/*
 * The monotonic clock: the time stamp counter, measured once against a clock of known rate; and the timer of
 * each CPU, by time stamp deadline or by the local APIC's own counter.
 */
#ifndef QUIRE_X86_CLOCK_H
#define QUIRE_X86_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The time stamp at which the kernel was entered: clock 0. Before clock_measure the clock reads 0. */
void clock_set_origin(uint64_t stamp);

/* Measure counter and timer, on the boot processor, APIC and ACPI being ready. */
void clock_measure(void);

/* clock=hpet or clock=tsc, before clock_measure; false when it is neither. */
bool clock_prefer(const char *name, size_t length);

/*
 * The time stamp counter is no clock on this machine: go on with the HPET, without a step. May be called at
 * any time, on one CPU. False, with a line in the log, when there is none.
 */
bool clock_distrust_tsc(const char *why);

/* Nanoseconds that measuring took. */
uint64_t clock_waited(void);

/* The registers of the HPET, for its timers; NULL when there is none. */
volatile uint64_t *clock_hpet(void);

uint64_t clock_hz(void);

/* "hpet", "pm-timer", "pit" or "none". */
const char *clock_source(void);

#endif
