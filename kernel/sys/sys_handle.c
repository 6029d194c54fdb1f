/*
 * System calls on handles and notifications.
 */
#include "kernel/sys/context.h"
#include "kernel/sys/calls.h"

enum error sys_handle_close(uint64_t handle)
{
    return handle_close(&caller()->handles, handle);
}

enum error sys_handle_copy(struct task *task, uint64_t source, uint64_t rights, uint64_t *result)
{
    struct object *object;
    uint32_t held;
    enum error error = handle_get_any(&caller()->handles, source, &object, &held);
    if (error != ERR_NONE) {
        return error;
    }
    if ((held & RIGHT_DUPLICATE) == 0 || (rights & ~(uint64_t)held) != 0) {
        object_release(object);
        return ERR_NO_RIGHT;
    }
    error = handle_insert(&task->handles, object, (uint32_t)rights, result);
    if (error != ERR_NONE) {
        object_release(object);
    }
    return error;
}

enum error sys_notification_create(uint64_t *result)
{
    struct notification *notification;
    enum error error = notification_make(&notification);
    return error != ERR_NONE ? error : handle_give(&notification->object, RIGHT_ALL, result);
}

enum error sys_notification_signal(struct notification *notification, uint64_t bits)
{
    notification_signal(notification, bits);
    return ERR_NONE;
}

enum error sys_notification_wait(struct notification *notification, uint64_t mask, uint64_t deadline,
                                 uint64_t *result)
{
    return mask == 0 ? ERR_BAD_ARGUMENT : notification_wait(notification, mask, deadline, result);
}
