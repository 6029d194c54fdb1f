/* What entering the kernel and finding an object costs. */
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/libq/program.h"

#define TRIES 1000

static bool null_call(void *context)
{
    (void)context;
    return sys_null() == ERR_NONE;
}

static bool clock_call(void *context)
{
    (void)context;
    uint64_t now;
    return sys_clock_read(&now) == ERR_NONE;
}

static bool size_call(void *context)
{
    uint64_t bytes;
    return sys_memory_size(*(const uint32_t *)context, &bytes) == ERR_NONE;
}

static bool signal_call(void *context)
{
    return sys_notification_signal(*(const uint32_t *)context, 1) == ERR_NONE;
}

static bool duplicate_close(void *context)
{
    uint32_t copy;
    return sys_handle_duplicate(*(const uint32_t *)context, RIGHT_SIGNAL, &copy) == ERR_NONE &&
           sys_handle_close(copy) == ERR_NONE;
}

static bool create_destroy(void *context)
{
    uint32_t notification;
    (void)context;
    return sys_notification_create(0, &notification) == ERR_NONE &&
           sys_handle_close(notification) == ERR_NONE;
}

void area_authority(void)
{
    uint32_t memory;
    uint32_t notification;
    if (sys_memory_create(0, PAGE_SIZE, 0, &memory) != ERR_NONE ||
        sys_notification_create(0, &notification) != ERR_NONE) {
        program_fail("authority: no memory for its objects");
    }
    measure_row("authority.null-call", &(struct measure){.operation = null_call, .tries = TRIES});
    measure_row("authority.clock-read", &(struct measure){.operation = clock_call, .tries = TRIES});
    measure_row("authority.handle-check",
                &(struct measure){.operation = size_call, .context = &memory, .tries = TRIES});
    measure_row("authority.notification-signal",
                &(struct measure){.operation = signal_call, .context = &notification, .tries = TRIES});
    measure_row("authority.duplicate-close",
                &(struct measure){.operation = duplicate_close, .context = &notification, .tries = TRIES});
    measure_row("authority.create-destroy", &(struct measure){.operation = create_destroy, .tries = TRIES});
    sys_handle_close(memory);
    sys_handle_close(notification);
}
