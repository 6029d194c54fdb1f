/*
 * The terminal on the screen, over a screen that is an array.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/debug/screen.h"
#include "kernel/debug/terminal.h"
#include "tests/host/random.h"

#define COLUMNS 20
#define ROWS    5

static struct cell grid[ROWS][COLUMNS];
static unsigned cursor_column, cursor_row;

unsigned screen_columns(void)
{
    return COLUMNS;
}

unsigned screen_rows(void)
{
    return ROWS;
}

void screen_put(unsigned column, unsigned row, struct cell cell)
{
    assert_true(column < COLUMNS && row < ROWS);
    grid[row][column] = cell;
}

void screen_scroll(void)
{
    memmove(grid[0], grid[1], sizeof(grid[0]) * (ROWS - 1));
    for (unsigned i = 0; i < COLUMNS; i++) {
        grid[ROWS - 1][i] = (struct cell){' ', COLOUR_NORMAL};
    }
}

void screen_cursor(unsigned column, unsigned row)
{
    assert_true(column <= COLUMNS && row < ROWS);
    cursor_column = column;
    cursor_row = row;
}

void screen_update(void)
{
}

static void say(const char *text)
{
    terminal_write(text, strlen(text));
}

/* The row, without the blanks at its end, reads like this. */
static void expect_row(unsigned row, const char *text)
{
    char line[COLUMNS + 1] = {0};
    for (unsigned i = 0; i < COLUMNS; i++) {
        line[i] = (char)grid[row][i].glyph;
    }
    for (int i = COLUMNS - 1; i >= 0 && line[i] == ' '; i--) {
        line[i] = 0;
    }
    assert_string_equal(line, text);
}

static int fresh(void **state)
{
    (void)state;
    say("\033[0m\033[2J\033[H");
    return 0;
}

static void text_wraps_and_scrolls(void **state)
{
    (void)state;
    say("01234567890123456789ab\ncd\n3\n4\n5");
    expect_row(0, "ab");
    expect_row(1, "cd");
    expect_row(4, "5");
    assert_int_equal(cursor_column, 1);
}

static void a_full_line_wraps_only_with_the_next_character(void **state)
{
    (void)state;
    say("01234567890123456789\nx");
    expect_row(0, "01234567890123456789");
    expect_row(1, "x");
}

static void return_backspace_and_tab_move(void **state)
{
    (void)state;
    say("abc\rX\n\tt\b\bu");
    expect_row(0, "Xbc");
    expect_row(1, "       ut");
}

static void cursor_sequences_move_and_stop_at_the_edges(void **state)
{
    (void)state;
    say("\033[3;5Hx\033[99Ay\033[99Bz\033[99D0\033[99C9\033[2Gw");
    assert_int_equal(grid[2][4].glyph, 'x');
    assert_int_equal(grid[0][5].glyph, 'y');
    assert_int_equal(grid[4][6].glyph, 'z');
    assert_int_equal(grid[4][0].glyph, '0');
    assert_int_equal(grid[4][19].glyph, '9');
    assert_int_equal(grid[4][1].glyph, 'w');
}

static void erasing(void **state)
{
    (void)state;
    say("abcdef\033[3D\033[K");
    expect_row(0, "abc");
    say("\nabcdef\033[3D\033[1K");
    expect_row(1, "    ef");
    say("\033[2K");
    expect_row(1, "");
    say("\033[2J");
    expect_row(0, "");
}

static void colours(void **state)
{
    (void)state;
    say("\033[91;44mr\033[0mn\033[7mi\033[0m");
    assert_int_equal(grid[0][0].colour, 0x49);
    assert_int_equal(grid[0][1].colour, 0x07);
    assert_int_equal(grid[0][2].colour, 0x70);
}

static void utf8_shows_latin_1_and_a_mark_for_the_rest(void **state)
{
    (void)state;
    say("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z\xff");
    assert_int_equal(grid[0][0].glyph, 0xe9);
    assert_int_equal(grid[0][1].glyph, '?');
    assert_int_equal(grid[0][2].glyph, '?');
    assert_int_equal(grid[0][3].glyph, 'z');
}

static void any_bytes_stay_on_the_screen(void **state)
{
    (void)state;
    struct random random = {9};
    for (unsigned i = 0; i < 2000000; i++) {
        char byte = (char)random_below(&random, 256);
        if (random_below(&random, 4) == 0) {
            byte = "\033[;0123456789ABCDGHJKm"[random_below(&random, 22)];
        }
        terminal_write(&byte, 1); /* screen_put checks */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(text_wraps_and_scrolls, fresh),
        cmocka_unit_test_setup(a_full_line_wraps_only_with_the_next_character, fresh),
        cmocka_unit_test_setup(return_backspace_and_tab_move, fresh),
        cmocka_unit_test_setup(cursor_sequences_move_and_stop_at_the_edges, fresh),
        cmocka_unit_test_setup(erasing, fresh),
        cmocka_unit_test_setup(colours, fresh),
        cmocka_unit_test_setup(utf8_shows_latin_1_and_a_mark_for_the_rest, fresh),
        cmocka_unit_test_setup(any_bytes_stay_on_the_screen, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
