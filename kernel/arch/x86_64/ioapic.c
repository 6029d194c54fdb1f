/*
 * The I/O APIC: brings interrupt lines of devices to a vector of one CPU. Registers: Intel 82093AA data
 * sheet, section 3; which line is which: ACPI MADT, interrupt source overrides (ACPI 6.4, 5.2.12.5).
 */
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/mm/device.h"

#define SELECT          (0x00 / 4)
#define WINDOW          (0x10 / 4)
#define REGISTER_COUNT  1
#define REGISTER_ENTRY  0x10
#define ENTRY_LOW_LEVEL (1u << 13)
#define ENTRY_LEVEL     (1u << 15)
#define ENTRY_NMI       (4u << 8)

/* Polarity and trigger in MADT flags, ACPI 6.4 table 5.25. */
#define FLAGS_POLARITY   3u
#define FLAGS_ACTIVE_LOW 3u
#define FLAGS_TRIGGER    (3u << 2)
#define FLAGS_LEVEL      (3u << 2)

static uint32_t ioapic_read(volatile uint32_t *base, uint32_t number)
{
    base[SELECT] = number;
    return base[WINDOW];
}

static void ioapic_write(volatile uint32_t *base, uint32_t number, uint32_t value)
{
    base[SELECT] = number;
    base[WINDOW] = value;
}

/* Which I/O APIC has this global interrupt, and at which pin; its registers, or NULL. */
static volatile uint32_t *find_pin(uint32_t global, uint32_t *pin)
{
    for (unsigned i = 0; i < acpi_machine.ioapics; i++) {
        const struct acpi_ioapic *ioapic = &acpi_machine.ioapic[i];
        volatile uint32_t *base = global < ioapic->first ? NULL
                                                         : device_map(paddr(ioapic->address), PAGE_SIZE,
                                                                      MAP_READ | MAP_WRITE | MAP_UNCACHED);
        if (base != NULL && global - ioapic->first <= (ioapic_read(base, REGISTER_COUNT) >> 16 & 0xff)) {
            *pin = global - ioapic->first;
            return base;
        }
    }
    return NULL;
}

static void route(volatile uint32_t *base, uint32_t pin, uint32_t low, uint32_t id)
{
    ioapic_write(base, REGISTER_ENTRY + 2 * pin + 1, id << 24);
    ioapic_write(base, REGISTER_ENTRY + 2 * pin, low);
}

enum error ioapic_route_isa(unsigned line, uint8_t vector, uint32_t id)
{
    struct acpi_interrupt interrupt = acpi_isa_interrupt(line);
    uint32_t pin, low = vector;
    volatile uint32_t *base = find_pin(interrupt.global, &pin);
    if (base == NULL) {
        return ERR_NOT_FOUND;
    }
    low |= (interrupt.flags & FLAGS_POLARITY) == FLAGS_ACTIVE_LOW ? ENTRY_LOW_LEVEL : 0;
    low |= (interrupt.flags & FLAGS_TRIGGER) == FLAGS_LEVEL ? ENTRY_LEVEL : 0;
    route(base, pin, low, id);
    return ERR_NONE;
}

enum error ioapic_route_nmi(uint32_t global, uint32_t id)
{
    uint32_t pin;
    volatile uint32_t *base = find_pin(global, &pin);
    if (base == NULL) {
        return ERR_NOT_FOUND;
    }
    route(base, pin, ENTRY_NMI, id);
    return ERR_NONE;
}
