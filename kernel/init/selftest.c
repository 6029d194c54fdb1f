/*
 * Tests inside the kernel; see selftest.h.
 */
#include "kernel/init/selftest.h"

#include "kernel/debug/log.h"
#include "kernel/init/main.h"

extern const struct selftest kernel_tests_start[], kernel_tests_end[];

void selftest_run(void)
{
    unsigned passed = 0, failed = 0;
    if (!main_under_test() || kernel_tests_start == kernel_tests_end) {
        return;
    }
    for (const struct selftest *test = kernel_tests_start; test < kernel_tests_end; test++) {
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
