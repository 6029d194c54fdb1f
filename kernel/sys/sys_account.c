/*
 * System calls on accounts.
 */
#include "kernel/sys/calls.h"
#include "kernel/sys/creation.h"
#include "kernel/sys/plans.h"

enum error copy_name(char text[33], uaddr_t name, uint64_t length)
{
    enum error error = copy_from_user(text, name, length);
    for (uint64_t i = 0; error == ERR_NONE && i < length; i++) {
        text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    }
    text[length] = 0;
    return error;
}

enum error prepare_account_create(struct account *parent, uint64_t frames, uint64_t bytes, uaddr_t name,
                                  uint64_t name_length, struct account_create_plan *plan)
{
    char text[ACCOUNT_NAME + 1];
    enum error error = copy_name(text, name, name_length);
    if (error != ERR_NONE) {
        return error;
    }
    struct account *account;
    error = account_make(parent, text, &account);
    if (error == ERR_NONE) {
        error = creation_prepare(&account->object, &plan->made);
    }
    if (error != ERR_NONE) {
        return error;
    }
    *plan = (struct account_create_plan){plan->made, {parent, account, {frames, bytes}}};
    error = account_lend_prepare(parent, account, plan->lending.limits);
    if (error != ERR_NONE) {
        creation_undo(&plan->made);
    }
    return error;
}

void commit_account_create(struct account_create_plan *plan, uint64_t *result)
{
    account_lend_commit(plan->lending.parent, plan->lending.child, plan->lending.limits);
    account_publish(plan->lending.child);
    creation_commit(&plan->made, result);
}

enum error prepare_account_limit(struct account *parent, struct account *account, uint64_t frames,
                                 uint64_t bytes, struct account_limit_plan *plan)
{
    if (account->parent != parent) {
        return ERR_NOT_FOUND;
    }
    plan->lending = (struct lending){parent, account, {frames, bytes}};
    return account_lend_prepare(parent, account, plan->lending.limits);
}

void commit_account_limit(struct account_limit_plan *plan)
{
    account_lend_commit(plan->lending.parent, plan->lending.child, plan->lending.limits);
}

enum error prepare_account_read(struct account *account, uaddr_t info, uint64_t info_length)
{
    struct account_info record;
    if (info_length < sizeof(record)) {
        return ERR_BAD_ARGUMENT;
    }
    account_describe(account, &record);
    return copy_to_user(info, &record, sizeof(record));
}

void commit_account_end(struct account *account, uint64_t status)
{
    task_end_all(account, (uint32_t)status);
}
