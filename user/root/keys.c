/* Terminal bytes to keys; see keys.h. The escape sequences are those of ECMA-48 (CSI) and of VT100 (SS3). */
#include "user/root/keys.h"

#define CONTROL(letter) ((letter)&0x1f)
#define BYTE_ESCAPE     0x1b
#define BYTE_DELETE     0x7f
#define PARAMETER_MOST  1000u

static enum key control_key(unsigned char byte)
{
    switch (byte) {
    case '\r':
    case '\n':
        return KEY_ENTER;
    case CONTROL('C'):
        return KEY_INTERRUPT;
    case CONTROL('P'):
        return KEY_UP;
    case CONTROL('N'):
        return KEY_DOWN;
    case CONTROL('F'):
        return KEY_RIGHT;
    case CONTROL('B'):
        return KEY_LEFT;
    case CONTROL('A'):
        return KEY_HOME;
    case CONTROL('E'):
        return KEY_END;
    case CONTROL('D'):
        return KEY_DELETE_END;
    case CONTROL('H'):
    case BYTE_DELETE:
        return KEY_BACKSPACE;
    case CONTROL('K'):
        return KEY_CUT_REST;
    case CONTROL('U'):
        return KEY_CUT_START;
    case CONTROL('W'):
        return KEY_CUT_WORD;
    case CONTROL('L'):
        return KEY_CLEAR_SCREEN;
    default:
        return KEY_NONE;
    }
}

/* CSI number ~ */
static enum key numbered_key(unsigned number)
{
    switch (number) {
    case 1:
    case 7:
        return KEY_HOME;
    case 4:
    case 8:
        return KEY_END;
    case 3:
        return KEY_DELETE;
    default:
        return KEY_NONE;
    }
}

/* The key that the last byte of an escape sequence means. */
static enum key final_key(unsigned char last, unsigned parameter)
{
    switch (last) {
    case 'A':
        return KEY_UP;
    case 'B':
        return KEY_DOWN;
    case 'C':
        return KEY_RIGHT;
    case 'D':
        return KEY_LEFT;
    case 'H':
        return KEY_HOME;
    case 'F':
        return KEY_END;
    case '~':
        return numbered_key(parameter);
    default:
        return KEY_NONE;
    }
}

/* A byte that follows ESC. What is no sequence, Alt with a letter for one, is dropped. */
static enum key escape_feed(struct keys *keys, unsigned char byte)
{
    if (keys->state == KEYS_ESCAPE) {
        keys->parameter = 0;
        keys->state = byte == '[' ? KEYS_PARAMETERS : byte == 'O' ? KEYS_SINGLE : KEYS_PLAIN;
        return KEY_NONE;
    }
    if (keys->state == KEYS_PARAMETERS && byte < '@') {
        if (byte >= '0' && byte <= '9') {
            unsigned parameter = keys->parameter * 10 + (unsigned)(byte - '0');
            keys->parameter = parameter < PARAMETER_MOST ? parameter : PARAMETER_MOST;
        }
        return KEY_NONE;
    }
    keys->state = KEYS_PLAIN;
    return final_key(byte, keys->parameter);
}

enum key keys_feed(struct keys *keys, unsigned char byte)
{
    bool second_half = byte == '\n' && keys->after_return;
    keys->after_return = byte == '\r';
    if (second_half) {
        return KEY_NONE;
    }
    if (byte == BYTE_ESCAPE) {
        keys->state = KEYS_ESCAPE;
        return KEY_NONE;
    }
    if (byte < ' ' || byte == BYTE_DELETE) {
        keys->state = KEYS_PLAIN;
        return control_key(byte);
    }
    if (keys->state != KEYS_PLAIN) {
        return escape_feed(keys, byte);
    }
    return byte < BYTE_DELETE ? KEY_TEXT : KEY_NONE;
}
