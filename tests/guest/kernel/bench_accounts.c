/*
 * What paying costs inside the kernel.
 */
#include "tests/guest/kernel/bench.h"

#include "kernel/mm/account.h"

#define TRIES 1000

static bool charge_refund(void *context)
{
    struct account *account = context;
    if (account_charge(account, RESOURCE_FRAMES, 1) != ERR_NONE) {
        return false;
    }
    account_refund(account, RESOURCE_FRAMES, 1);
    return true;
}

KBENCH(charge_refund_frame, "authority.charge-refund-frame")
{
    return measure_run(
        &(struct measure){.operation = charge_refund, .context = &kernel_account, .tries = TRIES}, out);
}
