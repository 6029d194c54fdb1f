/* Handles: what is refused, for every call that takes one; copying, dropping rights, and the end of a handle.
 */
#include "abi/system.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"
#include "user/libq/errors.h"
#include "user/libq/program.h"

#define WORDS 6

enum type { TASK, MEMORY, NOTIFICATION, CONSOLE, SYSTEM, TYPES };

/* A call with good arguments, one of which is the handle under test. */
struct call {
    uint64_t number;
    unsigned slot;
    enum type type;
    uint32_t rights;
    uint64_t words[WORDS];
};

static uint32_t good[TYPES];
static char buffer[4096] __attribute__((aligned(16)));

static enum error call_with(const struct call *call, uint64_t handle)
{
    uint64_t words[WORDS];
    uint64_t value;
    for (unsigned i = 0; i < WORDS; i++) {
        words[i] = i == call->slot ? handle : call->words[i];
    }
    return sys_raw(call->number, words[0], words[1], words[2], words[3], words[4], words[5], &value);
}

static bool check(const struct call *call, uint64_t handle, enum error expected)
{
    enum error error = call_with(call, handle);
    return error == expected ||
           test_fail(__FILE__, __LINE__, "call %lu with handle 0x%lx as argument %u gave %s, expected %s",
                     call->number, handle, call->slot, error_name(error), error_name(expected));
}

static bool check_bad_handles(const struct call *call)
{
    uint32_t stale;
    CHECK_OK(sys_handle_duplicate(good[call->type], RIGHT_ALL, &stale));
    CHECK_OK(sys_handle_close(stale));
    return check(call, 0, ERR_BAD_HANDLE) && check(call, stale, ERR_BAD_HANDLE) &&
           check(call, 0xffffffff, ERR_BAD_HANDLE) && check(call, ~0ull, ERR_BAD_HANDLE) &&
           check(call, good[call->type] | 1ull << 32, ERR_BAD_HANDLE) &&
           check(call, good[call->type] ^ 1u << 31, ERR_BAD_HANDLE);
}

static bool check_wrong_types(const struct call *call)
{
    for (enum type type = 0; type < TYPES; type++) {
        if (type != call->type && !check(call, good[type], ERR_WRONG_TYPE)) {
            return false;
        }
    }
    return true;
}

/* All rights but those that the call needs. */
static bool check_missing_right(const struct call *call)
{
    uint32_t weak;
    CHECK_OK(sys_handle_duplicate(good[call->type], RIGHT_ALL & ~call->rights, &weak));
    bool refused = check(call, weak, ERR_NO_RIGHT);
    CHECK_OK(sys_handle_close(weak));
    return refused;
}

static bool for_every_call(bool (*check_call)(const struct call *call))
{
    const uint64_t at = (uint64_t)buffer;
    good[TASK] = startup->self;
    good[CONSOLE] = startup->console;
    good[SYSTEM] = startup->system;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, &good[MEMORY]));
    CHECK_OK(sys_notification_create(0, &good[NOTIFICATION]));
    const uint64_t self = startup->self;
    const uint64_t memory = good[MEMORY];
    const uint64_t console = good[CONSOLE];
    const struct call calls[] = {
        {SYS_HANDLE_COPY, 0, TASK, RIGHT_MANAGE, {0, memory, RIGHT_READ}},
        {SYS_MEMORY_SIZE, 0, MEMORY, RIGHT_READ, {0}},
        {SYS_MEMORY_MAP, 0, TASK, RIGHT_MANAGE, {0, memory, 0, 0, PAGE_SIZE, ACCESS_READ}},
        {SYS_MEMORY_MAP, 1, MEMORY, RIGHT_MAP, {self, 0, 0, 0, PAGE_SIZE, ACCESS_READ}},
        {SYS_MEMORY_UNMAP, 0, TASK, RIGHT_MANAGE, {0, USER_LOWEST}},
        {SYS_TASK_KILL, 0, TASK, RIGHT_MANAGE, {0, 0}},
        {SYS_TASK_STATUS, 0, TASK, RIGHT_READ, {0, at, sizeof buffer}},
        {SYS_TASK_WATCH, 0, TASK, RIGHT_READ, {0, good[NOTIFICATION], 1}},
        {SYS_TASK_WATCH, 1, NOTIFICATION, RIGHT_SIGNAL, {self, 0, 1}},
        {SYS_THREAD_START, 0, TASK, RIGHT_MANAGE, {0, USER_LOWEST, USER_LOWEST, 0}},
        {SYS_NOTIFICATION_SIGNAL, 0, NOTIFICATION, RIGHT_SIGNAL, {0, 1}},
        {SYS_NOTIFICATION_WAIT, 0, NOTIFICATION, RIGHT_WAIT, {0, 1, 0}},
        {SYS_CONSOLE_WRITE, 0, CONSOLE, RIGHT_WRITE, {0, at, 1}},
        {SYS_CONSOLE_READ, 0, CONSOLE, RIGHT_READ, {0, at, 1}},
        {SYS_CONSOLE_WATCH, 0, CONSOLE, RIGHT_READ, {0, good[NOTIFICATION], 1}},
        {SYS_CONSOLE_WATCH, 1, NOTIFICATION, RIGHT_SIGNAL, {console, 0, 1}},
        {SYS_SYSTEM_READ, 0, SYSTEM, RIGHT_READ, {0, TOPIC_BOOT, 0, at, sizeof buffer}},
        {SYS_SYSTEM_CONTROL, 0, SYSTEM, RIGHT_MANAGE, {0, ACTION_PANIC, 0}},
        {SYS_LOG_WRITE, 0, SYSTEM, RIGHT_WRITE, {0, 0, at, 1}},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        if (!check_call(&calls[i])) {
            return false;
        }
    }
    CHECK_OK(sys_handle_close(good[MEMORY]));
    CHECK_OK(sys_handle_close(good[NOTIFICATION]));
    return true;
}

static bool every_call_refuses_a_handle_that_names_nothing(void)
{
    return for_every_call(check_bad_handles);
}

static bool every_call_refuses_a_handle_of_another_type(void)
{
    return for_every_call(check_wrong_types);
}

static bool every_call_refuses_a_handle_without_the_right(void)
{
    return for_every_call(check_missing_right);
}

static bool a_closed_handle_names_nothing_even_when_its_slot_is_used_again(void)
{
    uint32_t first;
    uint32_t second;
    uint64_t bytes;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, &first));
    CHECK_OK(sys_handle_close(first));
    CHECK_ERROR(sys_handle_close(first), ERR_BAD_HANDLE);
    for (unsigned i = 0; i < 1000; i++) {
        CHECK_OK(sys_memory_create(0, PAGE_SIZE, &second));
        CHECK(second != first);
        CHECK_ERROR(sys_memory_size(first, &bytes), ERR_BAD_HANDLE);
        CHECK_OK(sys_handle_close(second));
    }
    return true;
}

static bool closing_what_names_nothing_is_refused(void)
{
    uint64_t value;
    CHECK_ERROR(sys_handle_close(0), ERR_BAD_HANDLE);
    CHECK_ERROR(sys_handle_close(0xffffffff), ERR_BAD_HANDLE);
    CHECK_ERROR(sys_raw(SYS_HANDLE_CLOSE, startup->self | 1ull << 32, 0, 0, 0, 0, 0, &value), ERR_BAD_HANDLE);
    return true;
}

static bool a_copy_names_the_same_object(void)
{
    uint32_t first;
    uint32_t second;
    uint64_t bits;
    CHECK_OK(sys_notification_create(0, &first));
    CHECK_OK(sys_handle_duplicate(first, RIGHT_WAIT, &second));
    CHECK(second != first);
    CHECK_OK(sys_notification_signal(first, 5));
    CHECK_OK(sys_handle_close(first));
    CHECK_OK(sys_notification_wait(second, ~0ull, 0, &bits));
    CHECK_EQUAL(bits, 5);
    CHECK_OK(sys_handle_close(second));
    return true;
}

static bool rights_can_be_dropped_and_never_gained(void)
{
    uint32_t strong;
    uint32_t weak;
    uint32_t weaker;
    CHECK_OK(sys_notification_create(0, &strong));
    CHECK_OK(sys_handle_duplicate(strong, RIGHT_WAIT | RIGHT_DUPLICATE, &weak));
    CHECK_ERROR(sys_handle_duplicate(weak, RIGHT_WAIT | RIGHT_SIGNAL, &weaker), ERR_NO_RIGHT);
    CHECK_OK(sys_handle_duplicate(weak, RIGHT_WAIT, &weaker));
    CHECK_ERROR(sys_notification_signal(weaker, 1), ERR_NO_RIGHT);
    CHECK_OK(sys_handle_close(strong));
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(weaker));
    return true;
}

static bool a_copy_needs_the_right_to_duplicate(void)
{
    uint32_t strong;
    uint32_t weak;
    uint32_t copy;
    CHECK_OK(sys_notification_create(0, &strong));
    CHECK_OK(sys_handle_duplicate(strong, RIGHT_ALL & ~RIGHT_DUPLICATE, &weak));
    CHECK_ERROR(sys_handle_duplicate(weak, RIGHT_WAIT, &copy), ERR_NO_RIGHT);
    CHECK_ERROR(sys_handle_duplicate(0, RIGHT_WAIT, &copy), ERR_BAD_HANDLE);
    CHECK_ERROR(sys_handle_duplicate(strong, RIGHT_ALL + 1, &copy), ERR_NO_RIGHT);
    CHECK_ERROR(sys_handle_duplicate(strong, ~0ull, &copy), ERR_NO_RIGHT);
    CHECK_OK(sys_handle_close(strong));
    CHECK_OK(sys_handle_close(weak));
    return true;
}

/* In a task of its own: a table that has grown stays so. */
static bool a_full_table_is_refused_and_works_again_after(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("utest", "fill", "", &status));
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 0);
    return true;
}

static const struct test tests[] = {
    TEST(every_call_refuses_a_handle_that_names_nothing),
    TEST(every_call_refuses_a_handle_of_another_type),
    TEST(every_call_refuses_a_handle_without_the_right),
    TEST(a_closed_handle_names_nothing_even_when_its_slot_is_used_again),
    TEST(closing_what_names_nothing_is_refused),
    TEST(a_copy_names_the_same_object),
    TEST(rights_can_be_dropped_and_never_gained),
    TEST(a_copy_needs_the_right_to_duplicate),
    TEST(a_full_table_is_refused_and_works_again_after),
};
const struct area area_handles = AREA("handles", tests);
