/*
 * What keys type: scan code set 1 (IBM PS/2 hardware interface reference, keyboard), a US layout, and the
 * bytes that a terminal would send. Pure but for the state of the modifier keys.
 */
#include "kernel/arch/x86_64/keyboard.h"

#include <stdbool.h>

#include "lib/text.h"

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
    {0x48, "\033[A"}, {0x50, "\033[B"},  {0x4d, "\033[C"}, {0x4b, "\033[D"}, {0x47, "\033[H"},
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
