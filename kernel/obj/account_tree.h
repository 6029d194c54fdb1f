/*
 * The accounts of the machine as a tree of objects: making one below another, and looking at all of them.
 * What an account does is in kernel/mm/account.h.
 */
#ifndef QUIRE_KERNEL_ACCOUNT_TREE_H
#define QUIRE_KERNEL_ACCOUNT_TREE_H

#include "kernel/mm/account.h"

/*
 * An account below `parent`, which pays for it, with a number of its own and no limits yet;
 * account_lend_prepare and its commit give it some. Not yet listed. ERR_LIMIT when the parent lacks the bytes
 * or all numbers are in use; ERR_NO_MEMORY.
 */
enum error account_make(struct account *parent, const char *name, struct account **out) MUST_CHECK;
void account_destroy(struct object *object);

/* Let everyone see it in the list of accounts. */
void account_publish(struct account *account);

/* Fill in the record of the account with this position in the list of all; false at the end. */
bool account_describe_nth(uint64_t position, struct account_info *out);

#endif
