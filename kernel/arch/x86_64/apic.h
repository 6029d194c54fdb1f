/*
 * The local APIC (SDM vol. 3A ch. 10), through memory or, in x2APIC mode, through MSRs; and the I/O APIC,
 * which brings the lines of devices to it.
 */
#ifndef QUIRE_X86_APIC_H
#define QUIRE_X86_APIC_H

#include <stdint.h>

#include "abi/error.h"

/* Map the registers; once, on the boot processor. */
enum error apic_find(void) MUST_CHECK;

/* Switch this CPU's local APIC on and its timer off. x2APIC mode if the CPU has it. */
void apic_setup(void);

uint32_t apic_id(void);
void apic_end_of_interrupt(void);

/* Send an interrupt, or an NMI, to the CPU with this local APIC id. */
void apic_send(uint32_t id, uint8_t vector);
void apic_send_nmi(uint32_t id);

/* Interrupt this CPU itself, soon. From a handler that may have struck in the middle of one of the above,
 * too. */
void apic_send_self(uint8_t vector);

/* Count timer ticks: start at the highest value, and how many have gone since. */
void apic_timer_count_start(void);
uint32_t apic_timer_count_elapsed(void);

/* Fire VECTOR_TIMER once after so many ticks of the APIC's timer; 0 stops it. */
void apic_timer_once(uint32_t ticks);

/* Fire VECTOR_TIMER when the time stamp counter reaches this value; 0 stops it. For FEATURE_tscdeadline. */
void apic_timer_deadline(uint64_t stamp);

/* Route an ISA interrupt line to a vector on the CPU with this local APIC id, per the MADT. */
enum error ioapic_route_isa(unsigned line, uint8_t vector, uint32_t id) MUST_CHECK;

#endif
