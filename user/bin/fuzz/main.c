/*
 * fuzz [CALLS [SEED [SECONDS]]]: throw system calls at the kernel, and see that it stays upright, goes on and
 * loses nothing. `fuzz worker` is how it starts itself as the one that throws.
 */
#include "lib/text.h"
#include "user/bin/fuzz/fuzz.h"
#include "user/libq/program.h"

#define CALLS 200000

int main(int argc, char **argv)
{
    if (argc == 2 && text_equal(argv[1], "worker")) {
        return fuzz_work();
    }
    if (argc > 4) {
        program_fail("expected: fuzz [CALLS [SEED [SECONDS]]]");
    }
    uint64_t calls = argc > 1 ? program_number("CALLS", argv[1], 1, 1ull << 40) : CALLS;
    uint64_t seed = argc > 2 ? program_number("SEED", argv[2], 0, ~0ull) : 1;
    uint64_t seconds = argc > 3 ? program_number("SECONDS", argv[3], 1, 1u << 30) : 0;
    return fuzz_supervise(seed, calls, seconds);
}
