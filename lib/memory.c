/*
 * The memory functions that the compiler may call by itself. The string instructions move eight bytes a
 * round, which real processors do a line at a time. Not built on the host, whose C library has its own.
 */
#include "lib/text.h"

#define NO_RECURSION __attribute__((no_builtin("memcpy", "memmove", "memset", "memcmp", "strlen")))

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    void *at = to;
    size_t words = bytes / 8;
    bytes %= 8;
    __asm__ volatile("rep movsq" : "+D"(at), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory");
    return to;
}

/* Upwards where no byte is written before it is read; else downwards from the end. */
NO_RECURSION void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    if (target == source) {
        return to;
    }
    if ((uintptr_t)target - (uintptr_t)source >= bytes) {
        return memcpy(to, from, bytes);
    }
    while (bytes >= 8) {
        uint64_t word;
        bytes -= 8;
        __builtin_memcpy(&word, source + bytes, sizeof(word));
        __builtin_memcpy(target + bytes, &word, sizeof(word));
    }
    while (bytes > 0) {
        bytes--;
        target[bytes] = source[bytes];
    }
    return to;
}

void *memset(void *to, int byte, size_t bytes)
{
    void *at = to;
    size_t words = bytes / 8;
    bytes %= 8;
    uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(pattern) : "memory");
    return to;
}

NO_RECURSION int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *left = a;
    const uint8_t *right = b;
    for (size_t i = 0; i < bytes; i++) {
        if (left[i] != right[i]) {
            return left[i] - right[i];
        }
    }
    return 0;
}

NO_RECURSION size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != 0) {
        length++;
    }
    return length;
}
