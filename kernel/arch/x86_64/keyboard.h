/*
 * The PS/2 keyboard, or what firmware or emulator shows as one.
 */
#ifndef QUIRE_X86_KEYBOARD_H
#define QUIRE_X86_KEYBOARD_H

#include <stdint.h>

/* Set up the controller and let keys interrupt this CPU; quiet when there is none. */
void keyboard_listen(void);

/* What a byte of the keyboard, scan code set 1, types: up to 4 bytes in out, the number returned. For tests.
 */
unsigned keyboard_decode(uint8_t code, char *out);

#endif
