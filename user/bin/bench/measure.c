/* Measuring in instructions; see measure.h. */
#include "user/bin/bench/measure.h"

#include "user/libq/print.h"
#include "user/libq/program.h"

/* Fenced on both sides, so that on a real CPU nothing is done before or after its time. */
static uint64_t counter(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("lfence\n\t"
                     "rdtsc\n\t"
                     "lfence"
                     : "=a"(low), "=d"(high)
                     :
                     : "memory");
    return (uint64_t)high << 32 | low;
}

static bool nothing(void *context)
{
    (void)context;
    return true;
}

static uint64_t smallest(const char *name, operation *function, void *context, unsigned times)
{
    operation *volatile call = function;
    uint64_t least = ~(uint64_t)0;
    for (unsigned i = 0; i < times; i++) {
        operation *now = call;
        uint64_t start = counter();
        bool done = now(context);
        uint64_t end = counter();
        if (!done) {
            program_fail("%s: the operation failed", name);
        }
        least = end - start < least ? end - start : least;
    }
    return least;
}

uint64_t measure(const char *name, operation *function, void *context, unsigned times)
{
    uint64_t cost = smallest("nothing", nothing, NULL, 100);
    uint64_t whole = smallest(name, function, context, times);
    return whole > cost ? whole - cost : 0;
}

void measure_row(const char *name, uint64_t instructions)
{
    print("%-36s %10lu instructions\n", name, instructions);
}
