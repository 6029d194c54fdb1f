/* Stretches of known length, in user mode: what they come out at says whether any other row can be trusted.
 */
#include "bench/guest/calibrate.h"

#include "lib/text.h"
#include "user/bin/bench/measure.h"
#include "user/libq/print.h"

static bool calibrate_one(enum calibration which)
{
    char row[MEASURE_ROW_BYTES];
    struct measured measured;
    text_format(row, sizeof(row), "calibrate.user-%s", calibration_name(which));
    const char *wrong = calibration_run(which, &measured);
    if (wrong != NULL) {
        print("bench: FAIL %s: %s\n", row, wrong);
        return false;
    }
    measure_print(row, &measured);
    return true;
}

bool calibrate(void)
{
    for (unsigned which = 0; which < CALIBRATIONS; which++) {
        if (!calibrate_one(which)) {
            return false;
        }
    }
    return true;
}
