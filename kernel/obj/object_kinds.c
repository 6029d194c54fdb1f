/*
 * What there is of each type of object.
 */
#include "kernel/ipc/notification.h"
#include "kernel/mm/memory.h"
#include "kernel/mm/slab.h"
#include "kernel/obj/account_tree.h"
#include "kernel/obj/machine.h"
#include "kernel/obj/task.h"

static struct slab_cache tasks = SLAB_CACHE_OF("task", struct task);
static struct slab_cache memories = SLAB_CACHE_OF("memory object", struct memory);
static struct slab_cache notifications = SLAB_CACHE_OF("notification", struct notification);
static struct slab_cache threads = SLAB_CACHE_OF("thread", struct thread);
static struct slab_cache accounts = SLAB_CACHE_OF("account", struct account);

const struct object_kind object_kinds[OBJECT_TYPES] = {
    [OBJECT_TASK] = {&tasks, task_destroy},
    [OBJECT_MEMORY] = {&memories, memory_destroy},
    [OBJECT_NOTIFICATION] = {&notifications, notification_destroy},
    [OBJECT_CONSOLE] = {NULL, machine_destroy},
    [OBJECT_SYSTEM] = {NULL, machine_destroy},
    [OBJECT_ACCOUNT] = {&accounts, account_destroy},
    [OBJECT_THREAD] = {&threads, thread_destroy},
};
