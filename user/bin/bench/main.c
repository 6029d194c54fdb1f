/*
 * bench [AREA]: operations of the kernel counted in instructions, one row each. Needs one CPU under QEMU's
 * -icount shift=0; where loops of known length come out wrong it says so and ends with status 1.
 */
#include "lib/text.h"
#include "user/bin/bench/measure.h"
#include "user/libq/program.h"

struct area {
    const char *name;
    void (*function)(void);
};

static const struct area areas[] = {
    {"authority", area_authority}, {"aspace", area_aspace}, {"cpus", area_cpus},
    {"programs", area_programs},   {"wake", area_wake},
};

int main(int argc, char **argv)
{
    unsigned measured = 0;
    if (argc > 2) {
        program_fail("expected: bench [AREA]");
    }
    if (argc == 2 && text_equal(argv[1], "yield")) {
        yield_for_ever();
    }
    if (!calibrate()) {
        return 1;
    }
    for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++) {
        if (argc == 1 || text_equal(areas[i].name, argv[1])) {
            areas[i].function();
            measured++;
        }
    }
    if (measured == 0) {
        program_fail("there is no area '%s'", argv[1]);
    }
    return 0;
}
