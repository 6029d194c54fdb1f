/*
 * Operations inside the kernel that are counted in instructions. A kernel linked for tests has some
 * (tests/guest/kernel/bench_*.c), the product none; they run, instead of the tests, when the environment of a
 * kernel under test says bench=AREA, or bench=all. How a row is measured and printed is the entry's own: see
 * tests/guest/kernel/bench.h.
 */
#ifndef QUIRE_KERNEL_KBENCH_H
#define QUIRE_KERNEL_KBENCH_H

#include <stdbool.h>

struct kbench {
    const char *row;              /* AREA.NAME */
    void (*run)(const char *row); /* print it */
};

#define KBENCH_ENTRY(name, row, run)                                                                         \
    static const struct kbench name __attribute__((used, section(".kernel_benches"))) = {row, run}

/* Print the rows that are asked for, and those of the area calibrate; in a thread. False if none are. */
bool kbench_run(void);

#endif
