/* Running tests and keeping reasons; see test.h. */
#include "user/bin/utest/test.h"

#include "lib/text.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"

static char reason[400];
static bool skipped;

bool test_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    size_t length = text_format(reason, sizeof reason, "%s:%d: ", file, line);
    va_start(arguments, format);
    if (length < sizeof reason) {
        text_format_list(reason + length, sizeof reason - length, format, arguments);
    }
    va_end(arguments);
    return false;
}

bool test_skip(const char *why)
{
    text_format(reason, sizeof reason, "%s", why);
    skipped = true;
    return true;
}

bool test_differs(const char *file, int line, const char *what, uint64_t actual, uint64_t expected)
{
    return test_fail(file, line, "%s is 0x%lx, expected 0x%lx", what, actual, expected);
}

bool test_error(const char *file, int line, const char *what, enum error actual, enum error expected)
{
    return test_fail(file, line, "%s gave %s, expected %s", what, error_name(actual), error_name(expected));
}

void area_run(const struct area *area, unsigned *passed, unsigned *failed)
{
    for (size_t i = 0; i < area->count; i++) {
        const char *name = area->tests[i].name;
        skipped = false;
        if (!area->tests[i].function()) {
            print("FAIL %s.%s: %s\n", area->name, name, reason);
            (*failed)++;
        } else if (skipped) {
            print("skip %s.%s: %s\n", area->name, name, reason);
        } else {
            print("ok %s.%s\n", area->name, name);
            (*passed)++;
        }
    }
}
