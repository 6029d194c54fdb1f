/*
 * Operations inside the kernel, counted in instructions, for `make bench`: with measure=1 in the environment,
 * under QEMU's -icount shift=0, where a nanosecond of the clock is an instruction. Without the key nothing
 * happens.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/debug/console.h"
#include "kernel/init/handover.h"
#include "kernel/mm/account.h"
#include "lib/text.h"

#define TIMES 1000

/* The operation in a loop, less the loop; the least of some rounds, since an interrupt may fall into one. */
static uint64_t instructions(void (*loop)(unsigned times))
{
    uint64_t least = UINT64_MAX;
    for (unsigned round = 0; round < 5; round++) {
        uint64_t start = arch_clock();
        loop(0);
        uint64_t middle = arch_clock();
        loop(TIMES);
        uint64_t cost = (arch_clock() - middle) - (middle - start);
        least = cost < least ? cost : least;
    }
    return (least + TIMES / 2) / TIMES;
}

static void print_row(const char *name, uint64_t value)
{
    char line[80];
    size_t length = text_format(line, sizeof(line), "%-36s %10lu instructions\n", name, value);
    console_write(line, length);
}

/* Three of them are the loop itself. */
static void charge_and_refund(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        if (account_charge(&kernel_account, RESOURCE_FRAMES, 1) == ERR_NONE) {
            account_refund(&kernel_account, RESOURCE_FRAMES, 1);
        }
    }
}

SELFTEST(measure, "measures: nothing is measured that is not asked for")
{
    if (handover_option_is("measure", "1")) {
        print_row("authority.charge-refund-frame", instructions(charge_and_refund));
    }
    return NULL;
}
