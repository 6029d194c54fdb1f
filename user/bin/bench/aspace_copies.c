/* Copies of objects and spaces, and what breaks them. */
#include "abi/memory.h"
#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/bin/bench/ranges.h"
#include "user/libq/program.h"

#define TRIES       5
#define RANGE_PAGES 256u
#define SPACE_PAGES (64 * MIB / PAGE_SIZE)

/* An object that is mapped, and a copy of it, which shares its pages. */
struct copied {
    struct range range;
    uint32_t copy;
};

static bool make_copied(void *context)
{
    struct copied *copied = context;
    return range_create_and_map(&copied->range) && range_touch(&copied->range) &&
           sys_memory_clone(copied->range.memory, 0, &copied->copy) == ERR_NONE;
}

static bool end_copied(void *context)
{
    struct copied *copied = context;
    return sys_handle_close(copied->copy) == ERR_NONE && range_unmap_and_destroy(&copied->range);
}

static bool write_copied(void *context)
{
    return range_touch(&((struct copied *)context)->range);
}

static bool clone_space(void *context)
{
    uint32_t copy;
    (void)context;
    return sys_task_clone(startup->self, 0, "copy", 4, &copy) == ERR_NONE &&
           sys_handle_close(copy) == ERR_NONE;
}

void measure_copies(void)
{
    struct copied copied = {
        .range = {.pages = RANGE_PAGES, .at = PLACE, .mode = RANGE_MODE | MAP_MODE_SMALL}};
    struct range space = {.pages = SPACE_PAGES, .at = PLACE, .mode = RANGE_MODE | MAP_MODE_SMALL};
    measure_row("aspace.copy-on-write-page", &(struct measure){.before = make_copied,
                                                               .operation = write_copied,
                                                               .after = end_copied,
                                                               .context = &copied,
                                                               .tries = TRIES,
                                                               .batch = RANGE_PAGES,
                                                               .rep_rounds = PAGE_ROUNDS});
    if (!range_create_and_map(&space) || !range_touch(&space)) {
        program_fail("aspace: no memory for what is cloned");
    }
    measure_row("aspace.clone-64m", &(struct measure){.operation = clone_space, .tries = TRIES});
    range_unmap_and_destroy(&space);
}
