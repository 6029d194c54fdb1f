/*
 * What the debug mode of the heap fills memory with, and how it finds what has been written there since.
 */
#ifndef QUIRE_KERNEL_HEAP_GUARD_H
#define QUIRE_KERNEL_HEAP_GUARD_H

#include <stddef.h>
#include <stdint.h>

#define GUARD_ZONE 0xb5 /* red zones */
#define GUARD_FREE 0x6b /* freed objects: as an address it is not canonical */

/* The least that is red before an object, and behind it. */
#define GUARD_BYTES 16u

/* The first byte that is not what it was filled with; NULL when all are. */
static inline const uint8_t *guard_find(const void *at, size_t bytes, uint8_t filled)
{
    for (const uint8_t *byte = at; byte < (const uint8_t *)at + bytes; byte++) {
        if (*byte != filled) {
            return byte;
        }
    }
    return NULL;
}

/* The last one. */
static inline const uint8_t *guard_find_last(const void *at, size_t bytes, uint8_t filled)
{
    for (const uint8_t *byte = (const uint8_t *)at + bytes; byte-- > (const uint8_t *)at;) {
        if (*byte != filled) {
            return byte;
        }
    }
    return NULL;
}

#endif
