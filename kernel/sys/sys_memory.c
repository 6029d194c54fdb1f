/*
 * System calls on memory objects and address spaces.
 */
#include "kernel/sys/context.h"
#include "kernel/sys/calls.h"

enum error sys_memory_create(uint64_t bytes, uint64_t *result)
{
    struct memory *memory;
    enum error error = memory_make(pages_for_bytes(bytes), &memory);
    return error != ERR_NONE ? error : handle_give(&memory->object, RIGHT_ALL, result);
}

enum error sys_memory_size(struct memory *memory, uint64_t *result)
{
    *result = memory->pages.value << PAGE_SHIFT;
    return ERR_NONE;
}

enum error sys_memory_map(struct task *task, struct memory *memory, uint64_t offset, uaddr_t where,
                          uint64_t bytes, uint64_t access, uint64_t *result)
{
    uint64_t size = memory->pages.value << PAGE_SHIFT;
    bool aligned = is_aligned(offset | where.value | bytes, PAGE_SIZE);
    bool inside = bytes > 0 && bytes <= size && offset <= size - bytes;
    bool both = (access & ACCESS_WRITE) != 0 && (access & ACCESS_EXECUTE) != 0;
    bool readable = (access & ACCESS_READ) != 0; /* the CPU knows no mapping without */
    if (!aligned || !inside || both || !readable) {
        return ERR_BAD_ARGUMENT;
    }
    if (where.value != 0 && !user_range_valid(where, bytes)) {
        return ERR_BAD_ADDRESS;
    }
    return aspace_map(&task->space, memory, offset, where.value, bytes, (uint32_t)access, result);
}

enum error sys_memory_unmap(struct task *task, uaddr_t where)
{
    return aspace_unmap(&task->space, where.value);
}
