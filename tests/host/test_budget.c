/*
 * Budgets against the promise itself: whatever a thread does, in no stretch of a period's length it has more
 * than its quantum; and what it has used comes back.
 */
#include "tests/host/host.h"

#include "kernel/sched/budget.h"
#include "tests/host/random.h"

#define PIECES 4000

static struct {
    uint64_t from, to;
} runs[PIECES];

/* The most time inside any window of this length. Such a window can be moved to begin with a run. */
static uint64_t most_in_window(unsigned count, uint64_t window)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t start = runs[i].from, end = start + window, sum = 0;
        for (unsigned j = i; j < count && runs[j].from < end; j++) {
            sum += (runs[j].to < end ? runs[j].to : end) - runs[j].from;
        }
        most = sum > most ? sum : most;
    }
    return most;
}

static void no_period_has_more_than_the_quantum(void **state)
{
    (void)state;
    struct random random = {21};
    for (unsigned round = 0; round < 40; round++) {
        struct budget_account account;
        uint64_t period = 1000000 + random_below(&random, 10000000);
        uint64_t quantum = period / 20 + random_below(&random, period / 2), now = 1000;
        budget_open(&account, period, quantum);
        for (unsigned i = 0; i < PIECES; i++) {
            now += random_below(&random, quantum / 4);
            while (!budget_refill(&account, now)) {
                assert_true(budget_next(&account) > now);
                now = budget_next(&account);
            }
            uint64_t end = budget_begin(&account, now), run = 1 + random_below(&random, quantum / 3);
            runs[i].from = now;
            now = now + run < end ? now + run : end;
            runs[i].to = now;
            budget_use(&account, now);
            assert_true(account.left <= quantum);
        }
        assert_true(most_in_window(PIECES, period) <= quantum);
    }
}

/* The timer comes late, every time: over a long time the share is right all the same. */
static void what_was_too_much_is_taken_off_later(void **state)
{
    (void)state;
    struct random random = {22};
    struct budget_account account;
    uint64_t now = 0, ran = 0;
    budget_open(&account, 1000000, 250000);
    while (now < 1000000000) {
        if (!budget_refill(&account, now)) {
            now = budget_next(&account);
            continue;
        }
        uint64_t end = budget_begin(&account, now) + random_below(&random, 400000);
        ran += end - now;
        now = end;
        budget_use(&account, now);
    }
    assert_true(ran >= 240000000 && ran <= 251000000);
}

static void all_of_it_comes_back_after_a_rest(void **state)
{
    (void)state;
    struct budget_account account;
    budget_open(&account, 1000000, 200000);
    uint64_t now = 5;
    for (unsigned i = 0; i < 50; i++) {
        budget_begin(&account, now);
        now += 1000;
        budget_use(&account, now);
        now += 100;
    }
    assert_int_equal(account.left, 200000 - 50 * 1000);
    assert_true(budget_refill(&account, now + 1000000));
    assert_int_equal(account.left, 200000);
    assert_int_equal(budget_next(&account), UINT64_MAX);
}

static void one_that_never_rests_has_its_share(void **state)
{
    (void)state;
    struct budget_account account;
    uint64_t now = 0, ran = 0;
    budget_open(&account, 1000000, 250000);
    while (now < 1000000000) {
        if (!budget_refill(&account, now)) {
            now = budget_next(&account);
            continue;
        }
        uint64_t end = budget_begin(&account, now);
        ran += end - now;
        now = end;
        budget_use(&account, now);
        assert_int_equal(account.left, 0);
    }
    assert_true(ran >= 249000000 && ran <= 251000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_period_has_more_than_the_quantum),
        cmocka_unit_test(what_was_too_much_is_taken_off_later),
        cmocka_unit_test(all_of_it_comes_back_after_a_rest),
        cmocka_unit_test(one_that_never_rests_has_its_share),
    };
    return cmocka_run_group_tests_name("budgets", tests, NULL, NULL);
}
