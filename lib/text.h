/*
 * Memory and text primitives for code without a C library: the four memory functions that the compiler may
 * call by itself, a few string functions, and one bounded formatter. Built for the loader, the kernel and
 * user space; in hosted code the memory functions are those of the C library.
 *
 * No function here allocates, locks or fails.
 */
#ifndef QUIRE_LIB_TEXT_H
#define QUIRE_LIB_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
#endif

bool text_equal(const char *a, const char *b);

/* Do the `bytes` bytes at `data` spell exactly `text`? */
bool text_matches(const char *data, size_t bytes, const char *text);

/*
 * Read an unsigned number, decimal or 0x-hexadecimal, from all of `bytes` bytes. False when there is anything
 * else in it, when it is empty, or when it does not fit.
 */
bool text_to_number(const char *data, size_t bytes, uint64_t *number);

/*
 * Format into a buffer of `size` bytes; always ends it with NUL when size > 0. Returns the length the whole
 * text has, so a result >= size means it was cut. Understands %d %i %u %x %X %p %s %c %%, the lengths l ll z,
 * the flags 0 and -, a width, a precision for %s, and * for both numbers.
 */
size_t text_format(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t text_format_list(char *buffer, size_t size, const char *format, va_list list)
    __attribute__((format(printf, 3, 0)));

/*
 * The same with a newline at the end, for which there is always room: what does not fit is cut. The size is
 * at least 2. Returns the bytes in the buffer, the newline included; there is no NUL.
 */
size_t text_format_line(char *buffer, size_t size, const char *format, va_list list)
    __attribute__((format(printf, 3, 0)));

#endif
