/*
 * The first serial port, a 16550 (National Semiconductor PC16550D data sheet): 115200 baud, 8 bits, no
 * parity. Output waits for the transmitter; a port that never gets ready, or is not there, is given up.
 */
#include "kernel/arch/x86_64/serial.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/debug/input.h"
#include "kernel/debug/log.h"

#define PORT 0x3f8
#define LINE 4

#define DATA             (PORT + 0)
#define INTERRUPT_ENABLE (PORT + 1)
#define FIFO_CONTROL     (PORT + 2)
#define LINE_CONTROL     (PORT + 3)
#define MODEM_CONTROL    (PORT + 4)
#define LINE_STATUS      (PORT + 5)
#define SCRATCH          (PORT + 7)

#define STATUS_DATA    0x01
#define STATUS_EMPTY   0x20
#define FIFO_DEPTH     16
#define READY_TRIES    100000
#define DIVISOR_LATCH  0x80
#define EIGHT_BITS     0x03
#define MODEM_ON       0x0b /* DTR, RTS, and OUT2, which lets the interrupt through */
#define INTERRUPT_DATA 0x01

static bool present;
static unsigned room; /* bytes that the transmitter's FIFO surely takes */

void serial_setup(void)
{
    port_write8(SCRATCH, 0x5a);
    if (port_read8(SCRATCH) != 0x5a) {
        return;
    }
    port_write8(INTERRUPT_ENABLE, 0);
    port_write8(LINE_CONTROL, DIVISOR_LATCH);
    port_write8(DATA, 1); /* divisor 1: 115200 baud */
    port_write8(INTERRUPT_ENABLE, 0);
    port_write8(LINE_CONTROL, EIGHT_BITS);
    port_write8(FIFO_CONTROL, 0x07); /* on, both cleared, interrupt at one byte */
    port_write8(MODEM_CONTROL, MODEM_ON);
    present = true;
}

static void byte_write(uint8_t byte)
{
    if (room == 0) {
        unsigned tries = READY_TRIES;
        while ((port_read8(LINE_STATUS) & STATUS_EMPTY) == 0) {
            if (--tries == 0) {
                present = false;
                return;
            }
            cpu_pause();
        }
        room = FIFO_DEPTH;
    }
    port_write8(DATA, byte);
    room--;
}

void arch_serial_write(const char *text, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes && present; i++) {
        if (text[i] == '\n') {
            byte_write('\r');
        }
        byte_write((uint8_t)text[i]);
    }
}

static void serial_interrupt(void)
{
    while ((port_read8(LINE_STATUS) & STATUS_DATA) != 0) {
        input_byte(port_read8(DATA));
    }
}

void serial_listen(void)
{
    if (!present) {
        return;
    }
    trap_set_handler(VECTOR_DEVICES + LINE, serial_interrupt);
    if (ioapic_route_isa(LINE, VECTOR_DEVICES + LINE, apic_id()) != ERR_NONE) {
        log_warn("serial: no interrupt line; nothing typed there arrives");
        return;
    }
    port_write8(INTERRUPT_ENABLE, INTERRUPT_DATA);
    serial_interrupt();
}
