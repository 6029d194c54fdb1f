/* Addresses of memory that the kernel reads or writes for the caller: whatever is not its own is refused. */
#include "abi/system.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/errors.h"
#include "user/libq/program.h"

#define NOWHERE 0x0000600000000000ull /* nothing in this program is mapped near */

/* One call with this memory; the length is what it takes. */
static enum error write_console(uint64_t at, uint64_t bytes)
{
    uint64_t count;
    return sys_console_write(startup->console, (const void *)at, bytes, &count);
}

static enum error read_console(uint64_t at, uint64_t bytes)
{
    uint64_t count;
    return sys_console_read(startup->console, (void *)at, bytes, &count);
}

static enum error create_task(uint64_t at, uint64_t bytes)
{
    uint32_t task;
    return sys_task_create(0, (const void *)at, bytes < 32 ? bytes : 32, &task);
}

static enum error write_log(uint64_t at, uint64_t bytes)
{
    return sys_log_write(startup->system, 0, (const void *)at, bytes < 200 ? bytes : 200);
}

static enum error read_status(uint64_t at, uint64_t bytes)
{
    return sys_task_status(startup->self, (void *)at, bytes);
}

static enum error read_system(uint64_t at, uint64_t bytes)
{
    uint64_t count;
    return sys_system_read(startup->system, TOPIC_MEMORY, 0, (void *)at, bytes, &count);
}

struct user_call {
    const char *name;
    enum error (*function)(uint64_t at, uint64_t bytes);
    bool always; /* it touches the memory in any case */
    bool writes; /* the kernel writes to it */
};

static const struct user_call user_calls[] = {
    {"console_write", write_console, true, false}, {"console_read", read_console, false, true},
    {"task_create", create_task, true, false},     {"log_write", write_log, true, false},
    {"task_status", read_status, true, true},      {"system_read", read_system, true, true},
};

static bool refused(const struct user_call *call, uint64_t at)
{
    enum error error = call->function(at, 1024);
    return error == ERR_BAD_ADDRESS ||
           test_fail(__FILE__, __LINE__, "%s with memory at 0x%lx gave %s, expected ERR_BAD_ADDRESS",
                     call->name, at, error_name(error));
}

static bool memory_outside_the_user_half_is_refused(void)
{
    static const uint64_t places[] = {
        USER_HIGHEST,
        USER_HIGHEST - 16,
        0x0000800000000000ull,
        0x8000000000000000ull,
        0xffff7fffffffffffull,
        0xffff800000000000ull,
        0xffff800000001000ull,
        0xffffffff80000000ull,
        0xffffffffffe00000ull,
        0xffffffffffe02000ull,
        0xfffffffffffff000ull,
        ~0ull,
        ~0ull - 16,
    };
    for (size_t i = 0; i < sizeof user_calls / sizeof user_calls[0]; i++) {
        for (size_t place = 0; place < sizeof places / sizeof places[0]; place++) {
            if (!refused(&user_calls[i], places[place])) {
                return false;
            }
        }
    }
    return true;
}

static bool memory_that_is_not_mapped_is_refused(void)
{
    for (size_t i = 0; i < sizeof user_calls / sizeof user_calls[0]; i++) {
        if (user_calls[i].always &&
            !(refused(&user_calls[i], 0) && refused(&user_calls[i], 8) && refused(&user_calls[i], NOWHERE))) {
            return false;
        }
    }
    return true;
}

static bool memory_that_ends_too_early_is_refused(void)
{
    uint32_t memory;
    uint64_t at;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    CHECK_OK(sys_memory_map(startup->self, memory, 0, NOWHERE, PAGE_SIZE, ACCESS_READ | ACCESS_WRITE, &at));
    CHECK_EQUAL(at, NOWHERE);
    for (size_t i = 0; i < sizeof user_calls / sizeof user_calls[0]; i++) {
        if (user_calls[i].always && !refused(&user_calls[i], NOWHERE + PAGE_SIZE - 8)) {
            return false;
        }
    }
    CHECK_OK(sys_memory_unmap(startup->self, NOWHERE, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool the_kernel_does_not_write_to_read_only_memory(void)
{
    static const char constant[1024] = "constant";
    for (size_t i = 0; i < sizeof user_calls / sizeof user_calls[0]; i++) {
        if (user_calls[i].writes && user_calls[i].always &&
            !(refused(&user_calls[i], (uint64_t)constant) &&
              refused(&user_calls[i], (uint64_t)refused & ~(PAGE_SIZE - 1)))) {
            return false;
        }
    }
    CHECK(text_equal(constant, "constant"));
    return true;
}

static bool a_refused_task_name_takes_no_handle(void)
{
    uint32_t notification;
    for (unsigned i = 0; i <= HANDLES_MOST; i++) {
        CHECK_ERROR(create_task(NOWHERE, 8), ERR_BAD_ADDRESS);
    }
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static bool nothing_at_all_needs_no_memory(void)
{
    uint64_t count = 1;
    CHECK_OK(sys_console_write(startup->console, "", 0, &count));
    CHECK_EQUAL(count, 0);
    return true;
}

static const struct test tests[] = {
    TEST(memory_outside_the_user_half_is_refused), TEST(memory_that_is_not_mapped_is_refused),
    TEST(memory_that_ends_too_early_is_refused),   TEST(the_kernel_does_not_write_to_read_only_memory),
    TEST(a_refused_task_name_takes_no_handle),     TEST(nothing_at_all_needs_no_memory),
};
const struct area area_addresses = AREA("addresses", tests);
