/* Text to the console; see print.h. */
#include "user/libq/print.h"

#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/program.h"

#define WRITE_MOST 4096u

void print_bytes(const char *bytes, size_t count)
{
    while (count > 0) {
        uint64_t written = 0;
        size_t part = count < WRITE_MOST ? count : WRITE_MOST;
        if (sys_console_write(startup->console, bytes, part, &written) != ERR_NONE || written == 0) {
            return;
        }
        bytes += written;
        count -= written;
    }
}

void print(const char *format, ...)
{
    char text[PRINT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    size_t length = text_format_list(text, sizeof text, format, arguments);
    va_end(arguments);
    print_bytes(text, length < sizeof text ? length : sizeof text - 1);
}
