/* Typed bytes, in the order they came, and the line that they make. */
#ifndef QUIRE_ROOT_INPUT_H
#define QUIRE_ROOT_INPUT_H

#include <stdbool.h>

/* Once, at the start. */
void input_open(void);

/*
 * Show the prompt and edit until Enter: the line, valid until the next call. NULL when the line was dropped.
 * What was typed before is taken first.
 */
char *input_line(void);

/*
 * Was Ctrl-C typed? Does not wait. Bytes before the Ctrl-C are dropped with it; without one they are kept for
 * the next line, as far as there is room.
 */
bool input_interrupted(void);

/* Has anything been typed that nobody has read yet? Does not wait. */
bool input_waiting(void);

/* Drop all that has been typed. */
void input_drop(void);

#endif
