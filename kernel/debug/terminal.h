/*
 * A small terminal on the screen, so that the framebuffer shows what a serial terminal shows. Understands
 * line feed (which also returns), carriage return, backspace, tab, and of ECMA-48: CUU CUD CUF CUB (ESC [ n
 * A-D), CHA (G), CUP (H), ED (J), EL (K), SGR (m) with 0, 1, 7, 30-37, 40-47, 90-97. Text is UTF-8; what is
 * not in Latin-1 shows as a question mark. Callers hold the console's lock.
 */
#ifndef QUIRE_KERNEL_TERMINAL_H
#define QUIRE_KERNEL_TERMINAL_H

#include <stdint.h>

/* Does nothing while there is no screen. */
void terminal_write(const char *text, uint64_t bytes);

#endif
