/* The rows of aspace.c again, in a space with ten thousand other mappings. */
#include "abi/memory.h"
#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/bin/bench/ranges.h"
#include "user/libq/program.h"

#define MAPPINGS    10000u
#define APART       (4 * PAGE_SIZE) /* they do not touch */
#define TRIES       100
#define RANGE_PAGES 256u

/* In the middle of them all, and another one, in turns: nothing that was remembered of the last call helps.
 */
struct turns {
    struct range one, other;
};

static bool map_unmap_both(void *context)
{
    struct turns *turns = context;
    return range_map(&turns->one) && range_map(&turns->other) && range_unmap(&turns->one) &&
           range_unmap(&turns->other);
}

static bool protect_both(void *context)
{
    const struct turns *turns = context;
    return sys_memory_protect(startup->self, turns->one.at, PAGE_SIZE, ACCESS_READ) == ERR_NONE &&
           sys_memory_protect(startup->self, turns->other.at, PAGE_SIZE, ACCESS_READ) == ERR_NONE &&
           sys_memory_protect(startup->self, turns->one.at, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE) ==
               ERR_NONE &&
           sys_memory_protect(startup->self, turns->other.at, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE) ==
               ERR_NONE;
}

static bool fill(struct range *many, unsigned count)
{
    bool done = range_create(many);
    for (unsigned i = 0; done && i < count; i++, many->at += APART) {
        done = range_map(many);
    }
    return done;
}

static bool empty(struct range *many, unsigned count)
{
    bool done = true;
    for (unsigned i = 0; done && i < count; i++) {
        many->at -= APART;
        done = range_unmap(many);
    }
    return done && range_destroy(many);
}

void measure_many_mappings(void)
{
    struct range many = {.pages = 1, .at = PLACE, .mode = RANGE_MODE};
    struct turns turns = {
        .one = {.pages = 1, .at = PLACE + MAPPINGS / 2 * APART + 2 * PAGE_SIZE, .mode = RANGE_MODE},
        .other = {.pages = 1, .at = PLACE + MAPPINGS / 4 * APART + 2 * PAGE_SIZE, .mode = RANGE_MODE},
    };
    struct range touched = {.pages = RANGE_PAGES, .at = PLACE + MAPPINGS * APART, .mode = RANGE_MODE};
    if (!fill(&many, MAPPINGS) || !range_create(&turns.one) || !range_create(&turns.other)) {
        program_fail("aspace: no memory for many mappings");
    }
    measure_row(
        "aspace.many-map-unmap-page",
        &(struct measure){.operation = map_unmap_both, .context = &turns, .tries = TRIES, .batch = 2});
    if (!range_map(&turns.one) || !range_map(&turns.other) || !range_touch(&turns.one) ||
        !range_touch(&turns.other)) {
        program_fail("aspace: no pages to protect among many");
    }
    measure_row("aspace.many-protect-page",
                &(struct measure){.operation = protect_both, .context = &turns, .tries = TRIES, .batch = 4});
    measure_row("aspace.many-touch-page", &(struct measure){.before = range_create_and_map,
                                                            .operation = range_touch,
                                                            .after = range_unmap_and_destroy,
                                                            .context = &touched,
                                                            .tries = 10,
                                                            .batch = RANGE_PAGES,
                                                            .rep_rounds = PAGE_ROUNDS});
    range_unmap_and_destroy(&turns.one);
    range_unmap_and_destroy(&turns.other);
    if (!empty(&many, MAPPINGS)) {
        program_fail("aspace: many mappings do not go");
    }
}
