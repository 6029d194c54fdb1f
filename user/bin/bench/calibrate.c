/* Loops of a known number of instructions: what they come out at says whether any other row can be trusted.
 */
#include "user/bin/bench/measure.h"
#include "user/libq/print.h"

#define TOLERANCE_PERCENT 1u

/*
 * A loop of exactly `count` instructions, an even number of at least 4: two before it, and two for each of
 * its turns. The return of the function is counted as part of the call.
 */
static bool loop(void *context)
{
    uint64_t turns = (*(const uint64_t *)context - 2) / 2;
    __asm__ volatile("movq %0, %%rcx\n\t"
                     "nop\n"
                     "1:\tdecq %%rcx\n\t"
                     "jnz 1b"
                     :
                     : "r"(turns)
                     : "rcx", "cc");
    return true;
}

/* The same without the loop: what the function around it costs. */
static bool no_loop(void *context)
{
    uint64_t turns = (*(const uint64_t *)context - 2) / 2;
    __asm__ volatile("" : : "r"(turns));
    return true;
}

static bool calibrate_loop(const char *name, uint64_t count)
{
    uint64_t around = measure(name, no_loop, &count, 100);
    uint64_t counted = measure(name, loop, &count, 100) - around;
    uint64_t apart = counted > count ? counted - count : count - counted;
    measure_row(name, counted);
    if (apart * 100 > count * TOLERANCE_PERCENT) {
        print("bench: %lu instructions were counted as %lu; this needs one CPU under -icount shift=0\n",
              count, counted);
        return false;
    }
    return true;
}

bool calibrate(void)
{
    return calibrate_loop("calibrate.loop-1000", 1000) && calibrate_loop("calibrate.loop-20000", 20000);
}
