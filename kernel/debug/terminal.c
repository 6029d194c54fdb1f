/*
 * A small terminal; see terminal.h.
 */
#include "kernel/debug/terminal.h"

#include "kernel/debug/screen.h"

#define ESCAPE     033
#define PARAMETERS 4
#define TAB        8

enum mode { MODE_TEXT, MODE_ESCAPE, MODE_SEQUENCE };

static enum mode mode;
static unsigned column, row;
static uint8_t colour = COLOUR_NORMAL;
static unsigned parameters[PARAMETERS], parameter_count;
static uint32_t code_point;
static unsigned code_bytes; /* of a UTF-8 sequence still to come */

static void line_feed(void)
{
    column = 0;
    if (row + 1 < screen_rows()) {
        row++;
    } else {
        screen_scroll();
    }
}

static void put_glyph(uint32_t code)
{
    if (column >= screen_columns()) {
        line_feed();
    }
    uint8_t glyph = code <= 0xff ? (uint8_t)code : '?';
    screen_put(column++, row, (struct cell){glyph, colour});
}

static void erase(unsigned from_column, unsigned from_row, unsigned to_column, unsigned to_row)
{
    unsigned width = screen_columns();
    for (uint64_t i = (uint64_t)from_row * width + from_column; i < (uint64_t)to_row * width + to_column;
         i++) {
        screen_put((unsigned)(i % width), (unsigned)(i / width), (struct cell){' ', COLOUR_NORMAL});
    }
}

static unsigned clamp(uint64_t value, unsigned limit)
{
    return value < limit ? (unsigned)value : limit - 1;
}

static unsigned parameter(unsigned index, unsigned otherwise)
{
    return index < parameter_count && parameters[index] != 0 ? parameters[index] : otherwise;
}

static void set_colour(unsigned code)
{
    if (code == 0) {
        colour = COLOUR_NORMAL;
    } else if (code == 1) {
        colour |= 8;
    } else if (code == 7) {
        colour = (uint8_t)((colour & 7) << 4 | (colour >> 4 & 7));
    } else if (code >= 30 && code <= 37) {
        colour = (uint8_t)((colour & 0xf8) | (code - 30));
    } else if (code >= 40 && code <= 47) {
        colour = (uint8_t)((colour & 0x0f) | (code - 40) << 4);
    } else if (code >= 90 && code <= 97) {
        colour = (uint8_t)((colour & 0xf0) | 8 | (code - 90));
    }
}

static void erase_command(char final)
{
    unsigned how = parameter(0, 0);
    unsigned width = screen_columns(), height = screen_rows();
    bool all = final == 'J';
    if (how == 0) {
        erase(column, row, width, all ? height - 1 : row);
    } else if (how == 1) {
        erase(0, all ? 0 : row, column + 1, row);
    } else {
        erase(0, all ? 0 : row, width, all ? height - 1 : row);
    }
}

static void sequence_end(char final)
{
    unsigned width = screen_columns(), height = screen_rows();
    unsigned n = parameter(0, 1);
    switch (final) {
    case 'A':
        row = row > n ? row - n : 0;
        break;
    case 'B':
        row = clamp((uint64_t)row + n, height);
        break;
    case 'C':
        column = clamp((uint64_t)column + n, width);
        break;
    case 'D':
        column = column > n ? column - n : 0;
        break;
    case 'G':
        column = clamp((uint64_t)n - 1, width);
        break;
    case 'H':
        row = clamp((uint64_t)n - 1, height);
        column = clamp((uint64_t)parameter(1, 1) - 1, width);
        break;
    case 'J':
    case 'K':
        erase_command(final);
        break;
    case 'm':
        for (unsigned i = 0; i < parameter_count; i++) {
            set_colour(parameters[i]);
        }
        break;
    default:
        break;
    }
}

static void sequence_byte(char byte)
{
    if (byte >= '0' && byte <= '9') {
        unsigned *p = &parameters[parameter_count - 1];
        *p = *p < 10000 ? *p * 10 + (unsigned)(byte - '0') : *p;
    } else if (byte == ';' && parameter_count < PARAMETERS) {
        parameters[parameter_count++] = 0;
    } else if (byte >= '@' && byte <= '~') {
        sequence_end(byte);
        mode = MODE_TEXT;
    }
}

static void control_byte(char byte)
{
    if (byte == '\n') {
        line_feed();
    } else if (byte == '\r') {
        column = 0;
    } else if (byte == '\b') {
        column = column > 0 ? column - 1 : 0;
    } else if (byte == '\t') {
        column = clamp((uint64_t)column / TAB * TAB + TAB, screen_columns());
    } else if (byte == ESCAPE) {
        mode = MODE_ESCAPE;
    }
}

/* UTF-8, RFC 3629 section 3. */
static void text_byte(uint8_t byte)
{
    if (code_bytes > 0 && (byte & 0xc0) == 0x80) {
        code_point = code_point << 6 | (byte & 0x3f);
        if (--code_bytes == 0) {
            put_glyph(code_point);
        }
    } else if (byte >= 0xc0) {
        code_bytes = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
        code_point = byte & (0x3fu >> code_bytes);
    } else {
        code_bytes = 0;
        put_glyph(byte < 0x80 ? byte : '?');
    }
}

void terminal_write(const char *text, uint64_t bytes)
{
    if (screen_columns() == 0) {
        return;
    }
    for (uint64_t i = 0; i < bytes; i++) {
        char byte = text[i];
        if (mode == MODE_SEQUENCE) {
            sequence_byte(byte);
        } else if (mode == MODE_ESCAPE) {
            mode = byte == '[' ? MODE_SEQUENCE : MODE_TEXT;
            parameter_count = 1;
            parameters[0] = 0;
        } else if ((uint8_t)byte < ' ') {
            control_byte(byte);
        } else if (byte != 0x7f) {
            text_byte((uint8_t)byte);
        }
    }
    screen_cursor(column, row);
    screen_update();
}
