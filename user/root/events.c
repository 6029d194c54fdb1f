/* What the root server waits for; see events.h. */
#include "user/root/events.h"

#include "syscalls.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"

static uint32_t notification;

enum error events_open(void)
{
    enum error error = sys_notification_create(0, &notification);
    return error == ERR_NONE ? events_watch_console() : error;
}

enum error events_watch_console(void)
{
    return sys_console_watch(startup->console, notification, EVENT_CONSOLE);
}

enum error events_watch_task(uint32_t task)
{
    return sys_task_watch(task, notification, EVENT_TASK);
}

void events_wait_until(uint64_t mask, uint64_t deadline)
{
    uint64_t bits;
    enum error error = sys_notification_wait(notification, mask, deadline, &bits);
    (void)error; /* whatever ended the wait, the caller looks at what it waited for */
}

void events_wait(uint64_t mask)
{
    events_wait_until(mask, DEADLINE_NEVER);
}
