/*
 * The root server: the first program, started by the kernel with a handle to everything. It starts all other
 * programs and gives each only what it needs, and it is the prompt on the console. Nothing that another
 * program does ends it; it never exits.
 */
#include "syscalls.h"
#include "lib/text.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/root/autorun.h"
#include "user/root/commands.h"
#include "user/root/events.h"
#include "user/root/input.h"
#include "user/root/jobs.h"
#include "user/root/programs.h"

#define LOG_INFO 1

static void must(enum error error, const char *what)
{
    if (error != ERR_NONE) {
        program_fail("cannot %s: %s", what, error_text(error));
    }
}

static void say_ready(void)
{
    char text[64];
    print("\nQuire. `help` lists the commands, `poweroff` ends it.\n");
    size_t length =
        text_format(text, sizeof text, "ready: %lu ms after kernel entry", clock_now() / MILLISECOND);
    sys_log_write(startup->system, LOG_INFO, text, length);
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    must(events_open(), "watch the console");
    must(programs_open(), "read the init bundle");
    input_open();
    say_ready();
    autorun();
    for (;;) {
        jobs_announce();
        char *line = input_line();
        if (line != NULL) {
            commands_execute(line);
        }
    }
}
