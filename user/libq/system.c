/* What the kernel knows; see system.h. */
#include "user/libq/system.h"

#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"

enum error system_record(uint64_t topic, uint64_t index, void *record, size_t bytes)
{
    uint64_t filled = 0;
    enum error error = sys_system_read(startup->system, topic, index, record, bytes, &filled);
    return error == ERR_NONE && filled == 0 ? ERR_NOT_FOUND : error;
}

bool system_record_or_say(const char *command, uint64_t topic, void *record, size_t bytes)
{
    enum error error = system_record(topic, 0, record, bytes);
    if (error != ERR_NONE) {
        print("%s: the kernel does not tell: %s\n", command, error_text(error));
    }
    return error == ERR_NONE;
}

bool system_variable(const char *key, char *value, size_t bytes)
{
    struct system_variable variable;
    bool found = false;
    for (uint64_t i = 0; system_record(TOPIC_ENVIRONMENT, i, &variable, sizeof variable) == ERR_NONE; i++) {
        if (text_equal(variable.key, key)) {
            text_format(value, bytes, "%s", variable.value);
            found = true; /* a later line counts more */
        }
    }
    return found;
}
