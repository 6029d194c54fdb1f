/*
 * The line editor against a model of a terminal row: whatever is typed, the row shows the prompt and the part
 * of the line around the cursor, nothing else, and never reaches the last column.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/root/lineedit.h"

#define COLUMNS 80
#define PROMPT  "quire> "

static struct lineedit editor;

/* The terminal: the current row, where its cursor is, and how many rows came before. */
static char row[COLUMNS + 1];
static size_t column;
static unsigned rows;

static void terminal_clear(void)
{
    memset(row, ' ', COLUMNS);
    row[COLUMNS] = '\0';
    column = 0;
}

static void terminal_byte(char byte)
{
    if (byte == '\r') {
        column = 0;
    } else if (byte == '\n') {
        terminal_clear();
        rows++;
    } else if (byte == '\b') {
        assert_true(column > 0);
        column--;
    } else if (byte != '\a') {
        assert_in_range(byte, ' ', '~');
        assert_true(column < COLUMNS - 1);
        row[column++] = byte;
    }
}

static void terminal(const struct lineedit_output *output)
{
    static const char clear[] = "\033[H\033[2J";
    size_t at = 0;
    if (output->count >= strlen(clear) && memcmp(output->bytes, clear, strlen(clear)) == 0) {
        terminal_clear();
        at = strlen(clear);
    }
    while (at < output->count) {
        terminal_byte(output->bytes[at++]);
    }
}

static void begin(void)
{
    struct lineedit_output output;
    terminal_clear();
    lineedit_begin(&editor, &output);
    terminal(&output);
}

/* The row shows what the editor holds. */
static void check_row(void)
{
    char expected[COLUMNS + 1];
    size_t room = COLUMNS - strlen(PROMPT) - strlen("^C") - 1;
    assert_int_equal(strlen(editor.line), editor.length);
    assert_true(editor.cursor <= editor.length && editor.cursor >= editor.first);
    snprintf(expected, sizeof expected, "%s%-*.*s", PROMPT, (int)(COLUMNS - strlen(PROMPT)), (int)room,
             editor.line + editor.first);
    assert_string_equal(row, expected);
    assert_int_equal(column, strlen(PROMPT) + editor.cursor - editor.first);
}

static enum lineedit_event type(const char *bytes)
{
    enum lineedit_event event = LINEEDIT_MORE;
    struct lineedit_output output;
    for (size_t i = 0; bytes[i] != '\0'; i++) {
        event = lineedit_feed(&editor, bytes[i], &output);
        terminal(&output);
        if (event == LINEEDIT_MORE) {
            check_row();
        }
    }
    return event;
}

static int open_editor(void **state)
{
    (void)state;
    lineedit_open(&editor, PROMPT, COLUMNS);
    begin();
    return 0;
}

static void enter(const char *line)
{
    assert_int_equal(type(line), LINEEDIT_MORE);
    assert_int_equal(type("\r"), LINEEDIT_LINE);
    begin();
}

static void cr_lf_and_crlf_are_each_one_enter(void **state)
{
    (void)state;
    assert_int_equal(type("one\r"), LINEEDIT_LINE);
    assert_string_equal(editor.line, "one");
    begin();
    assert_int_equal(type("\n"), LINEEDIT_MORE);
    assert_int_equal(type("two\n"), LINEEDIT_LINE);
    assert_string_equal(editor.line, "two");
    begin();
    assert_int_equal(type("\n"), LINEEDIT_LINE);
}

static void cursor_keys_move_and_typing_inserts_there(void **state)
{
    (void)state;
    type("bd\033[D"
         "c\033[H"
         "a\033[F"
         "e\033OD\033OC!");
    assert_string_equal(editor.line, "abcde!");
    type("\033[1~<\033[4~>\001[\005]\002\002\006.");
    assert_string_equal(editor.line, "[<abcde!>.]");
}

static void keys_stop_at_both_ends(void **state)
{
    (void)state;
    type("\033[D\033[D\033[3~\177\bx\033[C\033[C\033[3~y");
    assert_string_equal(editor.line, "xy");
}

static void backspace_and_delete_take_one_byte(void **state)
{
    (void)state;
    type("abcdef\177\b\033[H\033[3~\004");
    assert_string_equal(editor.line, "cd");
}

static void cuts_take_word_start_and_rest(void **state)
{
    (void)state;
    type("run hello  there  \027");
    assert_string_equal(editor.line, "run hello  ");
    type("\027");
    assert_string_equal(editor.line, "run ");
    type("spin 3\033[D\033[D\013");
    assert_string_equal(editor.line, "run spin");
    type("\033[D\033[D\025");
    assert_string_equal(editor.line, "in");
}

static void ctrl_c_drops_the_line(void **state)
{
    (void)state;
    assert_int_equal(type("abc\003"), LINEEDIT_INTERRUPT);
    begin();
    check_row();
    assert_string_equal(editor.line, "");
}

static void ctrl_d_ends_only_an_empty_line(void **state)
{
    (void)state;
    assert_int_equal(type("a\004"), LINEEDIT_MORE);
    assert_string_equal(editor.line, "a");
    assert_int_equal(type("\177\004"), LINEEDIT_END);
}

static void ctrl_l_draws_the_line_again(void **state)
{
    (void)state;
    type("abc\033[D\014");
    assert_string_equal(editor.line, "abc");
}

static void history_goes_back_and_returns_to_the_draft(void **state)
{
    (void)state;
    enter("first");
    enter("second");
    enter("second");
    enter("");
    type("draft\033[A");
    assert_string_equal(editor.line, "second");
    type("\033[A");
    assert_string_equal(editor.line, "first");
    type("\033[A");
    assert_string_equal(editor.line, "first");
    type("\033[B\033[B");
    assert_string_equal(editor.line, "draft");
    type("\033[B");
    assert_string_equal(editor.line, "draft");
}

static void history_keeps_64_lines(void **state)
{
    (void)state;
    char line[16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "line %u", i);
        enter(line);
    }
    for (unsigned i = 0; i < 100; i++) {
        type("\033[A");
    }
    assert_string_equal(editor.line, "line 36");
}

static void a_full_line_takes_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * LINE_BYTES; i++) {
        type("x");
    }
    assert_int_equal(editor.length, LINE_BYTES - 1);
    type("\001y");
    assert_int_equal(editor.length, LINE_BYTES - 1);
    assert_int_equal(editor.line[0], 'x');
}

static void unknown_sequences_and_foreign_bytes_leave_the_line_alone(void **state)
{
    (void)state;
    type("a\033[15~\033[1;5Z\033x\033[99999999999~\300\251\t\001\000b");
    type("\033[\003");
    assert_string_equal(editor.line, "");
}

static void any_bytes_leave_the_row_right(void **state)
{
    (void)state;
    static const char *const keys[] = {"\033[A", "\033[B", "\033[C", "\033[D", "\033[H", "\033[F", "\033[3~",
                                       "\177",   "\013",   "\025",   "\027",   "\r",     "\003",   "\014"};
    srand(1);
    for (unsigned i = 0; i < 200000; i++) {
        char text[2] = {(char)(1 + rand() % 255), '\0'};
        unsigned choice = (unsigned)rand() % 64;
        const char *bytes = choice < 14 ? keys[choice] : text;
        if (choice >= 20) {
            text[0] = (char)(' ' + rand() % 95);
        }
        enum lineedit_event event = type(bytes);
        if (event != LINEEDIT_MORE) {
            begin();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cr_lf_and_crlf_are_each_one_enter, open_editor),
        cmocka_unit_test_setup(cursor_keys_move_and_typing_inserts_there, open_editor),
        cmocka_unit_test_setup(keys_stop_at_both_ends, open_editor),
        cmocka_unit_test_setup(backspace_and_delete_take_one_byte, open_editor),
        cmocka_unit_test_setup(cuts_take_word_start_and_rest, open_editor),
        cmocka_unit_test_setup(ctrl_c_drops_the_line, open_editor),
        cmocka_unit_test_setup(ctrl_d_ends_only_an_empty_line, open_editor),
        cmocka_unit_test_setup(ctrl_l_draws_the_line_again, open_editor),
        cmocka_unit_test_setup(history_goes_back_and_returns_to_the_draft, open_editor),
        cmocka_unit_test_setup(history_keeps_64_lines, open_editor),
        cmocka_unit_test_setup(a_full_line_takes_no_more, open_editor),
        cmocka_unit_test_setup(unknown_sequences_and_foreign_bytes_leave_the_line_alone, open_editor),
        cmocka_unit_test_setup(any_bytes_leave_the_row_right, open_editor),
    };
    return cmocka_run_group_tests_name("lineedit", tests, NULL, NULL);
}
