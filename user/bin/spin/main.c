/* spin [SECONDS]: keeps one CPU busy, for this long or until it is killed. */
#include "user/libq/clock.h"
#include "user/libq/program.h"

int main(int argc, char **argv)
{
    if (argc > 2) {
        program_fail("expected: spin [SECONDS]");
    }
    uint64_t deadline = DEADLINE_NEVER;
    if (argc == 2) {
        deadline = clock_after(program_number("SECONDS", argv[1], 0, 1000000) * SECOND);
    }
    while (clock_now() < deadline) {
        for (volatile unsigned turn = 0; turn < 100000; turn++) {
        }
    }
    return 0;
}
