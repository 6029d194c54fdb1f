/* One pass from left to right. The cursor stands always at a character or at the end of the text. */
#include "lib/environment.h"

#include <stdint.h>

#include "lib/text.h"

struct reader {
    const char *text;
    size_t size;
    size_t at;
};

static uint8_t byte_at(const struct reader *reader, size_t offset)
{
    size_t at = reader->at + offset;
    return at < reader->size ? (uint8_t)reader->text[at] : 0;
}

/*
 * The bytes of the character here: 1 to 4, or 0 where the text ends. Well-formed UTF-8 is table 3-7 of the
 * Unicode standard: the second byte has a narrower range behind e0, ed, f0 and f4.
 */
static size_t character(const struct reader *reader)
{
    uint8_t first = byte_at(reader, 0);
    if (first < 0x80) {
        return (first >= ' ' && first != 0x7f) || first == '\t' || first == '\n' || first == '\r';
    }
    size_t bytes = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : 4;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0xc2 || first > 0xf4 || byte_at(reader, 1) < low || byte_at(reader, 1) > high) {
        return 0;
    }
    for (size_t i = 2; i < bytes; i++) {
        if ((byte_at(reader, i) & 0xc0) != 0x80) {
            return 0;
        }
    }
    return bytes;
}

/* Move over one character; false at the end of the text. */
static bool step(struct reader *reader)
{
    size_t bytes = character(reader);
    reader->at += bytes;
    return bytes > 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool at_block_comment(const struct reader *reader)
{
    return byte_at(reader, 0) == '/' && byte_at(reader, 1) == '*';
}

static bool at_line_comment(const struct reader *reader)
{
    if (byte_at(reader, 0) == '#') {
        return reader->at == 0 || is_blank(reader->text[reader->at - 1]) ||
               reader->text[reader->at - 1] == '\n';
    }
    return byte_at(reader, 0) == '/' && byte_at(reader, 1) == '/';
}

static void skip_block_comment(struct reader *reader)
{
    reader->at += 2;
    while (byte_at(reader, 0) != '*' || byte_at(reader, 1) != '/') {
        if (!step(reader)) {
            return;
        }
    }
    reader->at += 2;
}

static void skip_line(struct reader *reader)
{
    while (byte_at(reader, 0) != '\n' && step(reader)) {
    }
}

/* Move to the next thing that is neither blank nor comment. */
static void skip_blank(struct reader *reader)
{
    for (;;) {
        uint8_t c = byte_at(reader, 0);
        if (c == '\n' || is_blank((char)c)) {
            reader->at++;
        } else if (at_block_comment(reader)) {
            skip_block_comment(reader);
        } else if (at_line_comment(reader)) {
            skip_line(reader);
        } else {
            return;
        }
    }
}

/* Read up to a comment, the end of the line or `stop`, and drop blanks at both ends. */
static void take(struct reader *reader, char stop, const char **text, size_t *length)
{
    size_t begin = reader->at;
    for (;;) {
        uint8_t c = byte_at(reader, 0);
        if (c == '\n' || c == (uint8_t)stop || at_block_comment(reader) || at_line_comment(reader) ||
            !step(reader)) {
            break;
        }
    }
    size_t end = reader->at;
    while (begin < end && is_blank(reader->text[begin])) {
        begin++;
    }
    while (begin < end && is_blank(reader->text[end - 1])) {
        end--;
    }
    *text = reader->text + begin;
    *length = end - begin;
}

static bool is_key(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (is_blank(text[i])) {
            return false;
        }
    }
    return length > 0;
}

bool environment_next(const char *text, size_t size, size_t *cursor, const char **key, size_t *key_length,
                      const char **value, size_t *value_length)
{
    struct reader reader = {text, size < ENVIRONMENT_SIZE ? size : ENVIRONMENT_SIZE, *cursor};
    bool found = false;
    while (!found) {
        skip_blank(&reader);
        if (character(&reader) == 0) {
            break;
        }
        take(&reader, '=', key, key_length);
        if (byte_at(&reader, 0) == '=') {
            reader.at++;
            take(&reader, '\n', value, value_length);
            found = is_key(*key, *key_length);
        }
    }
    *cursor = reader.at;
    return found;
}

bool environment_get(const char *text, size_t size, const char *key, const char **value, size_t *length)
{
    const char *found_key, *found_value;
    size_t key_length, value_length, cursor = 0;
    bool found = false;
    while (environment_next(text, size, &cursor, &found_key, &key_length, &found_value, &value_length)) {
        if (text_matches(found_key, key_length, key)) {
            *value = found_value;
            *length = value_length;
            found = true;
        }
    }
    return found;
}

size_t environment_length(const char *text, size_t size)
{
    struct reader reader = {text, size < ENVIRONMENT_SIZE ? size : ENVIRONMENT_SIZE, 0};
    while (step(&reader)) {
    }
    return reader.at;
}
