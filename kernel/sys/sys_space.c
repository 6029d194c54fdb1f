/*
 * System calls on address spaces.
 */
#include "abi/memory.h"
#include "kernel/sys/calls.h"
#include "kernel/sys/creation.h"
#include "kernel/sys/plans.h"

/* Do these exclude each other, or make no sense? The CPU knows no mapping that cannot be read. */
static bool mode_is_bad(uint64_t mode)
{
    bool two_sizes = (mode & MAP_MODE_SMALL) != 0 && (mode & (MAP_MODE_LARGE | MAP_MODE_HUGE)) != 0;
    bool two_heirs = (mode & MAP_MODE_SHARED) != 0 && (mode & MAP_MODE_PRIVATE) != 0;
    return (mode & ACCESS_READ) == 0 || two_sizes || two_heirs;
}

/* Is this a range of whole pages in the user half? An address of 0 is a place yet to be found. */
static enum error check_range(uaddr_t where, uint64_t bytes, bool may_choose)
{
    if (!is_aligned(where.value | bytes, PAGE_SIZE)) {
        return ERR_BAD_ARGUMENT;
    }
    if (may_choose && where.value == 0) {
        return bytes <= USER_HIGHEST - USER_LOWEST ? ERR_NONE : ERR_BAD_ADDRESS;
    }
    return where.value >= USER_LOWEST && user_range_valid(where, bytes) ? ERR_NONE : ERR_BAD_ADDRESS;
}

enum error prepare_memory_map(struct task *task, struct memory *memory, uint64_t offset, uaddr_t where,
                              uint64_t bytes, uint64_t mode, struct memory_map_plan *plan)
{
    uint64_t size = __atomic_load_n(&memory->pages.value, __ATOMIC_RELAXED) << PAGE_SHIFT;
    bool inside = bytes > 0 && bytes <= size && offset <= size - bytes;
    if (!is_aligned(offset, PAGE_SIZE) || !inside || mode_is_bad(mode)) {
        return ERR_BAD_ARGUMENT;
    }
    enum error error = check_range(where, bytes, true);
    if (error != ERR_NONE) {
        return error;
    }
    struct map_request request = {memory, offset, where.value, bytes, (uint32_t)mode};
    return aspace_map_prepare(&task->space, &request, &plan->map);
}

void commit_memory_map(struct memory_map_plan *plan, uint64_t *result)
{
    *result = aspace_map_commit(&plan->map);
}

enum error prepare_memory_reserve(struct task *task, uaddr_t where, uint64_t bytes,
                                  struct memory_reserve_plan *plan)
{
    enum error error = check_range(where, bytes, true);
    if (error != ERR_NONE) {
        return error;
    }
    struct map_request request = {NULL, 0, where.value, bytes, 0};
    return aspace_map_prepare(&task->space, &request, &plan->map);
}

void commit_memory_reserve(struct memory_reserve_plan *plan, uint64_t *result)
{
    *result = aspace_map_commit(&plan->map);
}

enum error prepare_memory_unmap(struct task *task, uaddr_t where, uint64_t bytes,
                                struct memory_unmap_plan *plan)
{
    enum error error = check_range(where, bytes, false);
    return error != ERR_NONE ? error : aspace_unmap_prepare(&task->space, where.value, bytes, &plan->range);
}

void commit_memory_unmap(struct memory_unmap_plan *plan)
{
    aspace_unmap_commit(&plan->range);
}

enum error prepare_memory_protect(struct task *task, uaddr_t where, uint64_t bytes, uint64_t access,
                                  struct memory_protect_plan *plan)
{
    enum error error = check_range(where, bytes, false);
    if (error == ERR_NONE && (access & ACCESS_READ) == 0) {
        error = ERR_BAD_ARGUMENT;
    }
    return error != ERR_NONE
               ? error
               : aspace_protect_prepare(&task->space, where.value, bytes, (uint32_t)access, &plan->range);
}

void commit_memory_protect(struct memory_protect_plan *plan)
{
    aspace_protect_commit(&plan->range);
}

enum error prepare_task_clone(struct task *task, struct account *account, uaddr_t name, uint64_t name_length,
                              struct task_clone_plan *plan)
{
    char text[TASK_NAME + 1];
    struct task *copy;
    enum error error = copy_name(text, name, name_length);
    if (error == ERR_NONE) {
        error = task_clone(task, account, text, task_ceiling(caller()), &copy);
    }
    return error != ERR_NONE ? error : creation_prepare(&copy->object, &plan->made);
}

void commit_task_clone(struct task_clone_plan *plan, uint64_t *result)
{
    task_publish((struct task *)plan->made.object);
    creation_commit(&plan->made, result);
}

enum error prepare_task_mappings(struct task *task, uaddr_t from, uaddr_t mappings, uint64_t mappings_length,
                                 uint64_t *result)
{
    struct memory_mapping record;
    uint64_t done = 0, at = from.value;
    if (mappings_length < sizeof(record)) {
        return ERR_BAD_ARGUMENT;
    }
    while (mappings_length - done >= sizeof(record) && aspace_describe(&task->space, at, &record)) {
        enum error error = copy_to_user(uaddr(mappings.value + done), &record, sizeof(record));
        if (error != ERR_NONE) {
            return error;
        }
        done += sizeof(record);
        at = record.start + record.bytes;
    }
    *result = done;
    return ERR_NONE;
}

static struct memory_step step_record(const struct table_step *step)
{
    return (struct memory_step){
        .table = step->table.value,
        .entry = step->entry,
        .span = step->span,
        .index = step->index,
        .level = step->level,
        .access = step->flags & MAP_MODE_ACCESS,
        .present = step->present,
        .leaf = step->leaf,
        .accessed = step->accessed,
        .dirty = step->dirty,
    };
}

enum error prepare_task_translate(struct task *task, struct system *system, uaddr_t where, uaddr_t steps,
                                  uint64_t steps_length, uint64_t *result)
{
    struct table_step found[TABLE_LEVELS_MOST];
    struct memory_step records[TABLE_LEVELS_MOST];
    (void)system;
    if (steps_length < sizeof(records)) {
        return ERR_BAD_ARGUMENT;
    }
    if (where.value >= USER_HIGHEST) {
        return ERR_BAD_ADDRESS;
    }
    unsigned count = aspace_translate(&task->space, where.value, found);
    if (count == 0) {
        return ERR_DEAD;
    }
    for (unsigned i = 0; i < count; i++) {
        records[i] = step_record(&found[i]);
    }
    *result = count;
    return copy_to_user(steps, records, count * sizeof(records[0]));
}
