/*
 * System calls on memory objects and address spaces.
 */
#include "kernel/sys/calls.h"
#include "kernel/sys/creation.h"
#include "kernel/sys/plans.h"

enum error prepare_memory_create(struct account *account, uint64_t bytes, struct memory_create_plan *plan)
{
    struct memory *memory;
    enum error error = memory_make(account, pages_for_bytes(bytes), 0, &memory);
    return error != ERR_NONE ? error : creation_prepare(&memory->object, &plan->made);
}

void commit_memory_create(struct memory_create_plan *plan, uint64_t *result)
{
    creation_commit(&plan->made, result);
}

void commit_memory_size(struct memory *memory, uint64_t *result)
{
    *result = __atomic_load_n(&memory->pages.value, __ATOMIC_RELAXED) << PAGE_SHIFT;
}

enum error prepare_memory_map(struct task *task, struct memory *memory, uint64_t offset, uaddr_t where,
                              uint64_t bytes, uint64_t access, struct memory_map_plan *plan)
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
    struct map_request request = {memory, offset, where.value, bytes, (uint32_t)access};
    return aspace_map_prepare(&task->space, &request, &plan->map);
}

void commit_memory_map(struct memory_map_plan *plan, uint64_t *result)
{
    *result = aspace_map_commit(&plan->map);
}

enum error prepare_memory_unmap(struct task *task, uaddr_t where, struct memory_unmap_plan *plan)
{
    plan->space = &task->space;
    return aspace_unmap_prepare(&task->space, where.value, &plan->mapping);
}

void commit_memory_unmap(struct memory_unmap_plan *plan)
{
    aspace_unmap_commit(plan->space, plan->mapping);
}
