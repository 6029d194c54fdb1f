/*
 * The rows of this program: operations counted in instructions with bench/guest/measure.h, a line each. A row
 * is a function, which may have others around it that are not counted, and one call of measure_row: what a
 * page of a range costs to unmap, say, is
 *
 *     measure_row("aspace.unmap-per-page", &(struct measure){
 *         .before = map, .operation = unmap, .context = &range, .batch = PAGES, .tries = 10});
 */
#ifndef QUIRE_USER_BENCH_MEASURE_H
#define QUIRE_USER_BENCH_MEASURE_H

#include "bench/guest/measure.h"

/*
 * Measure for the row AREA.NAME. When that cannot be done the program ends with a line that names the row,
 * and the kernel takes back what the steps left.
 */
struct measured measure_take(const char *row, const struct measure *measure);

/* Print a row that was measured, or that follows from what was. */
void measure_print(const char *row, const struct measured *measured);

/* Both. */
void measure_row(const char *row, const struct measure *measure);

/* The areas. Each prints its rows. */
bool calibrate(void); /* false when instructions are not counted exactly */
void area_authority(void);
void area_aspace(void);
void measure_large_pages(void); /* parts of it */
void measure_copies(void);
void measure_many_mappings(void);
void area_cpus(void);
void area_programs(void);

/* On machines of their own: one that wakes a thread on another CPU, and one that has just booted. */
void area_wake(void);
void area_entry(void);

/* What `bench yield` does, in a task beside the one that measures: count at BENCH_SHARED_AT, and yield. */
#define BENCH_SHARED_AT 0x0000300000000000ull
_Noreturn void yield_for_ever(void);

#endif
