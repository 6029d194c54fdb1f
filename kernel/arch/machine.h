/*
 * The machine at boot, as the architecture presents it: what main.c does step by step, and what can be asked
 * later.
 */
#ifndef QUIRE_KERNEL_ARCH_MACHINE_H
#define QUIRE_KERNEL_ARCH_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/system.h"
#include "lib/units.h"

struct cpu;

/* --- boot, in this order, on the boot processor --- */

/* Own GDT, IDT and GS, serial port: from here on faults are reported. */
void machine_early(struct cpu *cpu, uint64_t entry_stamp);

/* Find the CPU's features, less those named in the list; panics when one is missing that the kernel needs. */
void machine_features(const char *masked, size_t masked_length);

/* What clock= in the environment says: hpet or tsc; anything else is reported. Before machine_setup. */
void machine_prefer_clock(const char *name, size_t length);

/* Wait for the other cores to arrive; returns how many came in all. */
unsigned machine_gather_cores(unsigned expected);

/* With the kernel's tables and memory: this CPU whole, its interrupts, ACPI, clock. */
void machine_setup(struct cpu *cpu, paddr_t acpi_tables);

/*
 * Give every other core that came its struct cpu, one after the other in the order of APIC ids. A core gets
 * its number when it is up, so numbers have no gaps; one that takes long is not waited for, and joins when it
 * comes. Then start those that firmware knows and the loader left alone, in the same way; one that does not
 * answer is reported and left out. No more than `most` in all. Is none of the cores that the loader counted
 * in its memory any more?
 */
bool machine_start_cores(unsigned came, unsigned counted, unsigned most);

/* Processors that the firmware says are there and can be used; 0 when it does not tell. */
unsigned machine_processors(void);

/* watchdog=SECONDS: report a CPU that hangs for so long, if the machine has what it takes. */
void machine_watch(uint64_t seconds);

/* Let serial port and keyboard be heard. */
void machine_listen(void);

/* --- later --- */

/* The feature with this index; false at the end. */
bool machine_feature(uint64_t index, struct system_feature *out);

/*
 * Seconds since 1970-01-01 at clock 0, given what the loader thought (0: nothing). The real-time clock
 * counts, unless the two are far apart: it may be set to local time, which the loader can ask the firmware
 * about.
 */
uint64_t machine_wall_time(uint64_t loaders);

struct clock_page;

/* Fill in how user space can read the clock, but for the sequence and the wall time. */
void machine_clock_describe(struct clock_page *out);

/* Nanoseconds of the boot that went into waiting for hardware clocks. */
uint64_t machine_waited(void);

uint64_t machine_clock_hz(void);
const char *machine_clock_source(void);

#endif
