/* Memory objects and where they are mapped: the steps that the rows of address spaces are made of. */
#ifndef QUIRE_USER_BENCH_RANGES_H
#define QUIRE_USER_BENCH_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/memory.h"
#include "lib/units.h"

/* Of rep stosq to zero a page, and of rep movsq to copy one. */
#define PAGE_ROUNDS (PAGE_SIZE / 8)

/* Where nothing else is. */
#define PLACE 0x0000200000000000ull

/* That most of them have. */
#define RANGE_MODE (ACCESS_READ | ACCESS_WRITE)

/* A memory object and where it is mapped, or is to be. */
struct range {
    uint32_t memory;
    unsigned pages;
    uint64_t at;
    uint32_t mode; /* of the mapping */
};

/* Steps of a measurement, on a range: false when they failed. */
bool range_create(void *context);
bool range_create_committed(void *context);
bool range_destroy(void *context);
bool range_map(void *context);
bool range_unmap(void *context);
bool range_map_unmap(void *context);
bool range_create_and_map(void *context);
bool range_unmap_and_destroy(void *context);
bool range_touch(void *context); /* write a byte into each page */

#endif
