/*
 * Tests inside the kernel; see selftest.h.
 */
#include "kernel/init/selftest.h"

#include <stddef.h>
#include <stdint.h>

#include "kernel/debug/log.h"
#include "kernel/init/main.h"

extern const struct selftest kernel_tests_start[], kernel_tests_end[];

void selftest_run(void)
{
    unsigned passed = 0, failed = 0;
    size_t count = ((uintptr_t)kernel_tests_end - (uintptr_t)kernel_tests_start) / sizeof(struct selftest);
    if (!main_under_test() || count == 0) {
        return;
    }
    for (const struct selftest *test = kernel_tests_start; test < kernel_tests_start + count; test++) {
        const char *wrong = test->run();
        if (wrong == NULL) {
            passed++;
            log_info("kernel-test: ok %s", test->name);
        } else {
            failed++;
            log_error("kernel-test: FAIL %s: %s", test->name, wrong);
        }
    }
    log_info("kernel-test: %u passed, %u failed", passed, failed);
}
