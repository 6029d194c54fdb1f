/*
 * What the halves of system calls share: who calls, and typed look-up of handles in the caller's table.
 */
#ifndef QUIRE_KERNEL_SYS_CONTEXT_H
#define QUIRE_KERNEL_SYS_CONTEXT_H

#include "kernel/arch/arch.h"
#include "kernel/mm/memory.h"
#include "kernel/mm/usercopy.h"
#include "kernel/obj/machine.h"
#include "kernel/obj/task.h"

static inline struct task *caller(void)
{
    return thread_current()->task;
}

#define HANDLE_GET(kind, number)                                                                             \
    static inline enum error handle_get_##kind(uint64_t handle, uint32_t rights, struct kind **out)          \
    {                                                                                                        \
        struct object *object;                                                                               \
        enum error error = handle_get(&caller()->handles, handle, number, rights, &object);                  \
        if (error == ERR_NONE) {                                                                             \
            *out = LIST_ENTRY(object, struct kind, object);                                                  \
        }                                                                                                    \
        return error;                                                                                        \
    }
HANDLE_GET(task, OBJECT_TASK)
HANDLE_GET(memory, OBJECT_MEMORY)
HANDLE_GET(notification, OBJECT_NOTIFICATION)
HANDLE_GET(console, OBJECT_CONSOLE)
HANDLE_GET(system, OBJECT_SYSTEM)
HANDLE_GET(thread, OBJECT_THREAD)
#undef HANDLE_GET

/* Give an object that was just made to the caller, by a handle with these rights, or drop it. */
static inline enum error handle_give(struct object *object, uint32_t rights, uint64_t *handle)
{
    enum error error = handle_insert(&caller()->handles, object, rights, handle);
    if (error != ERR_NONE) {
        object_release(object);
    }
    return error;
}

#endif
