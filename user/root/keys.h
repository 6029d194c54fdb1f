/*
 * What was typed: terminal bytes to keys. Understands the cursor keys, Home, End and Delete as xterm, linux
 * and vt100 terminals send them, the usual control bytes, and CR, LF or CR LF as one Enter. Makes no calls.
 */
#ifndef QUIRE_ROOT_KEYS_H
#define QUIRE_ROOT_KEYS_H

#include <stdbool.h>

enum key {
    KEY_NONE, /* nothing yet, or nothing that has a meaning */
    KEY_TEXT, /* a printable ASCII byte, which stands for itself */
    KEY_ENTER,
    KEY_INTERRUPT,    /* Ctrl-C */
    KEY_UP,           /* also Ctrl-P */
    KEY_DOWN,         /* also Ctrl-N */
    KEY_RIGHT,        /* also Ctrl-F */
    KEY_LEFT,         /* also Ctrl-B */
    KEY_HOME,         /* also Ctrl-A */
    KEY_END,          /* also Ctrl-E */
    KEY_DELETE,       /* the byte under the cursor */
    KEY_DELETE_END,   /* Ctrl-D: the same, or the end of input */
    KEY_BACKSPACE,    /* 0x7f, or Ctrl-H */
    KEY_CUT_REST,     /* Ctrl-K */
    KEY_CUT_START,    /* Ctrl-U */
    KEY_CUT_WORD,     /* Ctrl-W */
    KEY_CLEAR_SCREEN, /* Ctrl-L */
};

enum key_state { KEYS_PLAIN, KEYS_ESCAPE, KEYS_PARAMETERS, KEYS_SINGLE };

struct keys {
    enum key_state state;
    unsigned parameter; /* the number in an escape sequence */
    bool after_return;  /* the last byte was CR: an LF belongs to it */
};

/* Take one byte. A struct keys of zeroes is the start. */
enum key keys_feed(struct keys *keys, unsigned char byte);

#endif
