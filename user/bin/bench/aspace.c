/* What address spaces cost. */
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/libq/program.h"

#define TIMES 1000
#define PLACE 0x0000200000000000ull

/* One page, in a table that another mapping beside it keeps. */
static bool map_unmap(void *context)
{
    uint64_t where;
    return sys_memory_map(startup->self, *(const uint32_t *)context, 0, PLACE + PAGE_SIZE, PAGE_SIZE,
                          ACCESS_READ | ACCESS_WRITE, &where) == ERR_NONE &&
           sys_memory_unmap(startup->self, where) == ERR_NONE;
}

void area_aspace(void)
{
    uint32_t memory;
    uint64_t where;
    if (sys_memory_create(0, PAGE_SIZE, &memory) != ERR_NONE ||
        sys_memory_map(startup->self, memory, 0, PLACE, PAGE_SIZE, ACCESS_READ, &where) != ERR_NONE) {
        program_fail("aspace: no memory for its mapping");
    }
    measure_row("aspace.map-unmap-page", measure("memory_map and memory_unmap", map_unmap, &memory, TIMES));
    sys_memory_unmap(startup->self, PLACE);
    sys_handle_close(memory);
}
