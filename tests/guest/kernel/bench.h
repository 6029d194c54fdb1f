/*
 * Rows measured inside the kernel. Nothing preempts there, since the kernel runs with interrupts off; still
 * the smallest of many counts is taken.
 *
 *     KBENCH(null_work, "area.name")
 *     {
 *         return measure_run(&(struct measure){.operation = work, .tries = 1000}, out);
 *     }
 *
 * The body fills `out` and returns NULL, or what went wrong.
 */
#ifndef QUIRE_TESTS_KERNEL_BENCH_H
#define QUIRE_TESTS_KERNEL_BENCH_H

#include "bench/guest/measure.h"
#include "kernel/init/kbench.h"

#define KBENCH(function, row)                                                                                \
    static const char *function(struct measured *out);                                                       \
    static void function##_print(const char *name)                                                           \
    {                                                                                                        \
        kbench_print(name, function);                                                                        \
    }                                                                                                        \
    KBENCH_ENTRY(function##_entry, row, function##_print);                                                   \
    static const char *function(struct measured *out)

/* Measure, and say the row, or FAIL and why there is none. */
void kbench_print(const char *row, const char *(*body)(struct measured *out));

#endif
