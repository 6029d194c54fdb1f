/* Memory in pages of 2 MiB, beside the same in pages of 4 KiB. */
#include "abi/memory.h"
#include "user/bin/bench/measure.h"
#include "user/bin/bench/ranges.h"

#define RANGE_BYTES (64 * MIB)
#define RANGE_PAGES ((unsigned)(RANGE_BYTES / PAGE_SIZE))
#define LARGE_PAGES (RANGE_BYTES / (2 * MIB))
#define TABLES      2u /* page tables that the range needs, which are cleared, too */
#define TRIES       3

/* One page of each 2 MiB. */
static bool touch_large(void *context)
{
    const struct range *range = context;
    uint64_t end = range->at + range->pages * PAGE_SIZE;
    for (uint64_t at = range->at; at < end; at += 2 * MIB) {
        *(volatile uint8_t *)at = 1;
    }
    return true;
}

void measure_large_pages(void)
{
    struct range range = {.pages = RANGE_PAGES, .at = PLACE, .mode = RANGE_MODE};
    struct measure measure = {
        .before = range_create_and_map, .after = range_unmap_and_destroy, .context = &range, .tries = TRIES};
    struct measure large = measure;
    large.operation = touch_large;
    large.batch = LARGE_PAGES;
    large.rep_rounds = 512 * PAGE_ROUNDS + TABLES * PAGE_ROUNDS / LARGE_PAGES;
    measure_row("aspace.touch-large-page", &large);
    measure.operation = range_touch;
    measure.batch = RANGE_PAGES;
    measure.rep_rounds = PAGE_ROUNDS;
    measure_row("aspace.touch-64m-large-per-page", &measure);
    range.mode = RANGE_MODE | MAP_MODE_SMALL;
    measure_row("aspace.touch-64m-small-per-page", &measure);
}
