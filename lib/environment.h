/*
 * The boot environment: at most 4096 bytes of UTF-8 text, lines of key=value. The text ends at a NUL, at the
 * first byte that is not part of well-formed text, or at the size given: some loaders deliver it without its
 * NUL and with arbitrary bytes behind it.
 *
 * Comments are // and # to the end of the line and slash-star to star-slash; a # counts only where a line
 * begins or behind a blank, so that values may contain it. A comment ends a value. Blanks around a key and a
 * value do not belong to it, nor does the CR of a CR LF. A line without "=", without a key or with a blank
 * inside its key is skipped. Of several lines with one key the last counts.
 *
 * Nothing here allocates, locks, writes or fails; keys and values point into the text, without a NUL.
 */
#ifndef QUIRE_LIB_ENVIRONMENT_H
#define QUIRE_LIB_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#define ENVIRONMENT_SIZE 4096

/* The value of a key. False when no line has it. */
bool environment_get(const char *text, size_t size, const char *key, const char **value, size_t *length);

/* Step through the lines, earlier ones with the same key included; *cursor begins at 0. False at the end. */
bool environment_next(const char *text, size_t size, size_t *cursor, const char **key, size_t *key_length,
                      const char **value, size_t *value_length);

/* The bytes of the text, without the NUL or the garbage that ends it. */
size_t environment_length(const char *text, size_t size);

#endif
