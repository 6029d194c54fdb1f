/*
 * Pure functions on the map of a chunk: 512 bits in eight words, one bit a frame, set when it is free. A
 * block of order k is an aligned run of 2^k bits, so no other map is needed for the orders below 9.
 */
#ifndef QUIRE_KERNEL_MM_FRAME_BITS_H
#define QUIRE_KERNEL_MM_FRAME_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define BITS_WORDS      8
#define BITS_WORD_ORDER 6 /* a word is a block of this order */

/* Bits at the positions that are multiples of 2^order, order 0 to 6. */
static inline uint64_t bits_aligned(unsigned order)
{
    return order == BITS_WORD_ORDER ? 1 : ~(uint64_t)0 / (((uint64_t)1 << (1u << order)) - 1);
}

/* The lowest 2^order bits, order 0 to 6. */
static inline uint64_t bits_run(unsigned order)
{
    return ~(uint64_t)0 >> (64 - (1u << order));
}

/* One bit at the beginning of each block of the order (0 to 6) that is all set in `word`. */
static inline uint64_t bits_blocks(uint64_t word, unsigned order)
{
    for (unsigned k = 0; k < order; k++)
        word &= word >> (1u << k);
    return word & bits_aligned(order);
}

/* Is the block of `words` words from `map` on all set? */
static inline bool bits_words_full(const uint64_t *map, unsigned words)
{
    uint64_t all = ~(uint64_t)0;
    for (unsigned w = 0; w < words; w++)
        all &= map[w];
    return all == ~(uint64_t)0;
}

/* The first bit, at or after `from`, of the lowest block of the order (0 to 8) that is all set; -1: none. */
static inline int bits_find(const uint64_t map[BITS_WORDS], unsigned order, unsigned from)
{
    if (order > BITS_WORD_ORDER) {
        unsigned words = 1u << (order - BITS_WORD_ORDER);
        for (unsigned w = (from + 64 * words - 1) / (64 * words) * words; w < BITS_WORDS; w += words)
            if (bits_words_full(map + w, words))
                return (int)(w * 64);
        return -1;
    }
    for (unsigned w = from / 64; w < BITS_WORDS; w++) {
        uint64_t blocks = bits_blocks(map[w], order);
        if (w == from / 64)
            blocks &= ~(uint64_t)0 << (from % 64);
        if (blocks)
            return (int)(w * 64 + (unsigned)__builtin_ctzll(blocks));
    }
    return -1;
}

/* The order of the largest block that is all set, at most 8; the map is neither empty nor full. */
static inline unsigned bits_largest(const uint64_t map[BITS_WORDS])
{
    uint64_t word[BITS_WORDS], any = 0;
    for (unsigned w = 0; w < BITS_WORDS; w++)
        word[w] = map[w];
    unsigned order = 0;
    for (; order < BITS_WORD_ORDER; order++, any = 0) {
        for (unsigned w = 0; w < BITS_WORDS; w++)
            any |= word[w] &= word[w] >> (1u << order) & bits_aligned(order + 1);
        if (any == 0)
            return order;
    }
    bool pairs[4];
    for (unsigned w = 0; w < 4; w++)
        pairs[w] = bits_words_full(map + (uint64_t)w * 2, 2);
    if ((pairs[0] && pairs[1]) || (pairs[2] && pairs[3]))
        return BITS_WORD_ORDER + 2;
    return BITS_WORD_ORDER + (pairs[0] || pairs[1] || pairs[2] || pairs[3]);
}

/* Set or clear the block of the order (0 to 8) at bit `first`. */
static inline void bits_set(uint64_t map[BITS_WORDS], unsigned first, unsigned order, bool free)
{
    unsigned words = order > BITS_WORD_ORDER ? 1u << (order - BITS_WORD_ORDER) : 1;
    uint64_t mask = order < BITS_WORD_ORDER ? bits_run(order) << (first % 64) : ~(uint64_t)0;
    for (unsigned w = first / 64; w < first / 64 + words; w++)
        map[w] = free ? map[w] | mask : map[w] & ~mask;
}

/* Are all bits of the block equal to `free`? */
static inline bool bits_all(const uint64_t map[BITS_WORDS], unsigned first, unsigned order, bool free)
{
    unsigned words = order > BITS_WORD_ORDER ? 1u << (order - BITS_WORD_ORDER) : 1;
    uint64_t mask = order < BITS_WORD_ORDER ? bits_run(order) << (first % 64) : ~(uint64_t)0;
    uint64_t unlike = 0;
    for (unsigned w = first / 64; w < first / 64 + words; w++)
        unlike |= (free ? ~map[w] : map[w]) & mask;
    return unlike == 0;
}

/*
 * The number of bits set. Written out, because the instruction for it is not part of the amd64 baseline that
 * the kernel is built for and a freestanding build has no library function: sums of 2, 4, then 8 bits.
 */
static inline unsigned bits_count(uint64_t word)
{
    word -= word >> 1 & bits_aligned(1);
    word = (word & 3 * bits_aligned(2)) + (word >> 2 & 3 * bits_aligned(2));
    word = (word + (word >> 4)) & 15 * bits_aligned(3);
    return (unsigned)(word * bits_aligned(3) >> 56);
}

#endif
