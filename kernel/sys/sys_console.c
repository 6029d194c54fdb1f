/*
 * System calls on the console.
 */
#include "kernel/sys/calls.h"
#include "kernel/sys/plans.h"

#include "kernel/debug/console.h"
#include "kernel/debug/input.h"
#include "kernel/mm/charged.h"

/* Bytes that are written between two looks at what else is to do. */
#define CHUNK 256

static void give_back(struct console_write_plan *plan)
{
    if (plan->text != plan->little) {
        charged_free(plan->account, plan->text, plan->length);
    }
}

enum error prepare_console_write(struct console *console, uaddr_t text, uint64_t length,
                                 struct console_write_plan *plan)
{
    (void)console;
    void *buffer = plan->little;
    enum error error = ERR_NONE;
    plan->account = caller()->account;
    plan->length = length;
    if (length > sizeof(plan->little)) {
        error = charged_alloc(plan->account, length, &buffer);
        if (error != ERR_NONE) {
            return error;
        }
    }
    plan->text = buffer;
    error = copy_from_user(plan->text, text, length);
    if (error != ERR_NONE) {
        give_back(plan);
    }
    return error;
}

void commit_console_write(struct console_write_plan *plan, uint64_t *result)
{
    enum error killed = ERR_NONE;
    for (uint64_t done = 0; killed == ERR_NONE && done < plan->length; done += CHUNK) {
        uint64_t left = plan->length - done;
        console_write(plan->text + done, left < CHUNK ? left : CHUNK);
        killed = thread_preemption_point();
    }
    give_back(plan);
    *result = plan->length;
}

enum error prepare_console_read(struct console *console, uaddr_t buffer, uint64_t length,
                                struct console_read_plan *plan)
{
    (void)console;
    uint8_t chunk[CHUNK];
    uint32_t position;
    do {
        plan->count = input_peek(chunk, length < CHUNK ? length : CHUNK, &position);
        enum error error = copy_to_user(buffer, chunk, plan->count);
        if (error != ERR_NONE) {
            return error;
        }
    } while (!input_take_prepare(position));
    return ERR_NONE;
}

void commit_console_read(struct console_read_plan *plan, uint64_t *result)
{
    input_take_commit(plan->count);
    *result = plan->count;
}

void commit_console_watch(struct console *console, struct notification *notification, uint64_t bits)
{
    (void)console;
    input_watch(notification, bits);
}
