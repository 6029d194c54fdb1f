/* A small random generator for the tests: the same sequence for the same seed on every machine. */
#ifndef QUIRE_TESTS_HOST_RANDOM_H
#define QUIRE_TESTS_HOST_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random)
{
    random->state += 0x9e3779b97f4a7c15;
    uint64_t z = random->state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Even over 0 .. limit - 1, for limits far below 2^32. */
static inline uint64_t random_below(struct random *random, uint64_t limit)
{
    return (random_next(random) >> 32) * limit >> 32;
}

#endif
