/*
 * Accounts; see account.h.
 *
 * `available` changes only under the slack lock of the CPU that changes it, or of all CPUs; of a closed
 * account only under the accounts' lock, and no CPU has slack of it.
 */
#include "kernel/mm/account.h"

#include "kernel/debug/panic.h"
#include "kernel/sched/thread.h"
#include "lib/text.h"

/* Half of what a CPU may have: neither the next charge nor the next refund goes the slow way again. */
#define BATCH(resource) (slack_most(resource) / 2)

#define NEVER_SHORT ((uint64_t)1 << 46)

static struct spinlock accounts_lock = SPINLOCK("accounts", LOCK_ACCOUNTS);

static uint32_t cpus_counted = 1; /* changes under accounts_lock; atomic to read */

struct account kernel_account = {
    .object = {.references = 1,
               .type = OBJECT_ACCOUNT,
               .account = &kernel_account,
               .tree = SPINLOCK("handle tree", LOCK_HANDLE_TREE)},
    .name = "kernel",
    .sides = {{NEVER_SHORT, NEVER_SHORT, 0}, {NEVER_SHORT, NEVER_SHORT, 0}},
    .node = {&kernel_account.node, &kernel_account.node},
};

void account_init(struct account *account, uint32_t number, struct account *parent)
{
    account->number = number;
    account->entry = number % SLACK_ENTRIES * sizeof(struct slack_entry);
    account->parent = parent;
    account->depth = parent->depth + 1;
    list_init(&account->node);
}

void account_cpu_online(const struct cpu *cpu)
{
    spin_lock(&accounts_lock);
    ASSERT(cpu->number == 0 || cpu->number == cpus_counted);
    __atomic_store_n(&cpus_counted, cpu->number + 1, __ATOMIC_RELAXED);
    spin_unlock(&accounts_lock);
}

/* --- the slack of one CPU, whose lock is held --- */

static void note_peak(struct account_side *side)
{
    uint64_t gone = side->own - __atomic_load_n(&side->available, __ATOMIC_RELAXED);
    uint64_t peak = __atomic_load_n(&side->peak, __ATOMIC_RELAXED);
    while (gone > peak && !__atomic_compare_exchange_n(&side->peak, &peak, gone, false, __ATOMIC_RELAXED,
                                                       __ATOMIC_RELAXED)) {
    }
}

/* Take at least `least` of what is available, and up to `more` on top. 0 when there is not that much. */
static uint64_t take_available(struct account_side *side, uint64_t least, uint64_t more)
{
    uint64_t there = __atomic_load_n(&side->available, __ATOMIC_RELAXED);
    uint64_t take;
    do {
        if (there < least) {
            return 0;
        }
        /* Near the limit no CPU takes much, so that the others need not collect for each charge. */
        uint64_t rest = (there - least) / 2 / __atomic_load_n(&cpus_counted, __ATOMIC_RELAXED);
        take = least + (rest < more ? rest : more);
    } while (!__atomic_compare_exchange_n(&side->available, &there, there - take, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    note_peak(side);
    return take;
}

static void empty_entry(struct slack_entry *entry)
{
    for (unsigned r = 0; entry->account != NULL && r < RESOURCES; r++) {
        __atomic_fetch_add(&entry->account->sides[r].available, entry->amounts[r], __ATOMIC_RELAXED);
    }
    *entry = (struct slack_entry){0};
}

/* Make the entry that of this account, which is not closed. */
static void claim_entry(struct slack_entry *entry, struct account *account)
{
    if (entry->account != account) {
        empty_entry(entry);
        entry->account = account;
    }
}

static bool charge_here(struct slack *slack, struct account *account, enum resource resource, uint64_t amount)
{
    if (inject_on) { /* without slack: each charge comes by here, where it may be made to fail */
        return take_available(&account->sides[resource], amount, 0) >= amount;
    }
    struct slack_entry *entry = slack_entry(slack, account);
    claim_entry(entry, account);
    uint64_t *had = &entry->amounts[resource];
    if (*had < amount) {
        *had += take_available(&account->sides[resource], amount - *had, BATCH(resource));
    }
    bool enough = *had >= amount;
    *had -= enough ? amount : 0;
    return enough;
}

/* --- all CPUs; accounts_lock is held --- */

static void freeze(void)
{
    for (uint32_t i = 0; i < cpus_counted; i++) {
        leaf_take(&cpus[i]->slack.lock);
    }
}

static void thaw(void)
{
    for (uint32_t i = 0; i < cpus_counted; i++) {
        leaf_give(&cpus[i]->slack.lock);
    }
}

/* Everything that is frozen comes together: `available` is all there is. */
static void collect(struct account *account)
{
    for (uint32_t i = 0; i < cpus_counted; i++) {
        struct slack_entry *entry = slack_entry(&cpus[i]->slack, account);
        if (entry->account == account) {
            empty_entry(entry);
        }
    }
}

static enum error lacks(const struct account *account, enum resource resource, uint64_t amount)
{
    uint64_t shown = amount < LACK_AMOUNT ? amount : LACK_AMOUNT;
    thread_current()->lack =
        (uint64_t)account->number << LACK_ACCOUNT_SHIFT | (uint64_t)resource << LACK_RESOURCE_SHIFT | shown;
    return ERR_LIMIT;
}

uint64_t lack_take(void)
{
    struct thread *self = thread_current();
    uint64_t lack = self->lack;
    self->lack = 0;
    return lack;
}

/* Whatever there is, here or elsewhere, pays. */
static enum error charge_anywhere(struct account *account, enum resource resource, uint64_t amount)
{
    struct account_side *side = &account->sides[resource];
    spin_lock(&accounts_lock);
    freeze();
    collect(account);
    uint64_t there = side->available;
    bool enough = there >= amount;
    if (enough) {
        __atomic_store_n(&side->available, there - amount, __ATOMIC_RELAXED);
        note_peak(side);
    }
    thaw();
    spin_unlock(&accounts_lock);
    return enough ? ERR_NONE : lacks(account, resource, amount - there);
}

enum error account_charge_slowly(struct account *account, enum resource resource, uint64_t amount)
{
    if (inject_fails()) {
        return lacks(account, resource, amount);
    }
    struct slack *slack = &arch_this_cpu()->slack;
    leaf_take(&slack->lock);
    bool done =
        !__atomic_load_n(&account->closed, __ATOMIC_RELAXED) && charge_here(slack, account, resource, amount);
    leaf_give(&slack->lock);
    return done ? ERR_NONE : charge_anywhere(account, resource, amount);
}

static bool all_returned(const struct account *account)
{
    bool all = true;
    for (unsigned r = 0; r < RESOURCES; r++) {
        all = all && account->sides[r].available == account->sides[r].own && account->lent[r] == 0;
    }
    return all;
}

static void refund_closed(struct account *account, enum resource resource, uint64_t amount)
{
    struct account_side *side = &account->sides[resource];
    spin_lock(&accounts_lock);
    __atomic_store_n(&side->available, side->available + amount, __ATOMIC_RELAXED);
    bool last = all_returned(account);
    spin_unlock(&accounts_lock);
    if (last) {
        object_dies(&account->object);
    }
}

/* Into the slack, as far as there is room. */
static void refund_here(struct slack *slack, struct account *account, enum resource resource, uint64_t amount)
{
    uint64_t back = amount;
    if (!inject_on) {
        struct slack_entry *entry = slack_entry(slack, account);
        claim_entry(entry, account);
        uint64_t kept = entry->amounts[resource] + amount;
        back = kept > slack_most(resource) ? kept - BATCH(resource) : 0;
        entry->amounts[resource] = kept - back;
    }
    __atomic_fetch_add(&account->sides[resource].available, back, __ATOMIC_RELAXED);
}

void account_refund_slowly(struct account *account, enum resource resource, uint64_t amount)
{
    struct slack *slack = &arch_this_cpu()->slack;
    leaf_take(&slack->lock);
    bool closed = __atomic_load_n(&account->closed, __ATOMIC_RELAXED);
    if (!closed) {
        refund_here(slack, account, resource, amount);
    }
    leaf_give(&slack->lock);
    if (closed) {
        refund_closed(account, resource, amount);
    }
}

/* --- lending --- */

/* Can the child's limit of the resource become this? Both are collected. */
static enum error may_become(const struct account *parent, const struct account *child, enum resource r,
                             uint64_t limit)
{
    uint64_t now = child->sides[r].own + child->lent[r];
    uint64_t more = limit > now ? limit - now : 0, less = now > limit ? now - limit : 0;
    if (more > parent->sides[r].available) {
        return lacks(parent, r, more - parent->sides[r].available);
    }
    if (less > child->sides[r].available) {
        return lacks(child, r, less - child->sides[r].available);
    }
    return ERR_NONE;
}

enum error account_lend_prepare(struct account *parent, struct account *child,
                                const uint64_t limits[RESOURCES])
{
    spin_lock(&accounts_lock);
    freeze();
    collect(parent);
    collect(child);
    enum error error = inject_fails() ? lacks(parent, RESOURCE_FRAMES, limits[RESOURCE_FRAMES]) : ERR_NONE;
    for (unsigned r = 0; error == ERR_NONE && r < RESOURCES; r++) {
        error = may_become(parent, child, r, limits[r]);
    }
    if (error != ERR_NONE) {
        thaw();
        spin_unlock(&accounts_lock);
    }
    return error;
}

/* Frozen. */
static void side_grow(struct account_side *side, uint64_t by)
{
    side->own += by; /* modulo 2^64: also less */
    __atomic_store_n(&side->available, side->available + by, __ATOMIC_RELAXED);
}

void account_lend_commit(struct account *parent, struct account *child, const uint64_t limits[RESOURCES])
{
    for (unsigned r = 0; r < RESOURCES; r++) {
        uint64_t by = limits[r] - (child->sides[r].own + child->lent[r]);
        side_grow(&child->sides[r], by);
        side_grow(&parent->sides[r], -by);
        parent->lent[r] += by;
    }
    thaw();
    spin_unlock(&accounts_lock);
}

void account_endow(struct account *account, const uint64_t limits[RESOURCES])
{
    spin_lock(&accounts_lock);
    freeze();
    for (unsigned r = 0; r < RESOURCES; r++) {
        side_grow(&account->sides[r], limits[r]);
    }
    thaw();
    spin_unlock(&accounts_lock);
}

/* What it was lent goes back to the parent. Frozen; everything is returned. */
static void give_back(struct account *account)
{
    for (unsigned r = 0; r < RESOURCES; r++) {
        uint64_t limit = account->sides[r].own;
        side_grow(&account->parent->sides[r], limit);
        account->parent->lent[r] -= limit;
        account->sides[r] = (struct account_side){0};
    }
}

bool account_close(struct account *account)
{
    spin_lock(&accounts_lock);
    freeze();
    collect(account);
    __atomic_store_n(&account->closed, 1, __ATOMIC_RELAXED);
    bool last = all_returned(account);
    if (last) {
        give_back(account);
    }
    thaw();
    spin_unlock(&accounts_lock);
    return last;
}

void account_describe(struct account *account, struct account_info *out)
{
    *out = (struct account_info){.number = account->number};
    memcpy(out->name, account->name, sizeof(out->name));
    spin_lock(&accounts_lock);
    freeze();
    out->parent = account->parent != NULL ? account->parent->number : 0;
    out->flags = account->closed ? ACCOUNT_CLOSED : 0;
    for (unsigned r = 0; r < RESOURCES; r++) {
        struct account_side *side = &account->sides[r];
        uint64_t idle = side->available;
        for (uint32_t i = 0; i < cpus_counted; i++) {
            struct slack_entry *entry = slack_entry(&cpus[i]->slack, account);
            idle += entry->account == account ? entry->amounts[r] : 0;
        }
        out->resources[r] = (struct account_resource){
            .limit = side->own + account->lent[r],
            .lent = account->lent[r],
            .used = side->own - idle,
            .peak = side->peak,
        };
    }
    thaw();
    spin_unlock(&accounts_lock);
}
