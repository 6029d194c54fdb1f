/* Steps on memory objects; see ranges.h. */
#include "user/bin/bench/ranges.h"

#include "abi/memory.h"
#include "syscalls.h"
#include "user/libq/program.h"

bool range_create(void *context)
{
    struct range *range = context;
    return sys_memory_create(0, range->pages * PAGE_SIZE, 0, &range->memory) == ERR_NONE;
}

bool range_create_committed(void *context)
{
    struct range *range = context;
    return range_create(range) && sys_memory_commit(range->memory, 0, range->pages * PAGE_SIZE) == ERR_NONE;
}

bool range_destroy(void *context)
{
    return sys_handle_close(((const struct range *)context)->memory) == ERR_NONE;
}

bool range_map(void *context)
{
    const struct range *range = context;
    uint64_t where;
    return sys_memory_map(startup->self, range->memory, 0, range->at, range->pages * PAGE_SIZE, range->mode,
                          &where) == ERR_NONE;
}

bool range_unmap(void *context)
{
    return sys_memory_unmap(startup->self, ((const struct range *)context)->at, 0) == ERR_NONE;
}

bool range_map_unmap(void *context)
{
    return range_map(context) && range_unmap(context);
}

bool range_create_and_map(void *context)
{
    return range_create(context) && range_map(context);
}

bool range_unmap_and_destroy(void *context)
{
    return range_unmap(context) && range_destroy(context);
}

static void touch(uint64_t at)
{
    *(volatile uint8_t *)at = 1;
}

/* Four pages a round, so that the loop weighs little in what is told of a page. */
bool range_touch(void *context)
{
    const struct range *range = context;
    uint64_t at = range->at, end = at + range->pages * PAGE_SIZE;
    for (; end - at >= 4 * PAGE_SIZE; at += 4 * PAGE_SIZE) {
        touch(at);
        touch(at + PAGE_SIZE);
        touch(at + 2 * PAGE_SIZE);
        touch(at + 3 * PAGE_SIZE);
    }
    for (; at < end; at += PAGE_SIZE) {
        touch(at);
    }
    return true;
}
