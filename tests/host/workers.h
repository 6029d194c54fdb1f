/*
 * The threads of a host test, one for each CPU: each has its number, and dice of its own, so that a run with
 * one thread is the same each time.
 */
#ifndef QUIRE_TESTS_HOST_WORKERS_H
#define QUIRE_TESTS_HOST_WORKERS_H

#include <pthread.h>

#include "tests/host/host.h"
#include "tests/host/random.h"

/* The first member of what a test knows of a thread. */
struct host_worker {
    pthread_t thread;
    unsigned number;
    struct random dice;
};

/* Number `count` workers, each of so many bytes, let each run `body` with its own as argument, and wait for
 * all. */
static inline void workers_run_sized(void *workers, size_t bytes, unsigned count, uint64_t seed,
                                     void *(*body)(void *))
{
    for (unsigned i = 0; i < count; i++) {
        struct host_worker *worker = (struct host_worker *)((char *)workers + i * bytes);
        worker->number = i;
        worker->dice = (struct random){seed + i + 1};
        assert_int_equal(pthread_create(&worker->thread, NULL, body, worker), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        struct host_worker *worker = (struct host_worker *)((char *)workers + i * bytes);
        assert_int_equal(pthread_join(worker->thread, NULL), 0);
    }
}

/* All of an array of them. */
#define WORKERS_RUN(workers, seed, body)                                                                     \
    workers_run_sized(workers, sizeof((workers)[0]), sizeof(workers) / sizeof((workers)[0]), seed, body)

#endif
