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

/* Is this name one of a list with commas? */
static bool names(const char *list, size_t length, const char *name)
{
    size_t start = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i == length || list[i] == ',') {
            if (text_matches(list + start, i - start, name)) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
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
    if (environment_get(text, size, "nofeature", &value, &length) && names(value, length, "la57")) {
        settings->has_five_levels = false;
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
