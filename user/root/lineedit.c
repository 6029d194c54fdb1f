/*
 * The line editor; see lineedit.h. A key changes the line; then the row is drawn again, except that a byte
 * typed at the end is simply sent.
 */
#include "user/root/lineedit.h"

#include "lib/text.h"

static void put(struct lineedit_output *output, char byte, size_t times)
{
    while (times-- > 0 && output->count < LINEEDIT_OUTPUT_BYTES) {
        output->bytes[output->count++] = byte;
    }
}

static void put_text(struct lineedit_output *output, const char *text)
{
    while (*text != '\0') {
        put(output, *text++, 1);
    }
}

#define INTERRUPT_MARK "^C"

/* Columns for the line itself. Free stay the room for the mark of Ctrl-C, and the last column, since a
 * terminal may wrap when that is written. */
static size_t room(const struct lineedit *editor)
{
    return editor->columns - strlen(editor->prompt) - strlen(INTERRUPT_MARK) - 1;
}

/* Choose what part of the line is shown. When the cursor leaves it, it moves on by a quarter of the row more,
 * so that not every byte after that moves the whole row. */
static void scroll(struct lineedit *editor)
{
    size_t width = room(editor);
    size_t more = width / 4;
    if (editor->cursor < editor->first) {
        editor->first = editor->cursor > more ? editor->cursor - more : 0;
    }
    if (editor->cursor > editor->first + width) {
        editor->first = editor->cursor - width + more;
    }
    if (editor->length <= width) {
        editor->first = 0;
    }
}

static void draw(struct lineedit *editor, struct lineedit_output *output)
{
    scroll(editor);
    size_t shown = editor->length - editor->first;
    shown = shown < room(editor) ? shown : room(editor);
    size_t stale = editor->drawn > shown ? editor->drawn - shown : 0;
    put(output, '\r', 1);
    put_text(output, editor->prompt);
    for (size_t i = 0; i < shown; i++) {
        put(output, editor->line[editor->first + i], 1);
    }
    put(output, ' ', stale);
    put(output, '\b', shown + stale - (editor->cursor - editor->first));
    editor->drawn = shown;
}

static void set_line(struct lineedit *editor, const char *text)
{
    text_format(editor->line, sizeof editor->line, "%s", text);
    editor->length = strlen(editor->line);
    editor->cursor = editor->length;
}

static void insert(struct lineedit *editor, char byte, struct lineedit_output *output)
{
    if (editor->length + 1 >= sizeof editor->line) {
        put(output, '\a', 1);
        return;
    }
    memmove(&editor->line[editor->cursor + 1], &editor->line[editor->cursor],
            editor->length - editor->cursor + 1);
    editor->line[editor->cursor++] = byte;
    editor->length++;
    if (editor->cursor == editor->length && editor->length - editor->first <= room(editor)) {
        put(output, byte, 1);
        editor->drawn++;
    } else {
        draw(editor, output);
    }
}

/* Remove the bytes from `from` up to `to`; the cursor stands there after. */
static void cut(struct lineedit *editor, size_t from, size_t to)
{
    memmove(&editor->line[from], &editor->line[to], editor->length - to + 1);
    editor->length -= to - from;
    editor->cursor = from;
}

static size_t word_start(const struct lineedit *editor)
{
    size_t at = editor->cursor;
    while (at > 0 && editor->line[at - 1] == ' ') {
        at--;
    }
    while (at > 0 && editor->line[at - 1] != ' ') {
        at--;
    }
    return at;
}

/* Show the line that lies this far back; the new line is put aside and comes back at 0. */
static void recall(struct lineedit *editor, size_t back)
{
    const char *line = back == 0 ? editor->draft : history_line(&editor->history, back);
    if (line == NULL) {
        return;
    }
    if (editor->back == 0) {
        text_format(editor->draft, sizeof editor->draft, "%s", editor->line);
    }
    editor->back = back;
    set_line(editor, line);
}

static void move(struct lineedit *editor, enum key key)
{
    switch (key) {
    case KEY_UP:
        recall(editor, editor->back + 1);
        break;
    case KEY_DOWN:
        if (editor->back > 0) {
            recall(editor, editor->back - 1);
        }
        break;
    case KEY_RIGHT:
        editor->cursor += editor->cursor < editor->length;
        break;
    case KEY_LEFT:
        editor->cursor -= editor->cursor > 0;
        break;
    case KEY_HOME:
        editor->cursor = 0;
        break;
    case KEY_END:
        editor->cursor = editor->length;
        break;
    default:
        break;
    }
}

static void erase(struct lineedit *editor, enum key key)
{
    switch (key) {
    case KEY_DELETE:
    case KEY_DELETE_END:
        cut(editor, editor->cursor, editor->cursor + (editor->cursor < editor->length));
        break;
    case KEY_BACKSPACE:
        cut(editor, editor->cursor - (editor->cursor > 0), editor->cursor);
        break;
    case KEY_CUT_REST:
        cut(editor, editor->cursor, editor->length);
        break;
    case KEY_CUT_START:
        cut(editor, 0, editor->cursor);
        break;
    case KEY_CUT_WORD:
        cut(editor, word_start(editor), editor->cursor);
        break;
    default:
        break;
    }
}

static enum lineedit_event finish(struct lineedit *editor, struct lineedit_output *output)
{
    put(output, '\n', 1);
    history_add(&editor->history, editor->line);
    return LINEEDIT_LINE;
}

static enum lineedit_event interrupt(struct lineedit *editor, struct lineedit_output *output)
{
    put_text(output, INTERRUPT_MARK "\n");
    set_line(editor, "");
    return LINEEDIT_INTERRUPT;
}

void lineedit_open(struct lineedit *editor, const char *prompt, size_t columns)
{
    *editor = (struct lineedit){0};
    editor->prompt = prompt;
    editor->columns = columns < LINEEDIT_COLUMNS_MOST ? columns : LINEEDIT_COLUMNS_MOST;
}

void lineedit_begin(struct lineedit *editor, struct lineedit_output *output)
{
    output->count = 0;
    set_line(editor, "");
    editor->first = 0;
    editor->drawn = 0;
    editor->back = 0;
    put_text(output, editor->prompt);
}

enum lineedit_event lineedit_feed(struct lineedit *editor, char byte, struct lineedit_output *output)
{
    enum key key = keys_feed(&editor->keys, (unsigned char)byte);
    output->count = 0;
    switch (key) {
    case KEY_NONE:
        return LINEEDIT_MORE;
    case KEY_TEXT:
        insert(editor, byte, output);
        return LINEEDIT_MORE;
    case KEY_ENTER:
        return finish(editor, output);
    case KEY_INTERRUPT:
        return interrupt(editor, output);
    case KEY_DELETE_END:
        if (editor->length == 0) {
            return LINEEDIT_END;
        }
        break;
    case KEY_CLEAR_SCREEN:
        put_text(output, "\033[H\033[2J");
        break;
    default:
        break;
    }
    move(editor, key);
    erase(editor, key);
    draw(editor, output);
    return LINEEDIT_MORE;
}
