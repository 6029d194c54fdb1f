/* sleep SECONDS: waits without using a CPU. */
#include "user/libq/clock.h"
#include "user/libq/program.h"

int main(int argc, char **argv)
{
    if (argc != 2) {
        program_fail("expected: sleep SECONDS");
    }
    uint64_t seconds = program_number("SECONDS", argv[1], 0, 1000000);
    return sys_thread_sleep(clock_after(seconds * SECOND)) == ERR_NONE ? 0 : 1;
}
