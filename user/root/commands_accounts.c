/* The command that shows the tree of accounts. */
#include "abi/account.h"
#include "lib/text.h"
#include "lib/units.h"
#include "user/libq/errors.h"
#include "user/libq/heap.h"
#include "user/libq/print.h"
#include "user/libq/system.h"
#include "user/root/commands.h"

#define ACCOUNTS_MOST 512u
#define NAME_COLUMNS  16

struct accounts {
    size_t count;
    struct account_info list[ACCOUNTS_MOST];
};

static void read_all(struct accounts *accounts)
{
    accounts->count = 0;
    while (accounts->count < ACCOUNTS_MOST &&
           system_record(TOPIC_ACCOUNTS, accounts->count, &accounts->list[accounts->count],
                         sizeof accounts->list[0]) == ERR_NONE) {
        accounts->count++;
    }
}

/* In four digits and a unit. */
static void print_size(uint64_t bytes)
{
    static const char units[] = "BKMGT";
    unsigned unit = 0;
    while (bytes > 9999 && unit < sizeof units - 2) {
        bytes /= KIB;
        unit++;
    }
    print(" %5lu%c", bytes, units[unit]);
}

static void print_resource(const struct account_resource *resource, uint64_t unit, bool limited)
{
    if (limited) {
        print_size(resource->limit * unit);
    } else {
        print("      -");
    }
    print_size(resource->lent * unit);
    print_size(resource->used * unit);
    print_size(resource->peak * unit);
}

static void print_account(const struct account_info *account, unsigned depth)
{
    char name[NAME_COLUMNS + 1];
    size_t indent = 0;
    for (; indent < depth && indent < NAME_COLUMNS / 2; indent++) {
        name[indent] = ' ';
    }
    const char *mark = account->flags & ACCOUNT_CLOSED ? " (closed)" : "";
    text_format(name + indent, sizeof name - indent, "%s%s", account->name, mark);
    print("%4u %-16s", account->number, name);
    print_resource(&account->resources[RESOURCE_FRAMES], PAGE_SIZE, account->number != 0);
    print_resource(&account->resources[RESOURCE_BYTES], 1, account->number != 0);
    print("\n");
}

/* Those below the account, each with those below it. Chains are as long as people make them, so not by
 * recursion. */
static void print_tree(const struct accounts *accounts)
{
    static uint32_t path[ACCOUNTS_MOST];
    static bool done[ACCOUNTS_MOST];
    memset(done, 0, sizeof done);
    unsigned depth = 0;
    for (size_t i = 0; i < accounts->count;) {
        const struct account_info *account = &accounts->list[i];
        bool below =
            depth == 0 ? account->number == 0 : account->parent == path[depth - 1] && account->number != 0;
        if (!done[i] && below) {
            done[i] = true;
            print_account(account, depth);
            path[depth++] = account->number;
            i = 0;
        } else if (++i == accounts->count && depth > 1) {
            depth--;
            i = 0;
        }
    }
}

void command_accounts(size_t count, char **words)
{
    (void)count;
    struct accounts *accounts = heap_allocate(sizeof *accounts);
    if (accounts == NULL) {
        print("%s: no memory for the list of them\n", words[0]);
        return;
    }
    read_all(accounts);
    print("                     frames:                     kernel's heap:\n");
    print(" no. name              limit   lent   used   peak  limit   lent   used   peak\n");
    print_tree(accounts);
    heap_release(accounts);
}
