/*
 * Where text for people goes: the serial port, and the screen if there is one.
 */
#ifndef QUIRE_KERNEL_CONSOLE_H
#define QUIRE_KERNEL_CONSOLE_H

#include <stdint.h>

/* Text with line feeds and the escape sequences of terminal.h. Takes LOCK_SCREEN. */
void console_write(const char *text, uint64_t bytes);

/* Without locks from here on; see log_enter_panic. */
void console_enter_panic(void);

#endif
