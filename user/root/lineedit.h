/*
 * The line editor: a state machine that takes typed bytes one by one and answers each with the bytes that the
 * terminal has to be sent, and with whether a line is complete. It makes no calls and keeps no globals.
 *
 * It edits printable ASCII (keys.h says which keys it knows); other bytes are dropped. It draws by CR, LF,
 * backspace, bell, printable bytes and blanks on one row, which scrolls sideways when the line is longer;
 * only Ctrl-L sends escape sequences.
 */
#ifndef QUIRE_ROOT_LINEEDIT_H
#define QUIRE_ROOT_LINEEDIT_H

#include <stddef.h>

#include "user/root/history.h"
#include "user/root/keys.h"

/* The widest terminal row that is used, and the bytes that one typed byte can make at most. */
#define LINEEDIT_COLUMNS_MOST 200
#define LINEEDIT_OUTPUT_BYTES (2 * LINEEDIT_COLUMNS_MOST + 32)

enum lineedit_event {
    LINEEDIT_MORE,      /* the line goes on */
    LINEEDIT_LINE,      /* Enter: editor->line is complete */
    LINEEDIT_INTERRUPT, /* Ctrl-C: the line was dropped */
    LINEEDIT_END,       /* Ctrl-D on an empty line */
};

struct lineedit_output {
    char bytes[LINEEDIT_OUTPUT_BYTES];
    size_t count;
};

struct lineedit {
    char line[LINE_BYTES]; /* NUL-terminated */
    size_t length;
    size_t cursor; /* 0..length */

    const char *prompt;
    size_t columns; /* of the terminal */
    size_t first;   /* index of the first byte of the line that is shown */
    size_t drawn;   /* bytes of the line that are on the screen */

    struct keys keys;
    struct history history;
    size_t back;            /* how far back in the history the line is from, 0 the new one */
    char draft[LINE_BYTES]; /* the new line, while an older one is shown */
};

/* Begin with an empty history. The prompt must live as long as the editor and leave at least 16 columns. */
void lineedit_open(struct lineedit *editor, const char *prompt, size_t columns);

/* Begin a new line: the prompt. */
void lineedit_begin(struct lineedit *editor, struct lineedit_output *output);

/* Take one typed byte. The output replaces what was in it. */
enum lineedit_event lineedit_feed(struct lineedit *editor, char byte, struct lineedit_output *output);

#endif
