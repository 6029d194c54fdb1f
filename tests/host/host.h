/* What every host test includes, in the order that cmocka wants, and memory that ends where its data ends. */
#ifndef QUIRE_TESTS_HOST_H
#define QUIRE_TESTS_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A copy in memory of exactly this size, so that AddressSanitizer sees a read behind it. To be freed. */
static inline void *exact_copy(const void *data, size_t size)
{
    void *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size == 0) {
        return realloc(copy, 1);
    }
    return memcpy(copy, data, size);
}

/* A generator that gives the same numbers in every run: xorshift64 by Marsaglia. The state is not 0. */
static inline uint64_t next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
