/*
 * The authority audit: what the table of system calls says that a call needs is tried out for each call, each
 * argument and each right. The call is refused with the right error, and nothing has happened.
 */
#include "abi/memory.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/books.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/scenes.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/program.h"

#define NOWHERE 0x0000300000000000ull

/* The call with one word changed is refused like this, and changes nothing. */
static bool refuses(struct scene *scene, unsigned slot, uint64_t word, enum error expected)
{
    struct books before;
    uint64_t value;
    uint64_t good = scene->words[slot];
    if (!books_take(&before)) {
        return false;
    }
    CHECK_EQUAL(before.things.going, 0); /* or the books change by themselves */
    scene->words[slot] = word;
    enum error error = scene_call(scene, &value);
    scene->words[slot] = good;
    if (error != expected) {
        return test_fail(__FILE__, __LINE__, "%s with 0x%lx as argument word %u gave %s, expected %s",
                         scene->call->name, word, slot, error_name(error), error_name(expected));
    }
    return books_unchanged(&before, scene->call->name);
}

/*
 * Set the scene of each call that returns, and look at each of its arguments. What earlier tests, the scene
 * before and this one have ended is gone by then: a task has ended before the record of its last thread goes.
 */
static bool for_every_argument(bool (*look)(struct scene *scene, const struct grammar_argument *argument))
{
    for (unsigned i = 0; i < GRAMMAR_CALLS; i++) {
        const struct grammar_call *call = &grammar_calls[i];
        struct scene scene;
        struct books rest;
        if (!scene_set(&scene, call) || !books_at_rest(&rest)) {
            return false;
        }
        for (unsigned k = 0; k < call->count; k++) {
            if (!look(&scene, &call->arguments[k])) {
                return false;
            }
        }
        if (!scene_clear(&scene, 0)) {
            return false;
        }
    }
    return true;
}

static bool is_handle(const struct grammar_argument *argument)
{
    return argument->kind == GRAMMAR_HANDLE || argument->kind == GRAMMAR_ANY;
}

static bool every_call_does_its_work_with_good_arguments(void)
{
    for (unsigned i = 0; i < GRAMMAR_CALLS; i++) {
        const struct grammar_call *call = &grammar_calls[i];
        struct scene scene;
        uint64_t result = 0;
        if (!scene_set(&scene, call)) {
            return false;
        }
        if (!scene.ends) {
            enum error error = scene_call(&scene, &result);
            if (error != ERR_NONE) {
                return test_fail(__FILE__, __LINE__, "%s gave %s", call->name, error_name(error));
            }
        }
        if (!scene_clear(&scene, result)) {
            return false;
        }
    }
    return true;
}

static bool the_calls_that_do_not_return_end_what_they_say(void)
{
    struct task_status status = {0};
    CHECK_OK(child_complete("utest", "scene", "1", &status));
    CHECK_EQUAL(SYS_TASK_EXIT, 1);
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 0);
    CHECK_OK(child_complete("utest", "scene", "2", &status));
    CHECK_EQUAL(SYS_THREAD_EXIT, 2);
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 0);
    CHECK_OK(child_complete("utest", "scene", "48", &status));
    CHECK_EQUAL(SYS_THREAD_QUIT, 48);
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(status.status, 0);
    return true;
}

/* What the audits rely on: the record of a thread goes after the end of its task is told, and is counted. */
static bool nothing_of_an_ended_child_goes_once_the_books_are_at_rest(void)
{
    for (unsigned i = 0; i < 40; i++) {
        struct task_status status = {0};
        struct books rest;
        CHECK_OK(child_complete("utest", "scene", "48", &status));
        if (!books_at_rest(&rest)) {
            return false;
        }
        CHECK_OK(sys_thread_sleep(clock_after(5 * MILLISECOND)));
        if (!books_unchanged(&rest, "a child that ended")) {
            return false;
        }
    }
    return true;
}

static bool refuses_what_names_nothing(struct scene *scene, const struct grammar_argument *argument)
{
    uint32_t stale;
    uint64_t good = scene->words[argument->slot];
    if (!is_handle(argument)) {
        return true;
    }
    CHECK_OK(sys_handle_duplicate((uint32_t)good, RIGHT_ALL, &stale));
    CHECK_OK(sys_handle_close(stale));
    const uint64_t nothing[] = {
        stale,                        /* closed */
        good ^ 1ull << 16,            /* another generation */
        good ^ 1ull << 31,            /* and a far one */
        (good & 0xffff0000) | 0xffff, /* an index that was never used */
        good & 0xffff,                /* generation 0 */
        good | 1ull << 32,            /* more than 32 bits */
        good | 1ull << 63,
        0xffffffff,
        ~0ull,
        (uint64_t)(uint32_t)-1 << 16,
    };
    for (unsigned i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        if (!refuses(scene, argument->slot, nothing[i], ERR_BAD_HANDLE)) {
            return false;
        }
    }
    return argument->optional || refuses(scene, argument->slot, 0, ERR_BAD_HANDLE);
}

static bool every_call_refuses_a_handle_that_names_nothing(void)
{
    return for_every_argument(refuses_what_names_nothing);
}

static bool refuses_other_types(struct scene *scene, const struct grammar_argument *argument)
{
    uint32_t of_type[OBJECT_TYPES] = {[OBJECT_TASK] = startup->self,
                                      [OBJECT_CONSOLE] = startup->console,
                                      [OBJECT_SYSTEM] = startup->system,
                                      [OBJECT_ACCOUNT] = startup->account};
    if (argument->kind != GRAMMAR_HANDLE) {
        return true;
    }
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &of_type[OBJECT_MEMORY]));
    CHECK_OK(sys_notification_create(0, &of_type[OBJECT_NOTIFICATION]));
    CHECK_OK(sys_thread_self(&of_type[OBJECT_THREAD]));
    for (unsigned type = 1; type < OBJECT_TYPES; type++) {
        if (type != argument->type && !refuses(scene, argument->slot, of_type[type], ERR_WRONG_TYPE)) {
            return false;
        }
    }
    CHECK_OK(sys_handle_close(of_type[OBJECT_MEMORY]));
    CHECK_OK(sys_handle_close(of_type[OBJECT_NOTIFICATION]));
    CHECK_OK(sys_handle_close(of_type[OBJECT_THREAD]));
    return true;
}

static bool every_call_refuses_a_handle_of_another_type(void)
{
    return for_every_argument(refuses_other_types);
}

/* All rights but one. */
static bool refuses_missing_rights(struct scene *scene, const struct grammar_argument *argument)
{
    if (!is_handle(argument)) {
        return true;
    }
    uint32_t needed = argument->rights;
    if (argument->access != GRAMMAR_NO_SLOT) {
        uint64_t mode = scene->words[argument->access];
        needed |= (uint32_t)(mode | mode >> MAP_MAY_SHIFT) & MAP_MODE_ACCESS;
    }
    for (unsigned bit = 0; bit < RIGHT_BITS; bit++) {
        uint32_t right = 1u << bit;
        uint32_t weak;
        if ((needed & right) == 0) {
            continue;
        }
        CHECK_OK(sys_handle_duplicate((uint32_t)scene->words[argument->slot], RIGHT_ALL & ~right, &weak));
        bool refused = refuses(scene, argument->slot, weak, ERR_NO_RIGHT);
        CHECK_OK(sys_handle_close(weak));
        if (!refused) {
            return false;
        }
    }
    return true;
}

static bool every_call_refuses_a_handle_without_any_one_of_the_rights(void)
{
    return for_every_argument(refuses_missing_rights);
}

static bool refuses_out_of_range(struct scene *scene, const struct grammar_argument *argument)
{
    bool memory = argument->kind == GRAMMAR_IN || argument->kind == GRAMMAR_OUT;
    unsigned slot = argument->slot + memory;
    if (argument->kind != GRAMMAR_VALUE && !memory) {
        return true;
    }
    if (argument->low > 0 && !(refuses(scene, slot, argument->low - 1, ERR_BAD_ARGUMENT) &&
                               refuses(scene, slot, 0, ERR_BAD_ARGUMENT))) {
        return false;
    }
    return argument->high == ~0ull || (refuses(scene, slot, argument->high + 1, ERR_BAD_ARGUMENT) &&
                                       refuses(scene, slot, 1ull << 63, ERR_BAD_ARGUMENT) &&
                                       refuses(scene, slot, ~0ull, ERR_BAD_ARGUMENT));
}

static bool every_call_refuses_a_value_outside_its_range(void)
{
    return for_every_argument(refuses_out_of_range);
}

static bool refuses_foreign_memory(struct scene *scene, const struct grammar_argument *argument)
{
    static const uint64_t places[] = {
        USER_HIGHEST,
        USER_HIGHEST - 4,
        0x0000800000000000ull,
        0x8000000000000000ull,
        0xffff7fffffffffffull,
        0xffff800000000000ull,
        0xffffffffc0000000ull,
        0xffffffffffe02000ull,
        0xfffffffffffff000ull,
        ~0ull,
        0,
        8,
        USER_LOWEST - 1,
        NOWHERE,
    };
    bool in = argument->kind == GRAMMAR_IN;
    if (!in && argument->kind != GRAMMAR_OUT) {
        return true;
    }
    uint64_t length = scene->words[argument->slot + 1];
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
        /* What is not mapped is only seen when there is something to copy. */
        bool copies = scene->call->number != SYS_CONSOLE_READ;
        bool outside =
            places[i] < USER_LOWEST || places[i] >= USER_HIGHEST || length > USER_HIGHEST - places[i];
        if ((copies || outside) && !refuses(scene, argument->slot, places[i], ERR_BAD_ADDRESS)) {
            return false;
        }
    }
    return in || scene->call->number == SYS_CONSOLE_READ ||
           refuses(scene, argument->slot, (uint64_t)places, ERR_BAD_ADDRESS); /* it can only be read */
}

static bool every_call_refuses_memory_that_is_not_the_callers(void)
{
    return for_every_argument(refuses_foreign_memory);
}

static const struct test tests[] = {
    TEST(every_call_does_its_work_with_good_arguments),
    TEST(the_calls_that_do_not_return_end_what_they_say),
    TEST(nothing_of_an_ended_child_goes_once_the_books_are_at_rest),
    TEST(every_call_refuses_a_handle_that_names_nothing),
    TEST(every_call_refuses_a_handle_of_another_type),
    TEST(every_call_refuses_a_handle_without_any_one_of_the_rights),
    TEST(every_call_refuses_a_value_outside_its_range),
    TEST(every_call_refuses_memory_that_is_not_the_callers),
};
const struct area area_authority = AREA("authority", tests);
