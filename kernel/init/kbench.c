/*
 * Operations counted inside the kernel; see kbench.h.
 */
#include "kernel/init/kbench.h"

#include <stddef.h>
#include <stdint.h>

#include "kernel/init/handover.h"
#include "kernel/init/main.h"
#include "lib/text.h"

extern const struct kbench kernel_benches_start[], kernel_benches_end[];

/* Without the calibration no other row can be trusted. */
static bool wanted(const char *row, const char *area, size_t length)
{
    size_t own = 0;
    while (row[own] != 0 && row[own] != '.') {
        own++;
    }
    return text_matches(area, length, "all") || text_matches(row, own, "calibrate") ||
           (own == length && memcmp(row, area, own) == 0);
}

bool kbench_run(void)
{
    const char *area;
    size_t length;
    size_t count = ((uintptr_t)kernel_benches_end - (uintptr_t)kernel_benches_start) / sizeof(struct kbench);
    if (!main_under_test() || !handover_option("bench", &area, &length)) {
        return false;
    }
    for (const struct kbench *bench = kernel_benches_start; bench < kernel_benches_start + count; bench++) {
        if (wanted(bench->row, area, length)) {
            bench->run(bench->row);
        }
    }
    return true;
}
