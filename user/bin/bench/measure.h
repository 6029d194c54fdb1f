/*
 * Measuring in instructions: under QEMU's -icount shift=0 on one CPU the time stamp counter advances by one
 * with each instruction. An operation is done many times and the smallest count is taken, which is the one
 * that no interrupt fell into; the cost of measuring itself is taken off.
 */
#ifndef QUIRE_BENCH_MEASURE_H
#define QUIRE_BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One operation; false when it failed. */
typedef bool operation(void *context);

/*
 * The instructions of one operation, of `times` tries the smallest. The call of the function is not counted,
 * all in it is. A failed operation ends the program with a line that names it.
 */
uint64_t measure(const char *name, operation *function, void *context, unsigned times);

/* Print the row AREA.NAME VALUE UNIT. */
void measure_row(const char *name, uint64_t instructions);

/* The areas. Each prints its rows. */
bool calibrate(void); /* false when the counter does not count instructions */
void area_authority(void);
void area_aspace(void);
void area_cpus(void);
void area_programs(void);
void area_wake(void); /* on two CPUs; prints nothing on one */

/* What `bench yield` does, in a task beside the one that measures: count at BENCH_SHARED_AT, and yield. */
#define BENCH_SHARED_AT 0x0000300000000000ull
_Noreturn void yield_for_ever(void);

#endif
