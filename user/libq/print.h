/*
 * Text to the console. Each call is one console_write, so that lines of several programs do not mix. A
 * program that was given no console prints into the void.
 */
#ifndef QUIRE_LIBQ_PRINT_H
#define QUIRE_LIBQ_PRINT_H

#include <stddef.h>

/* What one print can format, with the final NUL; longer text is cut. */
#define PRINT_BYTES 1024

/* The format is that of text_format (lib/text.h). */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* All bytes as they are; any number of them. */
void print_bytes(const char *bytes, size_t count);

#endif
