/*
 * The tree of accounts; see account_tree.h.
 */
#include "kernel/obj/account_tree.h"

#include "kernel/debug/panic.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/zeroed.h"
#include "lib/text.h"

#define NUMBERS FRAME_ACCOUNTS
#define WORDS   (NUMBERS / 64)

static struct spinlock list_lock = SPINLOCK("list of accounts", LOCK_ACCOUNT_LIST);

/* Guarded by list_lock. The kernel's own is the head of the list, and has number 0; another one stands for
 * zeroed frames.
 */
static uint64_t numbers_used[WORDS] = {[0] = 1, [ZEROED_ACCOUNT / 64] = (uint64_t)1 << ZEROED_ACCOUNT % 64};
static uint32_t last_number; /* given out last */

/* The next free one, so that numbers are used again late; 0 when there is none. The list is locked. */
static uint32_t number_take(void)
{
    uint32_t start = last_number + 1;
    for (uint32_t i = 0; i <= WORDS; i++) {
        uint32_t word = (start / 64 + i) % WORDS;
        uint64_t free = ~numbers_used[word];
        free &= i == 0 ? ~(uint64_t)0 << start % 64 : ~(uint64_t)0;
        if (free != 0) {
            last_number = word * 64 + (uint32_t)__builtin_ctzll(free);
            numbers_used[word] |= free & -free;
            return last_number;
        }
    }
    return 0;
}

static void number_give(uint32_t number)
{
    numbers_used[number / 64] &= ~((uint64_t)1 << number % 64);
}

enum error account_make(struct account *parent, const char *name, struct account **out)
{
    struct object *object;
    if (parent->depth >= ACCOUNT_DEPTH_MOST) {
        return ERR_LIMIT;
    }
    enum error error = object_create(OBJECT_ACCOUNT, parent, &object);
    if (error != ERR_NONE) {
        return error;
    }
    spin_lock(&list_lock);
    uint32_t number = number_take();
    spin_unlock(&list_lock);
    struct account *account = (struct account *)object;
    account_init(account, number, parent);
    text_format(account->name, sizeof(account->name), "%s", name);
    if (number == 0) {
        account_release(account);
        return ERR_LIMIT;
    }
    *out = account;
    return ERR_NONE;
}

void account_publish(struct account *account)
{
    spin_lock(&list_lock);
    list_append(&kernel_account.node, &account->node);
    spin_unlock(&list_lock);
}

void account_destroy(struct object *object)
{
    struct account *account = (struct account *)object;
    if (!account_close(account)) {
        return; /* it comes here again when the last charge has been given back */
    }
    spin_lock(&list_lock);
    list_remove(&account->node);
    if (account->number != 0) {
        number_give(account->number);
    }
    spin_unlock(&list_lock);
    object_free(object);
}

bool account_describe_nth(uint64_t position, struct account_info *out)
{
    spin_lock(&list_lock);
    struct list *node = &kernel_account.node;
    while (position > 0 && node->next != &kernel_account.node) {
        node = node->next;
        position--;
    }
    bool found = position == 0;
    if (found) {
        account_describe(LIST_ENTRY(node, struct account, node), out);
    }
    spin_unlock(&list_lock);
    return found;
}
