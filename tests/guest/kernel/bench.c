/*
 * Printing the rows that are measured inside the kernel, see bench.h; and the calibration there.
 */
#include "tests/guest/kernel/bench.h"

#include "bench/guest/calibrate.h"
#include "kernel/debug/log.h"

void kbench_print(const char *row, const char *(*body)(struct measured *out))
{
    char text[MEASURE_ROW_BYTES];
    struct measured measured;
    const char *wrong = body(&measured);
    if (wrong != NULL) {
        log_error("kernel-bench: FAIL %s: %s", row, wrong);
        return;
    }
    measure_format(text, row, &measured);
    log_info("kernel-bench: %s", text);
}

KBENCH(loop_1000, "calibrate.kernel-loop-1000")
{
    return calibration_run(CALIBRATE_LOOP_1000, out);
}

KBENCH(loop_20000, "calibrate.kernel-loop-20000")
{
    return calibration_run(CALIBRATE_LOOP_20000, out);
}

KBENCH(steps, "calibrate.kernel-steps")
{
    return calibration_run(CALIBRATE_STEPS, out);
}

KBENCH(batch, "calibrate.kernel-batch")
{
    return calibration_run(CALIBRATE_BATCH, out);
}

KBENCH(rep_stosq, "calibrate.kernel-rep-stosq")
{
    return calibration_run(CALIBRATE_REP_STOSQ, out);
}

KBENCH(rep_movsb, "calibrate.kernel-rep-movsb")
{
    return calibration_run(CALIBRATE_REP_MOVSB, out);
}

KBENCH(rep_none, "calibrate.kernel-rep-none")
{
    return calibration_run(CALIBRATE_REP_NONE, out);
}
