/*
 * Failure injection: each call of the table with its first charge or allocation failing, then its second, and
 * so on, until it succeeds. After each failure nothing has changed. Only where the machine was started with
 * inject=1.
 */
#include "abi/system.h"
#include "lib/text.h"
#include "syscalls.h"
#include "user/bin/utest/books.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/scenes.h"
#include "user/bin/utest/test.h"
#include "user/libq/errors.h"
#include "user/libq/program.h"
#include "user/libq/system.h"

#define FAILURES_MOST 1500 /* memory_create has one for each page */

static bool injects(void)
{
    char value[8];
    return system_variable("inject", value, sizeof value) && text_equal(value, "1");
}

static bool arm(uint64_t n)
{
    CHECK_OK(sys_system_control(startup->system, ACTION_FAIL, n));
    return true;
}

/* One try. `done` says that the call succeeded. */
static bool fail_once(const struct grammar_call *call, uint64_t n, bool *done)
{
    struct scene scene;
    struct books before;
    uint64_t result = 0;
    if (!scene_set(&scene, call) || !books_at_rest(&before) || !arm(n)) {
        return false;
    }
    enum error error = scene_call(&scene, &result);
    if (!arm(0)) {
        return false;
    }
    *done = error == ERR_NONE;
    if (!*done && error != ERR_LIMIT && error != ERR_NO_MEMORY) {
        return test_fail(__FILE__, __LINE__, "%s with failure %lu gave %s", call->name, n, error_name(error));
    }
    return (*done || books_unchanged(&before, call->name)) && scene_clear(&scene, *done ? result : 0);
}

static bool every_call_survives_each_failure_and_changes_nothing(void)
{
    if (!injects()) {
        return test_skip("the boot environment does not say inject=1");
    }
    unsigned failures = 0;
    for (unsigned i = 0; i < GRAMMAR_CALLS; i++) {
        const struct grammar_call *call = &grammar_calls[i];
        bool done = call->number == SYS_TASK_EXIT || call->number == SYS_THREAD_EXIT ||
                    call->number == SYS_THREAD_QUIT; /* see below */
        uint64_t n = 1;
        for (; !done; n++) {
            if (n > FAILURES_MOST) {
                return test_fail(__FILE__, __LINE__, "%s still fails with failure %lu", call->name, n);
            }
            if (!fail_once(call, n, &done)) {
                return false;
            }
            failures += !done;
        }
    }
    CHECK(failures > 60);
    return true;
}

/* They allocate nothing: armed, they do what they always do. */
static bool the_calls_that_do_not_return_allocate_nothing(void)
{
    static const char *const numbers[] = {"1", "2", "48"}; /* task_exit, thread_exit, thread_quit */
    if (!injects()) {
        return test_skip("the boot environment does not say inject=1");
    }
    for (unsigned i = 0; i < 3; i++) {
        struct child child;
        struct task_status status = {0};
        CHECK_OK(child_create(&child, "utest", "armed", numbers[i]));
        CHECK_OK(sys_handle_copy(child.process.task, startup->system, RIGHT_MANAGE, &child.shared->other));
        CHECK_OK(child_run(&child));
        CHECK_OK(child_wait(&child, &status));
        CHECK_EQUAL(status.end, END_EXIT);
        CHECK_EQUAL(status.status, 0);
        child_discard(&child);
    }
    return true;
}

static bool failures_strike_only_who_asked_for_them(void)
{
    uint32_t notification;
    if (!injects()) {
        CHECK_ERROR(sys_system_control(startup->system, ACTION_FAIL, 1), ERR_UNSUPPORTED);
        return true;
    }
    CHECK_OK(sys_system_control(startup->system, ACTION_FAIL, 1));
    CHECK_ERROR(sys_notification_create(0, &notification), ERR_LIMIT);
    CHECK_OK(sys_notification_create(0, &notification));
    CHECK_OK(sys_handle_close(notification));
    return true;
}

static const struct test tests[] = {
    TEST(failures_strike_only_who_asked_for_them),
    TEST(every_call_survives_each_failure_and_changes_nothing),
    TEST(the_calls_that_do_not_return_allocate_nothing),
};
const struct area area_injection = AREA("injection", tests);
