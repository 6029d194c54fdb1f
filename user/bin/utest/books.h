/*
 * The kernel's books as far as a test can see them: the account that pays for the tests, and how many things
 * of each kind there are. Taken before and after, they show that something has changed nothing.
 */
#ifndef QUIRE_UTEST_BOOKS_H
#define QUIRE_UTEST_BOOKS_H

#include <stdbool.h>

#include "abi/account.h"
#include "abi/system.h"

struct books {
    struct account_info account;
    struct system_books things;
};

/* At this moment, whatever is on its way out. To compare with, books_at_rest. False after a test_fail. */
bool books_take(struct books *books);

/* The same, when nothing has changed in them for a moment. */
bool books_at_rest(struct books *books);

/* Are the books as they were? False after a test_fail that names `what`. */
bool books_unchanged(const struct books *before, const char *what);

/* The same, but what has ended on other CPUs may take a moment to go. */
bool books_settle(const struct books *before, const char *what);

#endif
