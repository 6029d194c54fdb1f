/*
 * The watchdog: a CPU that answers no interrupt for a while is reported, with its backtrace. A timer of the
 * HPET is routed as an NMI to the boot processor, so that one is watched too; each time it asks every CPU
 * that does not idle to take an interrupt, and who has not by the next time hangs. An NMI then makes it say
 * where.
 *
 * Off unless asked for: it wakes the boot processor, and interrupts threads that run alone.
 */
#ifndef QUIRE_X86_WATCHDOG_H
#define QUIRE_X86_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

struct trap_frame;

/* Watch from now on; once. Says in the log when the machine has not what it takes. */
void watchdog_start(uint64_t seconds);

/* An NMI has come: is it one of the watchdog's? Takes no lock. */
bool watchdog_nmi(const struct trap_frame *frame);

#endif
