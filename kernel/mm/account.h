/*
 * Accounts: who pays for memory, and how much it may take. Each has a limit for each resource, lent by its
 * parent, and can lend of it in turn, so that promises never exceed what there is and a charge looks at one
 * account only. The limit is exact: a charge is refused only when at that moment there is not enough, and
 * then nothing is changed.
 *
 * Each CPU has some slack of the accounts that it charges for, taken in advance and given back in batches.
 * Slack is used under a lock that other CPUs take only when a charge would fail, to collect what lies there,
 * or to look. Who holds the locks of all CPUs has frozen all accounts: nothing is on its way between them.
 *
 * An account whose last reference goes is closed: it stays as long as something is charged to it, and only
 * then gives back to its parent what it was lent. So whoever charged to an account can refund, without
 * holding a reference.
 */
#ifndef QUIRE_KERNEL_ACCOUNT_H
#define QUIRE_KERNEL_ACCOUNT_H

#include "abi/account.h"
#include "kernel/debug/inject.h"
#include "kernel/lib/list.h"
#include "kernel/obj/object.h"
#include "kernel/sched/cpu.h"

struct account_side {
    uint64_t own;       /* the limit, less what is lent; changes only while frozen */
    uint64_t available; /* of it, neither charged nor in the slack of a CPU; atomic */
    uint64_t peak;      /* the most of `own` that was not available; atomic */
};

struct account {
    struct object object;

    /* Set once. */
    uint32_t number; /* also recorded for each frame: frame_alloc_for */
    uint32_t entry;  /* where in a CPU's slack it is looked for, in bytes */
    char name[ACCOUNT_NAME];
    struct account *parent; /* stays: this object is charged to it */
    uint32_t depth;         /* how many are above it */
    uint32_t ended;         /* atomic: no tasks are to be in it any more */

    struct account_side sides[RESOURCES];
    uint32_t closed; /* atomic; changes only while frozen. No slack of it is kept then */

    /* Guarded by the accounts' lock. */
    uint64_t lent[RESOURCES];

    /* Guarded by the lock of the list: kernel/obj/account_tree.c. */
    struct list node;
};

OBJECT_WRAPPERS(account)

/* The kernel's own: never short. For what belongs to nobody. */
extern struct account kernel_account;

/* Accounts are at most so many one below the other. */
#define ACCOUNT_DEPTH_MOST 64u

/* What a CPU has at most in its slack of one account. */
#define SLACK_MOST_FRAMES 32u
#define SLACK_MOST_BYTES  8192u

static inline uint64_t slack_most(enum resource resource)
{
    return resource == RESOURCE_FRAMES ? SLACK_MOST_FRAMES : SLACK_MOST_BYTES;
}

static inline struct slack_entry *slack_entry(struct slack *slack, const struct account *account)
{
    return (struct slack_entry *)((uintptr_t)slack->entries + account->entry);
}

/* Is the account this one, or below it? */
static inline bool account_is_below(const struct account *account, const struct account *top)
{
    while (account != NULL && account != top) {
        account = account->parent;
    }
    return account == top;
}

/* Are no tasks to be in the account any more, or in one above? */
static inline bool account_has_ended(const struct account *account)
{
    bool ended = false;
    for (; account != NULL && !ended; account = account->parent) {
        ended = __atomic_load_n(&account->ended, __ATOMIC_SEQ_CST) != 0;
    }
    return ended;
}

/* A new account that nobody has lent anything yet. */
void account_init(struct account *account, uint32_t number, struct account *parent);

enum error account_charge_slowly(struct account *account, enum resource resource, uint64_t amount) MUST_CHECK;
void account_refund_slowly(struct account *account, enum resource resource, uint64_t amount);

/* ERR_LIMIT, which is then told with what is missing (lack_take). Any lock may be held but the log's. */
static inline enum error MUST_CHECK account_charge(struct account *account, enum resource resource,
                                                   uint64_t amount)
{
    struct slack *slack = &arch_this_cpu()->slack;
    struct slack_entry *entry = slack_entry(slack, account);
    leaf_take(&slack->lock);
    bool enough = entry->account == account && entry->amounts[resource] >= amount;
    if (enough) {
        entry->amounts[resource] -= amount;
    }
    leaf_give(&slack->lock);
    return enough ? ERR_NONE : account_charge_slowly(account, resource, amount);
}

/* Give back what was charged. */
static inline void account_refund(struct account *account, enum resource resource, uint64_t amount)
{
    struct slack *slack = &arch_this_cpu()->slack;
    struct slack_entry *entry = slack_entry(slack, account);
    leaf_take(&slack->lock);
    bool room = entry->account == account && entry->amounts[resource] + amount <= slack_most(resource);
    if (room) {
        entry->amounts[resource] += amount;
    }
    leaf_give(&slack->lock);
    if (!room) {
        account_refund_slowly(account, resource, amount);
    }
}

/*
 * Two halves of a change of what the parent lends to the child: to `limits` from whatever it is now, of all
 * resources or of none. On success all accounts are frozen until the commit. ERR_LIMIT when the parent has
 * not enough, or the child has used or lent more than that.
 */
enum error account_lend_prepare(struct account *parent, struct account *child,
                                const uint64_t limits[RESOURCES]) MUST_CHECK;
void account_lend_commit(struct account *parent, struct account *child, const uint64_t limits[RESOURCES]);

/* For the first account of the machine, which no account lends to. */
void account_endow(struct account *account, const uint64_t limits[RESOURCES]);

/* The last reference is gone. True when nothing is charged to it, so that it can go; else object_dies will be
 * called for it when that is so. */
bool account_close(struct account *account);

/* All numbers, at one moment. */
void account_describe(struct account *account, struct account_info *out);

/* A CPU takes part from now on; in the order of their numbers, before it runs its first thread. */
void account_cpu_online(const struct cpu *cpu);

/* What the calling thread's last refused charge lacked, once (abi/account.h). */
uint64_t lack_take(void);

#endif
