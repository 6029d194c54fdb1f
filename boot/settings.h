/* What the loader itself takes from the environment; all other keys are the kernel's. Pure. */
#ifndef QUIRE_BOOT_SETTINGS_H
#define QUIRE_BOOT_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_WIDTH_LEAST  640
#define SCREEN_HEIGHT_LEAST 480
#define SCREEN_MOST         32767

struct settings {
    const char *kernel; /* member of the bundle; points into the environment or to the default */
    size_t kernel_length;
    uint32_t screen_width; /* 0: the firmware's own mode */
    uint32_t screen_height;
    bool screen_is_wrong; /* there is a screen=, but it is not WIDTHxHEIGHT of at least 640x480 */
    bool is_single_core;  /* nosmp=1 */
    bool has_five_levels; /* levels=5, without nofeature=la57 */
};

void settings_read(struct settings *settings, const char *text, size_t size);

/*
 * The bytes of a configuration file that are its text: all of it, or up to a NUL with only NULs behind it.
 * False when there is something else behind the text; *length is then where that begins.
 */
bool settings_text(const char *file, size_t size, size_t *length);

#endif
