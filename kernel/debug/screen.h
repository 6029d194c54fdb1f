/*
 * Text on the framebuffer: a grid of cells, drawn with the built-in font. What each cell shows is remembered,
 * so the framebuffer is only written, never read, and scrolling draws only the cells that change. Callers
 * hold the console's lock.
 */
#ifndef QUIRE_KERNEL_SCREEN_H
#define QUIRE_KERNEL_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

struct cell {
    uint8_t glyph;  /* Latin-1 */
    uint8_t colour; /* 0-7 foreground, plus 8 for bright; high nibble background */
};

#define COLOUR_NORMAL 0x07

/* How pixels are laid out: 4 bytes each; which byte is which colour as in BOOTBOOT's fb_type. */
struct screen_mode {
    volatile uint32_t *pixels;
    uint32_t width, height;
    uint32_t line; /* pixels from one line to the next */
    uint8_t type;
};

/* Take the screen over and clear it. False when there is no memory for the grid, or the mode is too small. */
bool screen_setup(const struct screen_mode *mode);

/* 0 by 0 without a screen. */
unsigned screen_columns(void);
unsigned screen_rows(void);

/* Changes show at the next screen_update. Positions outside are ignored. */
void screen_put(unsigned column, unsigned row, struct cell cell);
void screen_scroll(void);
void screen_cursor(unsigned column, unsigned row);

/* Draw all that changed. */
void screen_update(void);

#endif
