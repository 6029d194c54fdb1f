/*
 * What there is of each type of object.
 */
#include "kernel/ipc/notification.h"
#include "kernel/mm/memory.h"
#include "kernel/obj/account_tree.h"
#include "kernel/obj/machine.h"
#include "kernel/obj/task.h"

const struct object_kind object_kinds[OBJECT_TYPES] = {
    [OBJECT_TASK] = {sizeof(struct task), task_destroy},
    [OBJECT_MEMORY] = {sizeof(struct memory), memory_destroy},
    [OBJECT_NOTIFICATION] = {sizeof(struct notification), notification_destroy},
    [OBJECT_CONSOLE] = {sizeof(struct console), machine_destroy},
    [OBJECT_SYSTEM] = {sizeof(struct system), machine_destroy},
    [OBJECT_ACCOUNT] = {sizeof(struct account), account_destroy},
};
