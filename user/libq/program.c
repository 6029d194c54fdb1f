/* Start and end of a program; see program.h. */
#include "user/libq/program.h"

#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/print.h"

const struct startup *startup;

_Noreturn void program_begin(const struct startup *block);

_Noreturn void program_exit(uint32_t status)
{
    sys_task_exit(status);
    __builtin_trap();
}

_Noreturn void program_begin(const struct startup *block)
{
    if (block->magic != STARTUP_MAGIC) {
        program_exit(1);
    }
    startup = block;
    program_exit((uint32_t)main((int)block->argc, (char **)block->argv));
}

static const char *program_name(void)
{
    char **argv = (char **)startup->argv;
    return startup->argc > 0 ? argv[0] : "program";
}

_Noreturn void program_fail(const char *format, ...)
{
    char text[PRINT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    text_format_list(text, sizeof text, format, arguments);
    va_end(arguments);
    print("%s: %s\n", program_name(), text);
    program_exit(STATUS_SAID);
}

uint64_t program_number(const char *name, const char *argument, uint64_t low, uint64_t high)
{
    uint64_t number = 0;
    if (!text_to_number(argument, strlen(argument), &number) || number < low || number > high) {
        program_fail("%s is '%s', but must be a number from %lu to %lu", name, argument, low, high);
    }
    return number;
}
