/* lib/environment and boot/settings: no text may make them read outside or go round for ever. */
#include <assert.h>
#include <stdint.h>

#include "boot/settings.h"
#include "lib/environment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *key, *value;
    size_t key_length, value_length, length, cursor = 0;
    struct settings settings;
    for (size_t before = 0; environment_next(text, size, &cursor, &key, &key_length, &value, &value_length);
         before = cursor) {
        assert(cursor > before && cursor <= size && cursor <= ENVIRONMENT_SIZE);
        assert(key_length > 0 && key >= text && key + key_length < text + cursor);
        assert(value > key && value + value_length <= text + cursor);
    }
    assert(environment_length(text, size) <= size);
    settings_read(&settings, text, size);
    assert(settings.kernel_length > 0);
    settings_text(text, size, &length);
    return 0;
}
