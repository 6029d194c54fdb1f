/*
 * What the kernel takes from the ACPI tables: interrupt controllers, the reference clocks, and how to switch
 * off. Tables are untrusted: lengths and checksums are verified, and a bad table is reported and ignored.
 */
#ifndef QUIRE_X86_ACPI_H
#define QUIRE_X86_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/units.h"

#define ACPI_IOAPICS   8
#define ACPI_OVERRIDES 16
#define ACPI_MEMORIES  64
#define ACPI_NEAR      256
#define ACPI_CPUS      256

struct acpi_ioapic {
    uint64_t address;
    uint32_t first; /* global interrupt number of its pin 0 */
};

struct acpi_interrupt {
    uint32_t global;
    uint16_t flags; /* polarity and trigger as in the MADT, ACPI 6.4 table 5.25 */
};

struct acpi_override {
    uint8_t line;
    struct acpi_interrupt interrupt;
};

/* Memory, or a processor, and the proximity domain that it is in. */
struct acpi_memory {
    uint32_t domain;
    uint64_t address, bytes;
};

struct acpi_near {
    uint32_t domain;
    uint32_t apic_id;
};

/* A register of the FADT: in port or memory space. */
struct acpi_register {
    bool present;
    bool memory;
    uint64_t address;
};

struct acpi_machine {
    unsigned ioapics;
    struct acpi_ioapic ioapic[ACPI_IOAPICS];
    unsigned overrides;
    struct acpi_override override[ACPI_OVERRIDES];
    unsigned processors;           /* enabled in the MADT, up to ACPI_CPUS */
    uint32_t processor[ACPI_CPUS]; /* their APIC ids, each once */
    unsigned memories;
    struct acpi_memory memory[ACPI_MEMORIES];
    unsigned nears;
    struct acpi_near near[ACPI_NEAR];
    uint64_t hpet;     /* physical address of the HPET, 0 if none */
    uint32_t pm_timer; /* port, 0 if none */
    bool pm_timer_32;  /* counts 32 bits, not 24 */
    uint32_t pm1a_control, pm1b_control;
    uint32_t smi_command;
    uint8_t acpi_enable;
    uint8_t century; /* register of the real-time clock, 0 if none */
    bool s5;
    uint8_t s5_a, s5_b;
    struct acpi_register reset;
    uint8_t reset_value;
};

/* Set once by acpi_find. All zero on a machine without tables. */
extern struct acpi_machine acpi_machine;

/* root: physical address of an XSDT or RSDT, told apart by signature; 0 for none. */
void acpi_find(paddr_t root);

/* Map what switching off and starting again needs; after acpi_find. */
void power_find(void);

/* The proximity domain of a processor, 0 when the tables do not tell. */
uint32_t acpi_domain_of(uint32_t apic_id);

/* Where an ISA line arrives: itself, edge-triggered, unless the MADT says otherwise. */
struct acpi_interrupt acpi_isa_interrupt(unsigned line);

#endif
