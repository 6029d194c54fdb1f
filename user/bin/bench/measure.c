/* Rows of this program; see measure.h. */
#include "user/bin/bench/measure.h"

#include "user/libq/print.h"
#include "user/libq/program.h"

void measure_row(const char *row, const struct measure *measure)
{
    char text[MEASURE_ROW_BYTES];
    struct measured measured;
    const char *wrong = measure_run(measure, &measured);
    if (wrong != NULL) {
        program_fail("%s: %s", row, wrong);
    }
    measure_format(text, row, &measured);
    print("%s\n", text);
}
