/*
 * System calls on tasks.
 */
#include "kernel/sys/calls.h"
#include "kernel/sys/creation.h"
#include "kernel/sys/plans.h"

void commit_task_exit(uint64_t status)
{
    task_exit((uint32_t)status);
}

enum error prepare_task_create(struct account *account, uaddr_t name, uint64_t name_length,
                               struct task_create_plan *plan)
{
    char text[TASK_NAME + 1];
    enum error error = copy_name(text, name, name_length);
    if (error != ERR_NONE) {
        return error;
    }
    struct task *task;
    error = task_make(account, text, task_ceiling(caller()), &task);
    return error != ERR_NONE ? error : creation_prepare(&task->object, &plan->made);
}

void commit_task_create(struct task_create_plan *plan, uint64_t *result)
{
    task_publish((struct task *)plan->made.object);
    creation_commit(&plan->made, result);
}

enum error prepare_task_kill(struct task *task, uint64_t status, struct task_kill_plan *plan)
{
    *plan = (struct task_kill_plan){task, (uint32_t)status};
    return task_end_prepare(task);
}

void commit_task_kill(struct task_kill_plan *plan)
{
    task_end_commit(plan->task, END_KILLED, plan->status);
}

enum error prepare_task_status(struct task *task, uaddr_t status, uint64_t status_length)
{
    struct task_status record;
    if (status_length < sizeof(record)) {
        return ERR_BAD_ARGUMENT;
    }
    task_get_status(task, &record);
    return copy_to_user(status, &record, sizeof(record));
}

void commit_task_watch(struct task *task, struct notification *notification, uint64_t bits)
{
    task_set_watcher(task, notification, bits);
}

enum error prepare_task_ceiling(struct task *task, uint64_t ceiling, struct task_ceiling_plan *plan)
{
    if (ceiling > task_ceiling(caller())) {
        return ERR_NO_RIGHT;
    }
    *plan = (struct task_ceiling_plan){task, (uint8_t)ceiling};
    return ERR_NONE;
}

void commit_task_ceiling(struct task_ceiling_plan *plan)
{
    __atomic_store_n(&plan->task->ceiling, plan->ceiling, __ATOMIC_RELAXED);
}
