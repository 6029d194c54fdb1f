/*
 * System calls on handles.
 */
#include "kernel/sys/calls.h"
#include "kernel/sys/plans.h"

enum error prepare_handle_close(uint64_t handle, struct handle_close_plan *plan)
{
    return handle_prepare(&caller()->handles, handle, &plan->found);
}

void commit_handle_close(struct handle_close_plan *plan)
{
    handle_close_commit(&plan->found);
}

enum error prepare_handle_copy(struct task *task, uint64_t source, uint64_t rights,
                               struct handle_copy_plan *plan)
{
    return handle_copy_prepare(&caller()->handles, source, RIGHT_TRANSFER, rights, &task->handles,
                               &plan->copy);
}

void commit_handle_copy(struct handle_copy_plan *plan, uint64_t *result)
{
    handle_copy_commit(&plan->copy, result);
}

enum error prepare_handle_duplicate(uint64_t source, uint64_t rights, struct handle_duplicate_plan *plan)
{
    struct handle_table *table = &caller()->handles;
    return handle_copy_prepare(table, source, RIGHT_DUPLICATE, rights, table, &plan->copy);
}

void commit_handle_duplicate(struct handle_duplicate_plan *plan, uint64_t *result)
{
    handle_copy_commit(&plan->copy, result);
}

enum error prepare_handle_replace(uint64_t handle, uint64_t rights, struct handle_replace_plan *plan)
{
    enum error error = handle_prepare(&caller()->handles, handle, &plan->found);
    if (error == ERR_NONE && (rights & ~(plan->found.tag & TAG_RIGHTS)) != 0) {
        spin_unlock(&plan->found.object->tree);
        return ERR_NO_RIGHT;
    }
    plan->rights = (uint32_t)rights;
    return error;
}

void commit_handle_replace(struct handle_replace_plan *plan, uint64_t *result)
{
    *result = handle_replace_commit(&plan->found, plan->rights);
}

enum error prepare_handle_query(uint64_t handle, uaddr_t info, uint64_t info_length)
{
    struct handle_found found;
    struct handle_info record;
    if (info_length < sizeof(record)) {
        return ERR_BAD_ARGUMENT;
    }
    enum error error = handle_prepare(&caller()->handles, handle, &found);
    if (error != ERR_NONE) {
        return error;
    }
    record = (struct handle_info){
        .type = found.object->type,
        .rights = (uint32_t)(found.tag & TAG_RIGHTS),
        .object = object_identity(found.object),
    };
    spin_unlock(&found.object->tree);
    return copy_to_user(info, &record, sizeof(record));
}

enum error prepare_handle_revoke(uint64_t handle, struct handle_revoke_plan *plan)
{
    return handle_prepare(&caller()->handles, handle, &plan->found);
}

void commit_handle_revoke(struct handle_revoke_plan *plan)
{
    handle_revoke_commit(&plan->found);
}
