/*
 * Budgets: a thread may be given a quantum of time in each period. What it uses comes back a period after it
 * began to use it (a sporadic server: B. Sprunt, L. Sha, J. Lehoczky, 1989), so in no stretch of a period's
 * length it has more than its quantum by priority. Once the quantum is used up it counts as lower than every
 * priority: it runs only when nothing else would, until something has come back. What is lent to it counts
 * all the same: who waits for it pays.
 *
 * The pure part, without threads and locks; thread_budget.c has the rest.
 */
#ifndef QUIRE_KERNEL_BUDGET_H
#define QUIRE_KERNEL_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define BUDGET_PERIOD_LEAST  1000000u /* nanoseconds, as all here */
#define BUDGET_PERIOD_MOST   10000000000u
#define BUDGET_QUANTUM_LEAST 100000u

/* Pieces of used time that are remembered apart; what is more comes back together, at the later time. */
#define BUDGET_REFILLS 8

struct budget_account {
    uint64_t period; /* 0: no budget */
    uint64_t quantum;
    uint64_t left;
    uint64_t began; /* when the current use began */
    uint64_t debt;  /* used beyond what there was, since the timer came late: taken off what comes back */
    uint32_t count; /* of refills, which are in the order of time */
    struct {
        uint64_t at, amount;
    } refills[BUDGET_REFILLS];
};

/* A full one. */
void budget_open(struct budget_account *account, uint64_t period, uint64_t quantum);

/* The thread begins to run: what is due comes back. Returns when it has to stop, if it runs on. */
uint64_t budget_begin(struct budget_account *account, uint64_t now);

/* It stops, or is looked at while it runs: what it has used since it began is taken off. */
void budget_use(struct budget_account *account, uint64_t now);

/* What is due comes back. Is there anything left? */
bool budget_refill(struct budget_account *account, uint64_t now);

/* When the next piece comes back; ~0 when none is out. */
uint64_t budget_next(const struct budget_account *account);

#endif
