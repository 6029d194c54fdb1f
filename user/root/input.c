/* Typed bytes and lines; see input.h. */
#include "user/root/input.h"

#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/root/events.h"
#include "user/root/lineedit.h"

#define PROMPT         "quire> "
#define COLUMNS        80
#define WAITING_BYTES  512
#define BYTE_INTERRUPT 0x03

static struct lineedit editor;

/* Bytes that were read but not used yet: waiting[taken..filled). */
static char waiting[WAITING_BYTES];
static size_t taken;
static size_t filled;

void input_open(void)
{
    lineedit_open(&editor, PROMPT, COLUMNS);
}

/* Read as many bytes as there are and fit. */
static void read_more(void)
{
    uint64_t count = 0;
    memmove(waiting, waiting + taken, filled - taken);
    filled -= taken;
    taken = 0;
    if (filled < sizeof waiting &&
        sys_console_read(startup->console, waiting + filled, sizeof waiting - filled, &count) == ERR_NONE) {
        filled += count;
    }
}

static char next_byte(void)
{
    while (taken == filled) {
        read_more();
        if (taken == filled) {
            events_wait(EVENT_CONSOLE);
        }
    }
    return waiting[taken++];
}

char *input_line(void)
{
    struct lineedit_output output;
    enum lineedit_event event;
    lineedit_begin(&editor, &output);
    print_bytes(output.bytes, output.count);
    do {
        event = lineedit_feed(&editor, next_byte(), &output);
        print_bytes(output.bytes, output.count);
    } while (event == LINEEDIT_MORE);
    if (event == LINEEDIT_END) {
        print("\nThis prompt does not end; `poweroff` switches the machine off.\n");
    }
    return event == LINEEDIT_LINE ? editor.line : NULL;
}

bool input_interrupted(void)
{
    if (filled - taken == sizeof waiting) {
        taken = filled; /* nobody reads this much typing; Ctrl-C must get through */
    }
    read_more();
    for (size_t i = filled; i > taken; i--) {
        if (waiting[i - 1] == BYTE_INTERRUPT) {
            taken = i;
            return true;
        }
    }
    return false;
}

bool input_waiting(void)
{
    read_more();
    return taken != filled;
}

void input_drop(void)
{
    while (input_waiting()) {
        taken = filled;
    }
}
