/* What memory objects and address spaces cost. */
#include "abi/memory.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/libq/program.h"

#define TRIES       1000
#define RANGE_TRIES 10
#define RANGE_PAGES 256u
#define PAGE_ROUNDS (PAGE_SIZE / 8) /* of rep stosq, to zero a page */
#define TABLES      3u              /* that a range at PLACE needs: they are zeroed, too */
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

static bool create_committed(void *context)
{
    struct range *range = context;
    return create(range) && sys_memory_commit(range->memory, 0, range->pages * PAGE_SIZE) == ERR_NONE;
}

static bool map_as(const struct range *range, uint32_t mode)
{
    uint64_t where;
    return sys_memory_map(startup->self, range->memory, 0, range->at, range->pages * PAGE_SIZE,
                          ACCESS_READ | ACCESS_WRITE | mode, &where) == ERR_NONE;
}

static bool map(void *context)
{
    return map_as(context, 0);
}

static bool unmap(void *context)
{
    return sys_memory_unmap(startup->self, ((const struct range *)context)->at, 0) == ERR_NONE;
}

static bool map_unmap(void *context)
{
    return map(context) && unmap(context);
}

static bool populate_unmap(void *context)
{
    return map_as(context, MAP_MODE_POPULATE) && unmap(context);
}

static bool create_and_map(void *context)
{
    return create(context) && map(context);
}

static bool touch(void *context)
{
    const struct range *range = context;
    uint64_t end = range->at + range->pages * PAGE_SIZE;
    for (uint64_t at = range->at; at < end; at += PAGE_SIZE) {
        *(volatile uint8_t *)at = 1;
    }
    return true;
}

static bool unmap_and_destroy(void *context)
{
    return unmap(context) && destroy(context);
}

/* To and fro, so one call is half of it. */
static bool protect_twice(void *context)
{
    const struct range *range = context;
    uint64_t bytes = range->pages * PAGE_SIZE;
    return sys_memory_protect(startup->self, range->at, bytes, ACCESS_READ) == ERR_NONE &&
           sys_memory_protect(startup->self, range->at, bytes, ACCESS_READ | ACCESS_WRITE) == ERR_NONE;
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
    if (!map(&page) || !touch(&page)) {
        program_fail("aspace: no page to protect");
    }
    measure_row("aspace.protect-page",
                &(struct measure){.operation = protect_twice, .context = &page, .tries = TRIES, .batch = 2});
    unmap(&page);
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
    struct measure touching = measure;
    making.operation = create_committed;
    making.after = destroy;
    making.rep_rounds = PAGE_ROUNDS;
    ending.before = create_committed;
    ending.operation = destroy;
    touching.before = create_and_map;
    touching.operation = touch;
    touching.after = unmap_and_destroy;
    touching.rep_rounds = PAGE_ROUNDS;
    measure_row("aspace.create-1m-per-page", &making);
    measure_row("aspace.destroy-1m-per-page", &ending);
    measure_row("aspace.touch-page", &touching);
    if (!create_committed(&range)) {
        program_fail("aspace: no memory for its range");
    }
    measure.operation = populate_unmap;
    measure.rep_rounds = TABLES * PAGE_ROUNDS / RANGE_PAGES;
    measure_row("aspace.map-unmap-1m-per-page", &measure);
    destroy(&range);
}

void area_aspace(void)
{
    measure_page();
    measure_range();
}
