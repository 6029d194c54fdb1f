/* Whole pages from the kernel; see pages.h. */
#include "user/libq/pages.h"

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
    uint64_t where = 0;
    error = sys_memory_map(startup->self, memory, 0, 0, whole, ACCESS_READ | ACCESS_WRITE, &where);
    sys_handle_close(memory);
    *pages = (void *)where;
    return error;
}

void pages_give(void *pages)
{
    sys_memory_unmap(startup->self, (uint64_t)pages, 0);
}
