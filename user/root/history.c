/* The last lines, in a ring; see history.h. */
#include "user/root/history.h"

#include "lib/text.h"

void history_add(struct history *history, const char *line)
{
    const char *last = history_line(history, 1);
    if (line[0] == '\0' || (last != NULL && text_equal(last, line))) {
        return;
    }
    text_format(history->lines[history->added % HISTORY_LINES], LINE_BYTES, "%s", line);
    history->added++;
}

const char *history_line(const struct history *history, size_t back)
{
    if (back == 0 || back > history->added || back > HISTORY_LINES) {
        return NULL;
    }
    return history->lines[(history->added - back) % HISTORY_LINES];
}
