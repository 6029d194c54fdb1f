/*
 * The books of a budget; see budget.h.
 */
#include "kernel/sched/budget.h"

void budget_open(struct budget_account *account, uint64_t period, uint64_t quantum)
{
    *account = (struct budget_account){.period = period, .quantum = quantum, .left = quantum};
}

uint64_t budget_begin(struct budget_account *account, uint64_t now)
{
    budget_refill(account, now);
    account->began = now;
    return now + account->left;
}

/* This much comes back at that time, which is not before that of the others. */
static void add_refill(struct budget_account *account, uint64_t at, uint64_t amount)
{
    uint32_t last = account->count;
    if (last == BUDGET_REFILLS) {
        last--;
        account->refills[last].amount += amount;
    } else {
        account->refills[last].amount = amount;
        account->count++;
    }
    account->refills[last].at = at;
}

void budget_use(struct budget_account *account, uint64_t now)
{
    uint64_t used = now - account->began;
    uint64_t at = account->began + account->period;
    account->began = now;
    uint64_t paid = used < account->left ? used : account->left;
    account->debt += used - paid;
    account->left -= paid;
    if (paid > 0) {
        add_refill(account, at, paid);
    }
}

/* What was used without being there is paid from what is there now, and comes back a period from now. */
static void pay_debt(struct budget_account *account, uint64_t now)
{
    uint64_t paid = account->debt < account->left ? account->debt : account->left;
    if (paid > 0) {
        account->debt -= paid;
        account->left -= paid;
        add_refill(account, now + account->period, paid);
    }
}

bool budget_refill(struct budget_account *account, uint64_t now)
{
    uint32_t due = 0;
    while (due < account->count && account->refills[due].at <= now) {
        account->left += account->refills[due++].amount;
    }
    account->count -= due;
    for (uint32_t i = 0; due > 0 && i < account->count; i++) {
        account->refills[i] = account->refills[i + due];
    }
    pay_debt(account, now);
    return account->left > 0;
}

uint64_t budget_next(const struct budget_account *account)
{
    return account->count > 0 ? account->refills[0].at : UINT64_MAX;
}
