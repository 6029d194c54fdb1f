/* What the frame benchmark's parts share: figures, workers and their teams. */
#ifndef QUIRE_BENCH_FRAMES_H
#define QUIRE_BENCH_FRAMES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/host/random.h"

#define ROUNDS       9
#define PAIRS        1000000
#define ROUNDS_9     400
#define MIXED_ORDERS 1024
#define MAX_THREADS  2

enum figure {
    BULK_TAKE,
    BULK_GIVE,
    RANDOM_GIVE,
    PAIR_0,
    PAIR_4,
    PAIR_9,
    BULK_TAKE_9,
    BULK_GIVE_9,
    EXCHANGE_100,
    EXCHANGE_90,
    MIXED,
    START,
    FIGURES
};

struct worker {
    struct team *team;
    unsigned number;
    pthread_t thread;
    struct random random;
    uint64_t frames; /* of the arena */
    bool small;      /* do all the work, not only what is random */
    uint64_t slack;  /* frames of its share that a thread leaves free */
    uint64_t limit;  /* slots in `held` */
    uint64_t *held;
    uint8_t orders[MIXED_ORDERS];
    double ns[FIGURES];
};

struct team {
    unsigned threads;
    bool ours;
    pthread_barrier_t barrier;
    struct worker worker[MAX_THREADS];
};

#endif
