/* Rows of this program; see measure.h. */
#include "user/bin/bench/measure.h"

#include "user/libq/print.h"
#include "user/libq/program.h"

struct measured measure_take(const char *row, const struct measure *measure)
{
    struct measured measured;
    const char *wrong = measure_run(measure, &measured);
    if (wrong != NULL) {
        program_fail("%s: %s", row, wrong);
    }
    return measured;
}

void measure_print(const char *row, const struct measured *measured)
{
    char text[MEASURE_ROW_BYTES];
    measure_format(text, row, measured);
    print("%s\n", text);
}

void measure_row(const char *row, const struct measure *measure)
{
    struct measured measured = measure_take(row, measure);
    measure_print(row, &measured);
}
