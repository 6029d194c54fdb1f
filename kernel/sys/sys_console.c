/*
 * System calls on the console.
 */
#include "kernel/sys/context.h"
#include "kernel/sys/calls.h"

#include "kernel/debug/console.h"
#include "kernel/debug/input.h"

#define CHUNK 256

enum error sys_console_write(struct console *console, uaddr_t text, uint64_t length, uint64_t *result)
{
    (void)console;
    char chunk[CHUNK];
    for (uint64_t done = 0; done < length;) {
        uint64_t bytes = length - done < CHUNK ? length - done : CHUNK;
        enum error error = copy_from_user(chunk, uaddr(text.value + done), bytes);
        if (error != ERR_NONE) {
            return error;
        }
        console_write(chunk, bytes);
        done += bytes;
        error = thread_preemption_point();
        if (error != ERR_NONE) {
            return error;
        }
    }
    *result = length;
    return ERR_NONE;
}

enum error sys_console_read(struct console *console, uaddr_t buffer, uint64_t length, uint64_t *result)
{
    (void)console;
    uint8_t chunk[CHUNK];
    uint32_t position;
    uint64_t count;
    do {
        count = input_peek(chunk, length < CHUNK ? length : CHUNK, &position);
        enum error error = copy_to_user(buffer, chunk, count);
        if (error != ERR_NONE) {
            return error;
        }
    } while (!input_take(position, count));
    *result = count;
    return ERR_NONE;
}

enum error sys_console_watch(struct console *console, struct notification *notification, uint64_t bits)
{
    (void)console;
    if (bits == 0) {
        return ERR_BAD_ARGUMENT;
    }
    notification_retain(notification);
    input_watch(notification, bits);
    return ERR_NONE;
}
