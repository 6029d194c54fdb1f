/*
 * A set of small numbers that yields its lowest member, or the lowest one from some number on, in a handful
 * of instructions: a bitmap, with a bitmap above it of those words that are not zero, and so on up to one
 * word.
 *
 * A shape says where the levels lie; sets of one limit share it. The words of a set come from its owner,
 * zeroed: an empty set. Whoever owns a set guards it.
 */
#ifndef QUIRE_KERNEL_MM_FRAME_SET_H
#define QUIRE_KERNEL_MM_FRAME_SET_H

#include <stdbool.h>
#include <stdint.h>

/* Six bits a level: enough for 2^30 members. */
#define FRAME_SET_LEVELS 5
#define FRAME_SET_NONE   UINT64_MAX

struct frame_set_shape {
    uint64_t limit; /* members are below this */
    uint32_t words; /* of a whole set */
    uint32_t levels;
    uint32_t level[FRAME_SET_LEVELS]; /* where each level begins; the topmost is one word */
};

static inline struct frame_set_shape frame_set_shape(uint64_t limit)
{
    struct frame_set_shape shape = {.limit = limit};
    do {
        limit = (limit + 63) / 64;
        shape.level[shape.levels++] = shape.words;
        shape.words += (uint32_t)limit;
    } while (limit > 1);
    return shape;
}

static inline bool frame_set_has(const uint64_t *set, uint64_t member)
{
    return set[member / 64] >> (member % 64) & 1;
}

/* Returns whether the set was empty before. */
static inline bool frame_set_add(const struct frame_set_shape *shape, uint64_t *set, uint64_t member)
{
    for (uint32_t l = 0; l < shape->levels; l++, member /= 64) {
        uint64_t *word = &set[shape->level[l] + member / 64];
        uint64_t before = *word;
        *word = before | (uint64_t)1 << (member % 64);
        if (before)
            return false;
    }
    return true;
}

/* Returns whether the set is empty now. */
static inline bool frame_set_remove(const struct frame_set_shape *shape, uint64_t *set, uint64_t member)
{
    for (uint32_t l = 0; l < shape->levels; l++, member /= 64) {
        uint64_t *word = &set[shape->level[l] + member / 64];
        *word &= ~((uint64_t)1 << (member % 64));
        if (*word)
            return false;
    }
    return true;
}

/* The lowest member below bit `member` of level `level`, which is set. */
static inline uint64_t frame_set_descend(const struct frame_set_shape *shape, const uint64_t *set,
                                         uint32_t level, uint64_t member)
{
    while (level-- > 0)
        member = member * 64 + (unsigned)__builtin_ctzll(set[shape->level[level] + member]);
    return member;
}

static inline bool frame_set_is_empty(const struct frame_set_shape *shape, const uint64_t *set)
{
    return set[shape->words - 1] == 0;
}

/* The lowest member; FRAME_SET_NONE when empty. */
static inline uint64_t frame_set_lowest(const struct frame_set_shape *shape, const uint64_t *set)
{
    return frame_set_is_empty(shape, set) ? FRAME_SET_NONE : frame_set_descend(shape, set, shape->levels, 0);
}

/* The lowest member that is at least `from`; FRAME_SET_NONE when there is none. */
static inline uint64_t frame_set_next(const struct frame_set_shape *shape, const uint64_t *set, uint64_t from)
{
    uint64_t limit = shape->limit;
    for (uint32_t l = 0; l < shape->levels && from < limit; l++) {
        uint64_t rest = set[shape->level[l] + from / 64] >> (from % 64);
        if (rest)
            return frame_set_descend(shape, set, l, from + (unsigned)__builtin_ctzll(rest));
        from = from / 64 + 1;
        limit = (limit + 63) / 64;
    }
    return FRAME_SET_NONE;
}

#endif
