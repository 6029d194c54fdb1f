/* What memory objects and address spaces cost. */
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/libq/program.h"

#define TRIES       1000
#define RANGE_TRIES 10
#define RANGE_PAGES 256u
#define PAGE_ROUNDS (PAGE_SIZE / 8) /* of rep stosq, to zero a page */
#define PLACE       0x0000200000000000ull

/* A memory object and where it is mapped, or is to be. */
struct range {
    uint32_t memory;
    unsigned pages;
    uint64_t at;
};

static bool create(void *context)
{
    struct range *range = context;
    return sys_memory_create(0, range->pages * PAGE_SIZE, 0, &range->memory) == ERR_NONE;
}

static bool destroy(void *context)
{
    return sys_handle_close(((const struct range *)context)->memory) == ERR_NONE;
}

static bool map(void *context)
{
    const struct range *range = context;
    uint64_t where;
    return sys_memory_map(startup->self, range->memory, 0, range->at, range->pages * PAGE_SIZE,
                          ACCESS_READ | ACCESS_WRITE, &where) == ERR_NONE;
}

static bool unmap(void *context)
{
    return sys_memory_unmap(startup->self, ((const struct range *)context)->at, 0) == ERR_NONE;
}

static bool map_unmap(void *context)
{
    return map(context) && unmap(context);
}

static void measure_page(void)
{
    struct range kept = {.pages = 1, .at = PLACE}; /* keeps the table of the other one */
    struct range page = {.pages = 1, .at = PLACE + PAGE_SIZE};
    if (!create(&kept) || !map(&kept) || !create(&page)) {
        program_fail("aspace: no memory for its mappings");
    }
    measure_row("aspace.map-unmap-page",
                &(struct measure){.operation = map_unmap, .context = &page, .tries = TRIES});
    unmap(&kept);
    destroy(&kept);
    destroy(&page);
}

/* Told for one page of a MiB. */
static void measure_range(void)
{
    struct range range = {.pages = RANGE_PAGES, .at = PLACE};
    struct measure measure = {.context = &range, .tries = RANGE_TRIES, .batch = RANGE_PAGES};
    struct measure making = measure;
    struct measure ending = measure;
    making.operation = create;
    making.after = destroy;
    making.rep_rounds = PAGE_ROUNDS;
    ending.before = create;
    ending.operation = destroy;
    measure_row("aspace.create-1m-per-page", &making);
    measure_row("aspace.destroy-1m-per-page", &ending);
    if (!create(&range)) {
        program_fail("aspace: no memory for its range");
    }
    measure.operation = map_unmap;
    measure_row("aspace.map-unmap-1m-per-page", &measure);
    destroy(&range);
}

void area_aspace(void)
{
    measure_page();
    measure_range();
}
