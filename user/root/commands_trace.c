/* The command trace: on, off, and printing what was recorded, for tools/timeline.py to read. */
#include "abi/trace.h"
#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/root/commands.h"
#include "user/root/input.h"

#define BATCH 64u

static void control(uint64_t action)
{
    enum error error = sys_system_control(startup->system, action, 0);
    if (error != ERR_NONE) {
        print("trace: %s\n", error_text(error));
    }
}

/* One line an event: CPU, time, kind, x, a, b, in hexadecimal. */
static void print_event(const struct system_trace *e)
{
    print("trace: %lx %lx %x %x %lx %lx\n", e->index >> 48, e->time, e->kind, e->x, e->a, e->b);
}

static void dump(void)
{
    static struct system_trace events[BATCH];
    uint64_t bytes;
    uint64_t index = 0;
    struct system_thread thread;
    for (uint64_t i = 0; system_record(TOPIC_THREADS, i, &thread, sizeof thread) == ERR_NONE;
         i = thread.number + 1ull) {
        print("trace-thread: %x %x %s\n", thread.number, thread.task, thread.name);
    }
    while (sys_system_read(startup->system, TOPIC_TRACE, index, events, sizeof events, &bytes) == ERR_NONE &&
           bytes > 0 && !input_interrupted()) {
        size_t count = bytes / sizeof events[0];
        for (size_t i = 0; i < count; i++) {
            print_event(&events[i]);
        }
        index = events[count - 1].index + 1;
    }
    print("trace-end\n");
}

void command_trace(size_t count, char **words)
{
    (void)count;
    if (text_equal(words[1], "on")) {
        control(ACTION_TRACE_ON);
    } else if (text_equal(words[1], "off")) {
        control(ACTION_TRACE_OFF);
    } else if (text_equal(words[1], "dump")) {
        control(ACTION_TRACE_OFF); /* so that it does not record its own printing */
        dump();
    } else {
        print("trace: '%s' is none of on, off, dump\n", words[1]);
    }
}
