/* Whole pages from the kernel; see pages.h. */
#include "user/libq/pages.h"

#include "abi/memory.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/program.h"

enum error pages_take(uint64_t bytes, void **pages)
{
    uint64_t whole = align_up(bytes, PAGE_SIZE);
    if (whole < bytes || bytes == 0) {
        return ERR_BAD_ARGUMENT;
    }
    uint32_t memory;
    enum error error = sys_memory_create(0, whole, 0, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    error = pages_map(startup->self, memory, 0, whole, (uint64_t *)pages);
    sys_handle_close(memory);
    return error;
}

enum error pages_map(uint32_t task, uint32_t memory, uint64_t address, uint64_t bytes, uint64_t *where)
{
    enum error error = sys_memory_commit(memory, 0, bytes);
    *where = 0;
    return error != ERR_NONE ? error
                             : sys_memory_map(task, memory, 0, address, bytes,
                                              ACCESS_READ | ACCESS_WRITE | MAP_MODE_POPULATE, where);
}

void pages_give(void *pages)
{
    sys_memory_unmap(startup->self, (uint64_t)pages, 0);
}
