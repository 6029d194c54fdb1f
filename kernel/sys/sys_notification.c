/*
 * System calls on notifications.
 */
#include "kernel/sys/calls.h"
#include "kernel/sys/creation.h"
#include "kernel/sys/plans.h"

enum error prepare_notification_create(struct account *account, struct notification_create_plan *plan)
{
    struct notification *notification;
    enum error error = notification_make(account, &notification);
    return error != ERR_NONE ? error : creation_prepare(&notification->object, &plan->made);
}

void commit_notification_create(struct notification_create_plan *plan, uint64_t *result)
{
    creation_commit(&plan->made, result);
}

void commit_notification_signal(struct notification *notification, uint64_t bits)
{
    notification_signal(notification, bits);
}

void commit_notification_wait(struct notification *notification, uint64_t mask, uint64_t deadline,
                              uint64_t *result, enum error *outcome)
{
    *outcome = notification_wait(notification, mask, deadline, result);
}
