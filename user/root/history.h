/* The last lines that were entered. Nothing here allocates or prints. */
#ifndef QUIRE_ROOT_HISTORY_H
#define QUIRE_ROOT_HISTORY_H

#include <stddef.h>

#define HISTORY_LINES 64
#define LINE_BYTES    256 /* of a line, with its NUL */

struct history {
    char lines[HISTORY_LINES][LINE_BYTES];
    size_t added; /* in all; the last HISTORY_LINES of them are kept */
};

/* Add a line; not when it is empty, or the same as the one before. */
void history_add(struct history *history, const char *line);

/* The line entered `back` lines ago, 1 the newest; NULL when it is not kept. */
const char *history_line(const struct history *history, size_t back);

#endif
