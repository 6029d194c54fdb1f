/*
 * System calls on tasks.
 */
#include "kernel/sys/context.h"
#include "kernel/sys/calls.h"
#include "lib/text.h"

enum error sys_task_exit(uint64_t status)
{
    return task_end(caller(), END_EXIT, (uint32_t)status);
}

enum error sys_task_create(uaddr_t name, uint64_t name_length, uint64_t *result)
{
    char text[TASK_NAME + 1] = {0};
    enum error error = copy_from_user(text, name, name_length);
    if (error != ERR_NONE) {
        return error;
    }
    for (uint64_t i = 0; i < name_length; i++) {
        text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?'; /* it will be printed */
    }
    struct task *task;
    error = task_make(text, task_ceiling(caller()), &task);
    return error != ERR_NONE ? error : handle_give(&task->object, RIGHT_ALL, result);
}

enum error sys_task_kill(struct task *task, uint64_t status)
{
    return task_end(task, END_KILLED, (uint32_t)status);
}

enum error sys_task_status(struct task *task, uaddr_t status, uint64_t status_length)
{
    struct task_status record;
    if (status_length < sizeof(record)) {
        return ERR_BAD_ARGUMENT;
    }
    task_get_status(task, &record);
    return copy_to_user(status, &record, sizeof(record));
}

enum error sys_task_watch(struct task *task, struct notification *notification, uint64_t bits)
{
    if (bits == 0) {
        return ERR_BAD_ARGUMENT;
    }
    notification_retain(notification);
    task_set_watcher(task, notification, bits);
    return ERR_NONE;
}

enum error sys_task_ceiling(struct task *task, uint64_t ceiling)
{
    if (ceiling > task_ceiling(caller())) {
        return ERR_NO_RIGHT;
    }
    __atomic_store_n(&task->ceiling, (uint8_t)ceiling, __ATOMIC_RELAXED);
    return ERR_NONE;
}
