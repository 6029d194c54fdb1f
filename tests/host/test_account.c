/*
 * Accounts against a model that only adds and subtracts: a random sequence of charges, refunds, loans and
 * ends, on changing CPUs. A charge is refused when the model says that there is not enough, and never else,
 * and the error says how much is missing.
 */
#include "tests/host/host.h"
#include "tests/host/kernel_host.h"
#include "tests/host/random.h"

#include "kernel/obj/account_tree.h"

#define CPUS     5
#define ACCOUNTS 24
#define STEPS    200000
#define NOWHERE  UINT32_MAX

#define RECORD sizeof(struct account)

struct model_account {
    struct account *account; /* NULL: free */
    uint32_t parent;         /* index */
    bool named;              /* we have a reference */
    uint64_t limit[RESOURCES], lent[RESOURCES], used[RESOURCES];
};

static struct model_account model[ACCOUNTS]; /* 0 is the first of the machine, which stays */
static struct random dice;

static uint64_t left_of(const struct model_account *m, enum resource r)
{
    return m->limit[r] - m->lent[r] - m->used[r];
}

static void on_some_cpu(void)
{
    host_enter((unsigned)random_below(&dice, CPUS));
}

static struct model_account *any(void)
{
    struct model_account *m = &model[random_below(&dice, ACCOUNTS)];
    return m->account != NULL ? m : NULL;
}

static uint64_t amount_up_to(uint64_t left)
{
    switch (random_below(&dice, 8)) {
    case 0:
        return left; /* to the last one */
    case 1:
        return left + 1 + random_below(&dice, 40);
    case 2:
        return left > 0 ? random_below(&dice, left + 1) : 1;
    default:
        return 1 + random_below(&dice, 50);
    }
}

static void expect_lack(const struct model_account *m, enum resource r, uint64_t missing)
{
    uint64_t lack = lack_take();
    assert_int_equal(lack_account(lack), m->account->number);
    assert_int_equal(lack_resource(lack), r);
    assert_int_equal(lack_amount(lack), missing);
    assert_int_equal(lack_take(), 0);
}

static void charge(void)
{
    struct model_account *m = any();
    if (m == NULL) {
        return;
    }
    enum resource r = (enum resource)random_below(&dice, RESOURCES);
    uint64_t left = left_of(m, r), amount = amount_up_to(left);
    enum error error = account_charge(m->account, r, amount);
    assert_int_equal(error, amount <= left ? ERR_NONE : ERR_LIMIT);
    if (error == ERR_NONE) {
        m->used[r] += amount;
    } else {
        expect_lack(m, r, amount - left);
    }
}

/* What the records of the accounts below cost cannot be given back before they go. */
static uint64_t refundable(const struct model_account *m, enum resource r)
{
    uint64_t fixed = 0;
    for (unsigned i = 1; r == RESOURCE_BYTES && i < ACCOUNTS; i++) {
        fixed += model[i].account != NULL && &model[model[i].parent] == m ? RECORD : 0;
    }
    return m->used[r] - fixed;
}

/* An account that nobody names goes with what it has paid for; so may then its parent. */
static void expect_end(struct model_account *m)
{
    while (m->account != NULL && !m->named && m->used[0] == 0 && m->used[1] == 0 && m->lent[0] == 0 &&
           m->lent[1] == 0) {
        struct model_account *parent = &model[m->parent];
        for (unsigned r = 0; r < RESOURCES; r++) {
            parent->lent[r] -= m->limit[r];
        }
        parent->used[RESOURCE_BYTES] -= RECORD;
        *m = (struct model_account){0};
        m = parent;
    }
}

static void refund_some(struct model_account *m, enum resource r, uint64_t amount)
{
    account_refund(m->account, r, amount);
    m->used[r] -= amount;
    host_leave_kernel();
    expect_end(m);
}

static void refund(void)
{
    struct model_account *m = any();
    enum resource r = (enum resource)random_below(&dice, RESOURCES);
    uint64_t most = m != NULL ? refundable(m, r) : 0;
    if (most > 0) {
        refund_some(m, r, random_below(&dice, 4) == 0 ? most : 1 + random_below(&dice, most));
    }
}

static void make(void)
{
    struct model_account *parent = any();
    uint32_t place = 1;
    while (place < ACCOUNTS && model[place].account != NULL) {
        place++;
    }
    if (parent == NULL || place == ACCOUNTS || !parent->named) {
        return;
    }
    uint64_t limits[RESOURCES];
    for (unsigned r = 0; r < RESOURCES; r++) {
        uint64_t left = left_of(parent, r);
        limits[r] = random_below(&dice, 20) == 0 ? left + 1 : random_below(&dice, left / 2 + 1);
    }
    struct account *account;
    bool room = left_of(parent, RESOURCE_BYTES) >= RECORD;
    enum error error = account_make(parent->account, "below", &account);
    assert_int_equal(error, room ? ERR_NONE : ERR_LIMIT);
    if (error != ERR_NONE) {
        expect_lack(parent, RESOURCE_BYTES, RECORD - left_of(parent, RESOURCE_BYTES));
        return;
    }
    parent->used[RESOURCE_BYTES] += RECORD;
    model[place] =
        (struct model_account){.account = account, .parent = (uint32_t)(parent - model), .named = true};
    enum resource short_of = left_of(parent, RESOURCE_FRAMES) < limits[RESOURCE_FRAMES] ? RESOURCE_FRAMES
                             : left_of(parent, RESOURCE_BYTES) < limits[RESOURCE_BYTES] ? RESOURCE_BYTES
                                                                                        : RESOURCES;
    error = account_lend_prepare(parent->account, account, limits);
    if (short_of != RESOURCES) {
        assert_int_equal(error, ERR_LIMIT);
        expect_lack(parent, short_of, limits[short_of] - left_of(parent, short_of));
        return; /* it stays, with nothing */
    }
    assert_int_equal(error, ERR_NONE);
    account_lend_commit(parent->account, account, limits);
    account_publish(account);
    for (unsigned r = 0; r < RESOURCES; r++) {
        parent->lent[r] += limits[r];
        model[place].limit[r] = limits[r];
    }
}

static void relimit(void)
{
    struct model_account *m = any();
    if (m == NULL || m == &model[0] || !m->named) {
        return;
    }
    struct model_account *parent = &model[m->parent];
    uint64_t limits[RESOURCES];
    bool possible = true;
    for (unsigned r = 0; r < RESOURCES; r++) {
        limits[r] = random_below(&dice, 2) == 0 ? random_below(&dice, m->limit[r] + 1)
                                                : m->limit[r] + random_below(&dice, left_of(parent, r) + 2);
        uint64_t kept = m->used[r] + m->lent[r];
        possible = possible && limits[r] >= kept;
        possible = possible && (limits[r] <= m->limit[r] || limits[r] - m->limit[r] <= left_of(parent, r));
    }
    enum error error = account_lend_prepare(parent->account, m->account, limits);
    assert_int_equal(error, possible ? ERR_NONE : ERR_LIMIT);
    if (error == ERR_NONE) {
        account_lend_commit(parent->account, m->account, limits);
    }
    for (unsigned r = 0; error == ERR_NONE && r < RESOURCES; r++) {
        parent->lent[r] = parent->lent[r] + limits[r] - m->limit[r];
        m->limit[r] = limits[r];
    }
    lack_take();
}

static void let_go(void)
{
    struct model_account *m = any();
    if (m == NULL || m == &model[0] || !m->named) {
        return;
    }
    m->named = false;
    account_release(m->account);
    host_leave_kernel();
    expect_end(m);
}

static void compare(const struct model_account *m)
{
    struct account_info info;
    account_describe(m->account, &info);
    assert_int_equal(info.number, m->account->number);
    assert_int_equal(info.flags, m->named ? 0 : ACCOUNT_CLOSED);
    for (unsigned r = 0; r < RESOURCES; r++) {
        const struct account_resource *resource = &info.resources[r];
        assert_int_equal(resource->limit, m->limit[r]);
        assert_int_equal(resource->lent, m->lent[r]);
        assert_int_equal(resource->used, m->used[r]);
        assert_true(resource->peak >= m->used[r]);
    }
}

static void compare_all(void)
{
    struct account_info info;
    unsigned listed = 0, there = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        there += model[i].account != NULL;
        if (model[i].account != NULL) {
            compare(&model[i]);
        }
    }
    while (account_describe_nth(listed, &info)) {
        listed++;
    }
    assert_true(listed <= there + 1);
}

static void begin(uint64_t seed)
{
    const uint64_t limits[RESOURCES] = {5000, 400000};
    dice = (struct random){seed};
    host_start(CPUS);
    memset(model, 0, sizeof model);
    assert_int_equal(account_make(&kernel_account, "machine", &model[0].account), ERR_NONE);
    account_endow(model[0].account, limits);
    account_publish(model[0].account);
    model[0].named = true;
    memcpy(model[0].limit, limits, sizeof limits);
}

static void end(void)
{
    for (unsigned i = 1; i < ACCOUNTS; i++) {
        if (model[i].account != NULL && model[i].named) {
            model[i].named = false;
            account_release(model[i].account);
            host_leave_kernel();
            expect_end(&model[i]);
        }
    }
    for (bool more = true; more;) {
        more = false;
        for (unsigned i = 0; i < ACCOUNTS; i++) {
            for (unsigned r = 0; model[i].account != NULL && r < RESOURCES; r++) {
                uint64_t most = refundable(&model[i], r);
                if (most > 0) {
                    more = true;
                    refund_some(&model[i], r, most);
                }
            }
        }
    }
    for (unsigned i = 1; i < ACCOUNTS; i++) {
        assert_null(model[i].account);
    }
    compare(&model[0]);
    assert_int_equal(model[0].used[0] + model[0].used[1] + model[0].lent[0] + model[0].lent[1], 0);
    account_release(model[0].account);
    host_leave_kernel();
    assert_int_equal(host_heap_pieces, 0);
}

static void random_work_agrees_with_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(seed);
        for (unsigned step = 0; step < STEPS; step++) {
            on_some_cpu();
            switch (random_below(&dice, 40)) {
            case 0:
                make();
                break;
            case 1:
                relimit();
                break;
            case 2:
                let_go();
                break;
            default:
                if (random_below(&dice, 2) == 0) {
                    charge();
                } else {
                    refund();
                }
            }
            if (step % 50 == 0) {
                compare_all();
            }
        }
        end();
    }
}

static void the_peak_is_never_too_low_and_too_high_by_the_slack_at_most(void **state)
{
    struct account_info info;
    uint64_t most = 0, held = 0;
    (void)state;
    begin(7);
    for (unsigned step = 0; step < 20000; step++) {
        on_some_cpu();
        uint64_t amount = 1 + random_below(&dice, 8);
        if (random_below(&dice, 2) == 0 &&
            account_charge(model[0].account, RESOURCE_FRAMES, amount) == ERR_NONE) {
            held += amount;
        } else if (held >= amount) {
            account_refund(model[0].account, RESOURCE_FRAMES, amount);
            held -= amount;
        }
        most = held > most ? held : most;
    }
    account_describe(model[0].account, &info);
    assert_true(info.resources[RESOURCE_FRAMES].peak >= most);
    assert_true(info.resources[RESOURCE_FRAMES].peak <= most + (uint64_t)CPUS * SLACK_MOST_FRAMES);
    account_refund(model[0].account, RESOURCE_FRAMES, held);
    end();
}

static void numbers_are_used_again_only_when_all_have_been(void **state)
{
    struct account *account;
    uint32_t first;
    (void)state;
    begin(1);
    assert_int_equal(account_make(&kernel_account, "one", &account), ERR_NONE);
    first = account->number;
    account_release(account);
    host_leave_kernel();
    for (unsigned i = 0; i < 70000; i++) {
        assert_int_equal(account_make(&kernel_account, "one", &account), ERR_NONE);
        assert_true(account->number != 0 && account->number < 65536);
        assert_true(account->number != first || i > 60000);
        account_release(account);
        host_leave_kernel();
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_work_agrees_with_the_model),
        cmocka_unit_test(the_peak_is_never_too_low_and_too_high_by_the_slack_at_most),
        cmocka_unit_test(numbers_are_used_again_only_when_all_have_been),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
