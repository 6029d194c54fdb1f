/*
 * Charges and refunds of a few accounts on many CPUs at once, with loans, ends and looks in between: nobody
 * ever has more than the limit, what is refused was not there, and at the end not a byte is missing. Under
 * the thread sanitizer by make -f build.mk account-threads.
 */
#include "tests/host/host.h"
#include "tests/host/kernel_host.h"
#include "tests/host/workers.h"

#include "kernel/obj/account_tree.h"

#define CPUS     4
#define ACCOUNTS 6 /* more than there are entries in a CPU's slack */
#define LIMIT    200
#define STEPS    200000

static struct account *machine, *accounts[ACCOUNTS];
static long charged[ACCOUNTS]; /* atomic: at least this much, between a charge and its refund */

struct worker {
    struct host_worker base;
    uint64_t held[ACCOUNTS];
    unsigned long refused;
};

static void take(struct worker *self, unsigned which)
{
    uint64_t amount = 1 + random_below(&self->base.dice, 40);
    if (account_charge(accounts[which], RESOURCE_FRAMES, amount) != ERR_NONE) {
        uint64_t lack = lack_take();
        assert_int_equal(lack_account(lack), accounts[which]->number);
        assert_true(lack_amount(lack) > 0 && lack_amount(lack) <= amount);
        self->refused++;
        return;
    }
    self->held[which] += amount;
    long now = __atomic_add_fetch(&charged[which], (long)amount, __ATOMIC_SEQ_CST);
    assert_true(now <= LIMIT);
}

static void give(struct worker *self, unsigned which, uint64_t amount)
{
    __atomic_sub_fetch(&charged[which], (long)amount, __ATOMIC_SEQ_CST);
    account_refund(accounts[which], RESOURCE_FRAMES, amount);
    self->held[which] -= amount;
}

/* An account that comes and goes, with something charged beyond its end. */
static void make_and_drop(struct worker *self)
{
    const uint64_t limits[RESOURCES] = {10, 2000};
    struct account *account;
    assert_int_equal(account_make(machine, "short", &account), ERR_NONE);
    if (account_lend_prepare(machine, account, limits) == ERR_NONE) {
        account_lend_commit(machine, account, limits);
        account_publish(account);
        assert_int_equal(account_charge(account, RESOURCE_FRAMES, 10), ERR_NONE);
        assert_int_equal(account_charge(account, RESOURCE_FRAMES, 1), ERR_LIMIT);
        account_release(account);
        host_leave_kernel();
        account_refund(account, RESOURCE_FRAMES, 10);
    } else {
        account_release(account);
    }
    (void)self;
}

static void *work(void *argument)
{
    struct worker *self = argument;
    host_enter(self->base.number);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned which = (unsigned)random_below(&self->base.dice, ACCOUNTS);
        uint64_t what = random_below(&self->base.dice, 1000);
        struct account_info info;
        if (what == 0) {
            make_and_drop(self);
        } else if (what == 1) {
            account_describe(accounts[which], &info);
            assert_true(info.resources[RESOURCE_FRAMES].used <= LIMIT);
        } else if (what % 2 == 0) {
            take(self, which);
        } else if (self->held[which] > 0) {
            give(self, which, 1 + random_below(&self->base.dice, self->held[which]));
        }
        host_leave_kernel();
    }
    for (unsigned which = 0; which < ACCOUNTS; which++) {
        give(self, which, self->held[which]);
    }
    return NULL;
}

static void limits_hold_and_nothing_drifts(void **state)
{
    static struct worker workers[CPUS];
    const uint64_t all[RESOURCES] = {100000, 1000000}, limits[RESOURCES] = {LIMIT, 1000};
    struct account_info info;
    unsigned long refused = 0;
    (void)state;
    host_start(CPUS);
    assert_int_equal(account_make(&kernel_account, "machine", &machine), ERR_NONE);
    account_endow(machine, all);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        assert_int_equal(account_make(machine, "shared", &accounts[i]), ERR_NONE);
        assert_int_equal(account_lend_prepare(machine, accounts[i], limits), ERR_NONE);
        account_lend_commit(machine, accounts[i], limits);
    }
    WORKERS_RUN(workers, 0, work);
    for (unsigned i = 0; i < CPUS; i++) {
        refused += workers[i].refused;
    }
    assert_true(refused > STEPS / 100);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        account_describe(accounts[i], &info);
        assert_int_equal(info.resources[RESOURCE_FRAMES].used, 0);
        account_release(accounts[i]);
    }
    host_leave_kernel();
    account_describe(machine, &info);
    for (unsigned r = 0; r < RESOURCES; r++) {
        assert_int_equal(info.resources[r].used, 0);
        assert_int_equal(info.resources[r].lent, 0);
        assert_int_equal(info.resources[r].limit, all[r]);
    }
    account_release(machine);
    for (unsigned i = 0; i < CPUS; i++) {
        host_enter(i);
        host_leave_kernel();
    }
    assert_int_equal(host_heap_pieces, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_hold_and_nothing_drifts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
