/* What memory objects and address spaces cost: pages, ranges, and the rights to them. */
#include "abi/memory.h"
#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/bin/bench/ranges.h"
#include "user/libq/program.h"

#define TRIES       1000
#define RANGE_TRIES 10
#define RANGE_PAGES 256u
#define TABLES      3u /* that a range at PLACE needs: they are zeroed, too */

/* To and fro, so one call is half of it. */
static bool protect_twice(void *context)
{
    const struct range *range = context;
    uint64_t bytes = range->pages * PAGE_SIZE;
    return sys_memory_protect(startup->self, range->at, bytes, ACCESS_READ) == ERR_NONE &&
           sys_memory_protect(startup->self, range->at, bytes, ACCESS_READ | ACCESS_WRITE) == ERR_NONE;
}

/* From a page that can be written, and is known to be: this CPU has to forget it. */
static bool protect_written(void *context)
{
    const struct range *range = context;
    return sys_memory_protect(startup->self, range->at, range->pages * PAGE_SIZE, ACCESS_READ) == ERR_NONE;
}

static bool write_again(void *context)
{
    const struct range *range = context;
    return sys_memory_protect(startup->self, range->at, range->pages * PAGE_SIZE,
                              ACCESS_READ | ACCESS_WRITE) == ERR_NONE &&
           range_touch(context);
}

static void measure_page(void)
{
    struct range kept = {.pages = 1, .at = PLACE, .mode = RANGE_MODE}; /* keeps the table of the other one */
    struct range page = {.pages = 1, .at = PLACE + PAGE_SIZE, .mode = RANGE_MODE};
    if (!range_create_and_map(&kept) || !range_create(&page)) {
        program_fail("aspace: no memory for its mappings");
    }
    measure_row("aspace.map-unmap-page",
                &(struct measure){.operation = range_map_unmap, .context = &page, .tries = TRIES});
    if (!range_map(&page) || !range_touch(&page)) {
        program_fail("aspace: no page to protect");
    }
    measure_row("aspace.protect-page",
                &(struct measure){.operation = protect_twice, .context = &page, .tries = TRIES, .batch = 2});
    measure_row("aspace.protect-written-page",
                &(struct measure){
                    .before = write_again, .operation = protect_written, .context = &page, .tries = TRIES});
    range_unmap_and_destroy(&page);
    range_unmap_and_destroy(&kept);
}

/* Told for one page of a MiB. */
static void measure_range(void)
{
    struct range range = {.pages = RANGE_PAGES, .at = PLACE, .mode = RANGE_MODE};
    struct measure measure = {.context = &range, .tries = RANGE_TRIES, .batch = RANGE_PAGES};
    struct measure making = measure;
    struct measure ending = measure;
    struct measure touching = measure;
    making.operation = range_create_committed;
    making.after = range_destroy;
    making.rep_rounds = PAGE_ROUNDS;
    ending.before = range_create_committed;
    ending.operation = range_destroy;
    touching.before = range_create_and_map;
    touching.operation = range_touch;
    touching.after = range_unmap_and_destroy;
    touching.rep_rounds = PAGE_ROUNDS;
    measure_row("aspace.create-1m-per-page", &making);
    measure_row("aspace.destroy-1m-per-page", &ending);
    measure_row("aspace.touch-page", &touching);
    range.mode = RANGE_MODE | MAP_MODE_POPULATE;
    if (!range_create_committed(&range)) {
        program_fail("aspace: no memory for its range");
    }
    measure.operation = range_map_unmap;
    measure.rep_rounds = TABLES * PAGE_ROUNDS / RANGE_PAGES;
    measure_row("aspace.map-unmap-1m-per-page", &measure);
    range_destroy(&range);
}

void area_aspace(void)
{
    measure_page();
    measure_range();
    measure_large_pages();
    measure_copies();
    measure_many_mappings();
}
