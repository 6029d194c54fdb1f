/*
 * The graph of priority lending; see lend.h.
 */
#include "kernel/sched/lend.h"

#include <stddef.h>

/* Heaps have the least key first. */
static uint64_t key_of(uint16_t rank)
{
    return UINT16_MAX - (uint64_t)rank;
}

static struct lend_node *of_node(struct leftist *node)
{
    return (struct lend_node *)(void *)((char *)node - offsetof(struct lend_node, node));
}

static uint16_t highest_lent(const struct lend_node *node)
{
    return node->donors.root != NULL ? of_node(node->donors.root)->rank : 0;
}

void lend_init(struct lend_node *node, uint16_t rank)
{
    *node = (struct lend_node){.rank = rank};
    leftist_init(&node->node);
}

static void join(struct lend_node *from, struct lend_node *to)
{
    from->to = to;
    from->node.key = key_of(from->rank);
    leftist_insert(&to->donors, &from->node);
}

struct lend_node *lend_settle(struct lend_node *node)
{
    for (unsigned i = 0; i < LEND_STEPS; i++) {
        uint16_t rank = lend_apply(node, highest_lent(node));
        struct lend_node *to = node->to;
        if (rank == node->rank) {
            return NULL;
        }
        if (to == NULL) {
            node->rank = rank;
            return NULL;
        }
        leftist_remove(&to->donors, &node->node);
        node->rank = rank;
        join(node, to);
        node = to;
    }
    return node;
}

enum error lend_begin(struct lend_node *from, struct lend_node *to)
{
    unsigned steps = 0;
    const struct lend_node *node = to;
    do {
        if (node == from) {
            return ERR_BAD_ARGUMENT;
        }
        if (++steps > LEND_CHAIN_MAX) {
            return ERR_LIMIT;
        }
        node = node->to;
    } while (node != NULL);
    if (to->gone || from->gone) {
        return ERR_DEAD;
    }
    from->rank = lend_apply(from, highest_lent(from));
    join(from, to);
    return ERR_NONE;
}

struct lend_node *lend_end(struct lend_node *from)
{
    struct lend_node *to = from->to;
    if (to != NULL) {
        leftist_remove(&to->donors, &from->node);
        from->to = NULL;
    }
    return to;
}

bool lend_drop_donor(struct lend_node *node)
{
    if (node->donors.root == NULL) {
        return false;
    }
    struct lend_node *donor = of_node(node->donors.root);
    leftist_remove(&node->donors, &donor->node);
    donor->to = NULL;
    return true;
}
