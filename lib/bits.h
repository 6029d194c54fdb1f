/* Single bits of machine words. */
#ifndef QUIRE_LIB_BITS_H
#define QUIRE_LIB_BITS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The number of the lowest bit set in a word that is not 0. The instruction is TZCNT where the processor has
 * it, and a BSF with a prefix of no effect where it has not: for such a word both give the same, and where
 * there is a TZCNT it is several times as fast (Intel SDM 2, TZCNT). The compiler, which builds for all amd64
 * processors, takes the plain BSF.
 */
static inline uint64_t bit_lowest(uint64_t word)
{
    uint64_t number;
    __asm__("rep bsfq %1, %0" : "=r"(number) : "r"(word) : "cc");
    return number;
}

/* Set bit `number` % 64 of the word; returns whether it was set before. */
static inline bool bit_test_set(uint64_t *word, uint64_t number)
{
    bool before;
    __asm__("btsq %2, %1" : "=@ccc"(before), "+r"(*word) : "r"(number));
    return before;
}

#endif
