/*
 * The PS/2 keyboard behind an 8042 controller (IBM PS/2 hardware interface reference, keyboard and auxiliary
 * device controller): ports 0x60 and 0x64. The controller translates to scan code set 1, which keymap.c turns
 * into the bytes that a serial terminal would send, so that the console has one kind of input.
 */
#include "kernel/arch/x86_64/keyboard.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/debug/input.h"
#include "kernel/debug/log.h"

#define DATA   0x60
#define STATUS 0x64
#define LINE   1

#define STATUS_OUTPUT 0x01
#define STATUS_INPUT  0x02
#define TRIES         10000

#define COMMAND_READ_MODE  0x20
#define COMMAND_WRITE_MODE 0x60
#define MODE_INTERRUPT     0x01
#define MODE_NO_KEYBOARD   0x10
#define MODE_TRANSLATE     0x40

static void keyboard_interrupt(void)
{
    char bytes[4];
    while ((port_read8(STATUS) & STATUS_OUTPUT) != 0) {
        unsigned count = keyboard_decode(port_read8(DATA), bytes);
        for (unsigned i = 0; i < count; i++) {
            input_byte((uint8_t)bytes[i]);
        }
    }
}

static bool wait_status(uint8_t bit, bool set)
{
    for (unsigned i = 0; i < TRIES; i++) {
        if (((port_read8(STATUS) & bit) != 0) == set) {
            return true;
        }
    }
    return false;
}

static bool controller_setup(void)
{
    if (port_read8(STATUS) == 0xff || !wait_status(STATUS_INPUT, false)) {
        return false;
    }
    while ((port_read8(STATUS) & STATUS_OUTPUT) != 0) {
        port_read8(DATA);
    }
    port_write8(STATUS, COMMAND_READ_MODE);
    if (!wait_status(STATUS_OUTPUT, true)) {
        return false;
    }
    uint8_t mode = (uint8_t)((port_read8(DATA) | MODE_INTERRUPT | MODE_TRANSLATE) & ~MODE_NO_KEYBOARD);
    port_write8(STATUS, COMMAND_WRITE_MODE);
    if (!wait_status(STATUS_INPUT, false)) {
        return false;
    }
    port_write8(DATA, mode);
    return true;
}

void keyboard_listen(void)
{
    trap_set_handler(VECTOR_DEVICES + LINE, keyboard_interrupt);
    if (!controller_setup() || ioapic_route_isa(LINE, VECTOR_DEVICES + LINE, apic_id()) != ERR_NONE) {
        log_info("keyboard: no PS/2 controller");
    }
}
