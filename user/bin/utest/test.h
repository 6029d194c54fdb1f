/*
 * The frame of the user-mode tests: a test is a function that returns true, or leaves a reason and returns
 * false through one of the CHECK macros. Its name is the promise that it checks. What a failed test holds
 * stays taken.
 */
#ifndef QUIRE_UTEST_TEST_H
#define QUIRE_UTEST_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/error.h"

struct test {
    const char *name;
    bool (*function)(void);
};

struct area {
    const char *name;
    const struct test *tests;
    size_t count;
};

#define TEST(function)                                                                                       \
    {                                                                                                        \
#function, function                                                                                  \
    }
#define AREA(name, tests)                                                                                    \
    {                                                                                                        \
        name, tests, sizeof(tests) / sizeof(tests)[0]                                                        \
    }

/* Run the tests of the area, print one line each, and count. */
void area_run(const struct area *area, unsigned *passed, unsigned *failed);

/* Keep the reason why the running test fails; returns false. */
bool test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Say that the running test cannot be done on this machine, and why; returns true. It counts as neither. */
bool test_skip(const char *reason);

/* The same, with what was found in place of what was expected. */
bool test_differs(const char *file, int line, const char *what, uint64_t actual, uint64_t expected);
bool test_error(const char *file, int line, const char *what, enum error actual, enum error expected);

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            return test_fail(__FILE__, __LINE__, "%s", #condition);                                          \
        }                                                                                                    \
    } while (0)

#define CHECK_EQUAL(actual, expected)                                                                        \
    do {                                                                                                     \
        uint64_t check_actual = (uint64_t)(actual);                                                          \
        uint64_t check_expected = (uint64_t)(expected);                                                      \
        if (check_actual != check_expected) {                                                                \
            return test_differs(__FILE__, __LINE__, #actual, check_actual, check_expected);                  \
        }                                                                                                    \
    } while (0)

#define CHECK_ERROR(call, expected)                                                                          \
    do {                                                                                                     \
        enum error check_error = (call);                                                                     \
        if (check_error != (expected)) {                                                                     \
            return test_error(__FILE__, __LINE__, #call, check_error, (expected));                           \
        }                                                                                                    \
    } while (0)

#define CHECK_OK(call) CHECK_ERROR(call, ERR_NONE)

extern const struct area area_calls, area_handles, area_addresses, area_registers, area_segments,
    area_vectors, area_memory, area_tasks, area_threads, area_notifications, area_time, area_console,
    area_system, area_faults, area_pressure, area_accounts, area_authority, area_injection, area_scheduling,
    area_turns, area_spaces, area_pages, area_large, area_clones, area_devices, area_storm, area_huge,
    area_steps;

#endif
