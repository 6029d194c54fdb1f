/* The gate itself: numbers that name no call, and values outside the range that the table gives. */
#include "abi/system.h"
#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/program.h"

static enum error raw(uint64_t number)
{
    uint64_t value;
    return sys_raw(number, 0, 0, 0, 0, 0, 0, &value);
}

static bool a_number_that_names_no_call_is_refused(void)
{
    static const uint64_t numbers[] = {
        SYS_COUNT,   SYS_COUNT + 1,
        0xff,        0x100,
        0xffff,      0x7fffffff,
        0x80000000,  0xffffffff,
        0x100000000, 1ull << 63,
        ~0ull,       ~0ull - SYS_COUNT,
        1ull << 61,  (1ull << 32) + SYS_NULL,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        CHECK_ERROR(raw(numbers[i]), ERR_NO_CALL);
    }
    return true;
}

static bool null_does_nothing(void)
{
    CHECK_OK(sys_null());
    return true;
}

static bool values_outside_their_range_are_refused(void)
{
    static char buffer[64];
    uint64_t value;
    uint32_t handle;
    uint32_t notification;
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_ERROR(sys_task_exit(0x100000000), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_task_exit(~0ull), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_memory_create(0, 0, 0, &handle), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_memory_create(0, 0x10000000001, 0, &handle), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_memory_create(0, ~0ull, 0, &handle), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_task_kill(startup->self, 0x100000000), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_task_create(0, buffer, 33, &handle), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_task_create(0, buffer, ~0ull, &handle), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_console_write(startup->console, buffer, 4097, &value), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_console_read(startup->console, buffer, 4097, &value), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_system_read(startup->system, TOPIC_BOOT, 0, buffer, 65537, &value), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_log_write(startup->system, 4, buffer, 1), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_log_write(startup->system, 0, buffer, 201), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_system_control(startup->system, 0, 0), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_system_control(startup->system, 99, 0), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_system_control(startup->system, ~0ull, 0), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_system_control(startup->system, ACTION_PANIC, 128), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_notification_wait(notification, 0, 0, &value), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_task_watch(startup->self, notification, 0), ERR_BAD_ARGUMENT);
    CHECK_ERROR(sys_console_watch(startup->console, notification, 0), ERR_BAD_ARGUMENT);
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static const struct test tests[] = {
    TEST(null_does_nothing),
    TEST(a_number_that_names_no_call_is_refused),
    TEST(values_outside_their_range_are_refused),
};
const struct area area_calls = AREA("calls", tests);
