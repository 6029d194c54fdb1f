/*
 * The rows of this program: operations counted in instructions with bench/guest/measure.h, a line each. A new
 * row is a function, which may have others around it that are not counted, and one call of measure_row.
 */
#ifndef QUIRE_USER_BENCH_MEASURE_H
#define QUIRE_USER_BENCH_MEASURE_H

#include "bench/guest/measure.h"

/*
 * Measure and print the row AREA.NAME. When that cannot be done the program ends with a line that names the
 * row, and the kernel takes back what the steps left.
 */
void measure_row(const char *row, const struct measure *measure);

/* The areas. Each prints its rows. */
bool calibrate(void); /* false when instructions are not counted exactly */
void area_authority(void);
void area_aspace(void);
void area_cpus(void);
void area_programs(void);

#endif
