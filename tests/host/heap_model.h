/*
 * A model of the kernel's heap for its tests on the host: what is held, of which size and cache, filled with
 * a number of its own; and random work on the heap that is checked against it, by several CPUs.
 */
#ifndef QUIRE_TESTS_HOST_HEAP_MODEL_H
#define QUIRE_TESTS_HOST_HEAP_MODEL_H

#include "kernel/mm/heap.h"
#include "tests/host/random.h"

#define MODEL_CPUS   4
#define MODEL_FRAMES 16384 /* 64 MiB */

/* Start the host's memory and the caches that the model uses beside the sizes. */
void model_start(void);

/* So many steps: objects of any size and of the caches are taken, and given back by any CPU. */
void model_work(uint64_t seed, unsigned steps);

/* Take one object; false when there is no memory. Give back one that is held, chosen at random; all of them.
 */
bool model_take(struct random *random);
void model_give_any(struct random *random);
void model_give_all(void);

/* The heap says of itself that it is consistent, and that as many objects of each kind are in use as here. */
void model_check(void);

/* Give everything back: all frames are free but the CPUs' tables. */
void model_end(void);

/* From now on frame allocations fail, once this many more have succeeded. UINT64_MAX: none fails. */
void model_fail_after(uint64_t allocations);
uint64_t model_frames_free(void);

/* Run it in a process of its own, and expect a panic with this in what it says. */
void expect_panic(void (*misuse)(void), const char *words);

#endif
