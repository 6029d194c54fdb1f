/*
 * A set of small numbers that yields its lowest member, or the lowest one from some number on, in a handful
 * of instructions: a bitmap with a bitmap above it of the words that are not zero, and so on up to one word.
 *
 * The words come from the caller, zeroed: an empty set. Guarded by the lock of whoever owns the set.
 */
#ifndef QUIRE_KERNEL_MM_FRAME_SET_H
#define QUIRE_KERNEL_MM_FRAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_SET_LEVELS 5
#define FRAME_SET_NONE   UINT64_MAX

struct frame_set {
    uint64_t *level[FRAME_SET_LEVELS]; /* level 0 has one bit a member; the top level is one word */
    unsigned levels;
    uint64_t limit; /* members are below this */
};

/* The words that a set of the numbers 0 .. limit - 1 takes. */
static inline uint64_t frame_set_words(uint64_t limit)
{
    uint64_t words = 0;
    do {
        limit = (limit + 63) / 64;
        words += limit;
    } while (limit > 1);
    return words;
}

/* Lay a set out over frame_set_words(limit) words; returns what follows them. */
static inline uint64_t *frame_set_place(struct frame_set *set, uint64_t *words, uint64_t limit)
{
    set->levels = 0;
    set->limit = limit;
    do {
        set->level[set->levels++] = words;
        limit = (limit + 63) / 64;
        words += limit;
    } while (limit > 1);
    return words;
}

static inline bool frame_set_has(const struct frame_set *set, uint64_t member)
{
    return set->level[0][member / 64] >> (member % 64) & 1;
}

static inline void frame_set_add(struct frame_set *set, uint64_t member)
{
    for (unsigned l = 0; l < set->levels; l++, member /= 64) {
        uint64_t before = set->level[l][member / 64];
        set->level[l][member / 64] = before | (uint64_t)1 << (member % 64);
        if (before)
            return;
    }
}

static inline void frame_set_remove(struct frame_set *set, uint64_t member)
{
    for (unsigned l = 0; l < set->levels; l++, member /= 64) {
        uint64_t after = set->level[l][member / 64] & ~((uint64_t)1 << (member % 64));
        set->level[l][member / 64] = after;
        if (after)
            return;
    }
}

/* The lowest member under bit `member` of level `level`, which must be set. */
static inline uint64_t frame_set_descend(const struct frame_set *set, unsigned level, uint64_t member)
{
    while (level-- > 0)
        member = member * 64 + (unsigned)__builtin_ctzll(set->level[level][member]);
    return member;
}

static inline bool frame_set_is_empty(const struct frame_set *set)
{
    return set->level[set->levels - 1][0] == 0;
}

/* The lowest member; FRAME_SET_NONE when empty. */
static inline uint64_t frame_set_lowest(const struct frame_set *set)
{
    return frame_set_is_empty(set) ? FRAME_SET_NONE : frame_set_descend(set, set->levels, 0);
}

/* The lowest member that is at least `from`; FRAME_SET_NONE when there is none. */
static inline uint64_t frame_set_next(const struct frame_set *set, uint64_t from)
{
    uint64_t limit = set->limit;
    for (unsigned l = 0; l < set->levels && from < limit; l++) {
        uint64_t rest = set->level[l][from / 64] >> (from % 64);
        if (rest)
            return frame_set_descend(set, l, from + (unsigned)__builtin_ctzll(rest));
        from = from / 64 + 1;
        limit = (limit + 63) / 64;
    }
    return FRAME_SET_NONE;
}

#endif
