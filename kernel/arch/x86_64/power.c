/*
 * Switching off and starting again: ACPI specification 6.4, 4.8.3.2 (PM1 control), 4.8.3.6 (reset register),
 * 16.1.6 (S5).
 */
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/mm/device.h"

#define PM1_SCI_ENABLE   1u
#define PM1_SLEEP_TYPE   10
#define PM1_SLEEP_ENABLE (1u << 13)
#define PATIENCE         ((uint64_t)500 * 1000 * 1000)

#define EMULATOR_EXIT_PORT 0xf4
#define KEYBOARD_COMMAND   0x64
#define KEYBOARD_RESET     0xfe
#define RESET_CONTROL      0xcf9 /* of the chipset; 2 then 6 resets */

static void wait(uint64_t ns)
{
    uint64_t end = arch_clock() + ns;
    while (arch_clock() < end) {
        cpu_pause();
    }
}

/* The registers obey only after the firmware was told that an ACPI system runs. */
static void acpi_take_over(void)
{
    uint16_t control = (uint16_t)acpi_machine.pm1a_control;
    if ((port_read16(control) & PM1_SCI_ENABLE) != 0 || acpi_machine.smi_command == 0) {
        return;
    }
    port_write8((uint16_t)acpi_machine.smi_command, acpi_machine.acpi_enable);
    uint64_t end = arch_clock() + PATIENCE;
    while ((port_read16(control) & PM1_SCI_ENABLE) == 0 && arch_clock() < end) {
        cpu_pause();
    }
}

static void sleep_enter(uint32_t port, uint8_t type)
{
    if (port != 0) {
        uint16_t keep = port_read16((uint16_t)port) & PM1_SCI_ENABLE;
        port_write16((uint16_t)port, (uint16_t)(keep | type << PM1_SLEEP_TYPE | PM1_SLEEP_ENABLE));
    }
}

bool arch_can_power_off(void)
{
    return acpi_machine.s5 && acpi_machine.pm1a_control != 0;
}

void arch_power_off(void)
{
    if (!arch_can_power_off()) {
        return;
    }
    acpi_take_over();
    sleep_enter(acpi_machine.pm1a_control, acpi_machine.s5_a);
    sleep_enter(acpi_machine.pm1b_control, acpi_machine.s5_b);
    wait(PATIENCE);
}

static volatile uint8_t *reset_register; /* set once at boot; NULL when it is a port, or there is none */

void power_find(void)
{
    const struct acpi_register *r = &acpi_machine.reset;
    if (r->present && r->memory) {
        reset_register = device_map(paddr(r->address), 1, MAP_READ | MAP_WRITE | MAP_UNCACHED);
    }
}

static void reset_by_register(void)
{
    const struct acpi_register *r = &acpi_machine.reset;
    if (reset_register != NULL) {
        *reset_register = acpi_machine.reset_value;
    } else if (r->present && !r->memory) {
        port_write8((uint16_t)r->address, acpi_machine.reset_value);
    }
    wait(PATIENCE / 10);
}

void arch_restart(void)
{
    reset_by_register();
    port_write8(RESET_CONTROL, 2);
    port_write8(RESET_CONTROL, 6);
    wait(PATIENCE / 10);
    port_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    wait(PATIENCE / 10);
}

void arch_emulator_exit(unsigned status)
{
    port_write32(EMULATOR_EXIT_PORT, status);
}
