#include "boot/settings.h"

#include "lib/environment.h"
#include "lib/text.h"

static bool read_screen(const char *value, size_t length, struct settings *settings)
{
    uint64_t width, height;
    size_t x = 0;
    while (x < length && value[x] != 'x') {
        x++;
    }
    if (x == length || !text_to_number(value, x, &width) ||
        !text_to_number(value + x + 1, length - x - 1, &height) || width < SCREEN_WIDTH_LEAST ||
        height < SCREEN_HEIGHT_LEAST || width > SCREEN_MOST || height > SCREEN_MOST) {
        return false;
    }
    settings->screen_width = (uint32_t)width;
    settings->screen_height = (uint32_t)height;
    return true;
}

void settings_read(struct settings *settings, const char *text, size_t size)
{
    const char *value;
    size_t length;
    *settings = (struct settings){.kernel = "sys/core", .kernel_length = strlen("sys/core")};
    if (environment_get(text, size, "kernel", &value, &length) && length > 0) {
        settings->kernel = value;
        settings->kernel_length = length;
    }
    if (environment_get(text, size, "screen", &value, &length)) {
        settings->screen_is_wrong = !read_screen(value, length, settings);
    }
    if (environment_get(text, size, "nosmp", &value, &length)) {
        settings->is_single_core = text_matches(value, length, "1");
    }
    if (environment_get(text, size, "levels", &value, &length)) {
        settings->has_five_levels = text_matches(value, length, "5");
    }
}

bool settings_text(const char *file, size_t size, size_t *length)
{
    *length = environment_length(file, size);
    size_t end = *length;
    while (end < size && file[end] == 0) {
        end++;
    }
    return end == size;
}
