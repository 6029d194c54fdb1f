/*
 * The PS/2 keyboard behind an 8042 controller (IBM PS/2 hardware interface reference, keyboard and auxiliary
 * device controller): ports 0x60 and 0x64. The controller translates to scan code set 1; a US layout turns that
 * into the bytes that a serial terminal would send, so that the console has one kind of input.
 */
#include "kernel/arch/x86_64/keyboard.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/debug/input.h"
#include "kernel/debug/log.h"
#include "lib/text.h"

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

#define KEY_RELEASED 0x80
#define KEY_EXTENDED 0xe0
#define KEY_CONTROL  0x1d
#define KEY_SHIFT_L  0x2a
#define KEY_SHIFT_R  0x36
#define KEY_CAPS     0x3a

static const char plain[] = "\0\0331234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

/* The sequences that a terminal sends for the keys of the second set. */
static const struct {
    uint8_t code;
    const char *sequence;
} extended_keys[] = {
    {0x48, "\033[A"}, {0x50, "\033[B"}, {0x4d, "\033[C"},  {0x4b, "\033[D"}, {0x47, "\033[H"},
    {0x4f, "\033[F"}, {0x53, "\033[3~"}, {0x1c, "\r"},     {0x35, "/"},
};

static bool extended, shift, control, caps;

static unsigned extended_decode(uint8_t code, char *out)
{
    for (unsigned i = 0; i < sizeof(extended_keys) / sizeof(extended_keys[0]); i++) {
        if (extended_keys[i].code == code) {
            size_t length = strlen(extended_keys[i].sequence);
            memcpy(out, extended_keys[i].sequence, length);
            return (unsigned)length;
        }
    }
    return 0;
}

static bool modifier(uint8_t key, bool pressed)
{
    if (key == KEY_SHIFT_L || key == KEY_SHIFT_R) {
        shift = pressed;
    } else if (key == KEY_CONTROL) {
        control = pressed;
    } else if (key == KEY_CAPS) {
        caps ^= pressed;
    } else {
        return false;
    }
    return true;
}

unsigned keyboard_decode(uint8_t code, char *out)
{
    if (code == KEY_EXTENDED) {
        extended = true;
        return 0;
    }
    bool was_extended = extended;
    extended = false;
    bool pressed = (code & KEY_RELEASED) == 0;
    uint8_t key = code & (KEY_RELEASED - 1);
    bool fake_shift = was_extended && (key == KEY_SHIFT_L || key == KEY_SHIFT_R);
    if (fake_shift || modifier(key, pressed) || !pressed) {
        return 0;
    }
    if (was_extended) {
        return extended_decode(key, out);
    }
    if (key >= sizeof(plain) - 1 || plain[key] == 0) {
        return 0;
    }
    bool letter = plain[key] >= 'a' && plain[key] <= 'z';
    char typed = (shift != (letter && caps)) ? shifted[key] : plain[key];
    *out = control && typed >= '@' && typed != '\177' ? (char)(typed & 0x1f) : typed;
    return 1;
}

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
