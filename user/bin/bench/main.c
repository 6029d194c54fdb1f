/*
 * bench [AREA]: operations of the kernel counted in instructions, one row each. Needs one CPU under QEMU's
 * -icount, started as tools/bench.py does; where stretches of known length come out wrong it says so and ends
 * with status 1. An area may be measured inside the kernel only, so one without rows here is no error.
 */
#include "lib/text.h"
#include "user/bin/bench/measure.h"
#include "user/libq/program.h"

struct area {
    const char *name;
    void (*function)(void);
};

static const struct area areas[] = {
    {"authority", area_authority},
    {"aspace", area_aspace},
    {"cpus", area_cpus},
    {"programs", area_programs},
};

int main(int argc, char **argv)
{
    if (argc > 2) {
        program_fail("expected: bench [AREA]");
    }
    if (!calibrate()) {
        return 1;
    }
    for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++) {
        if (argc == 1 || text_equal(areas[i].name, argv[1])) {
            areas[i].function();
        }
    }
    return 0;
}
