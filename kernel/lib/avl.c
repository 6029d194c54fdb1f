/*
 * AVL tree; see avl.h.
 */
#include "kernel/lib/avl.h"

/* +1 for the right side, -1 for the left. */
static int32_t sign_of(unsigned side)
{
    return side == AVL_RIGHT ? 1 : -1;
}

static unsigned side_of(const struct avl_node *node)
{
    return node->parent->child[AVL_RIGHT] == node ? AVL_RIGHT : AVL_LEFT;
}

/* The place of `node` in its parent, or as the root, gets this one, which can be NULL. */
static void put_in_place(struct avl *tree, const struct avl_node *node, struct avl_node *other)
{
    if (node->parent == NULL) {
        tree->root = other;
    } else {
        node->parent->child[side_of(node)] = other;
    }
    if (other != NULL) {
        other->parent = node->parent;
    }
}

static void adopt(struct avl_node *parent, unsigned side, struct avl_node *child)
{
    parent->child[side] = child;
    if (child != NULL) {
        child->parent = parent;
    }
}

/* The child on this side comes up in place of the node, which becomes its child. Balances stay as they are.
 */
static struct avl_node *lift(struct avl *tree, struct avl_node *node, unsigned side)
{
    struct avl_node *child = node->child[side];
    put_in_place(tree, node, child);
    adopt(node, side, child->child[!side]);
    adopt(child, !side, node);
    return child;
}

/* A node whose balance is 2 or -2 comes into balance. Returns what is in its place then. */
static struct avl_node *rebalance(struct avl *tree, struct avl_node *node)
{
    unsigned side = node->balance > 0 ? AVL_RIGHT : AVL_LEFT;
    int32_t sign = sign_of(side);
    struct avl_node *child = node->child[side];
    if (child->balance != -sign) {
        node->balance = child->balance == 0 ? sign : 0;
        child->balance = child->balance == 0 ? -sign : 0;
        return lift(tree, node, side);
    }
    struct avl_node *middle = lift(tree, child, !side);
    node->balance = middle->balance == sign ? -sign : 0;
    child->balance = middle->balance == -sign ? sign : 0;
    middle->balance = 0;
    return lift(tree, node, side);
}

/* Put it where the order wants it: below `before` on the right, or below what comes next on the left. */
static struct avl_node *attach(struct avl *tree, struct avl_node *before, struct avl_node *node)
{
    struct avl_node *next = before != NULL ? before->next : avl_first(tree);
    bool right = before != NULL && before->child[AVL_RIGHT] == NULL;
    struct avl_node *parent = right ? before : next;
    *node = (struct avl_node){.key = node->key, .parent = parent, .next = next, .previous = before};
    if (before != NULL) {
        before->next = node;
    }
    if (next != NULL) {
        next->previous = node;
    }
    if (parent == NULL) {
        tree->root = node;
    } else {
        parent->child[right] = node;
    }
    return parent;
}

void avl_insert_after(struct avl *tree, struct avl_node *before, struct avl_node *node)
{
    /* Up, as long as what is below has become higher. */
    for (struct avl_node *parent = attach(tree, before, node); parent != NULL;
         node = parent, parent = node->parent) {
        parent->balance += sign_of(side_of(node));
        if (parent->balance == 2 || parent->balance == -2) {
            rebalance(tree, parent);
            return;
        }
        if (parent->balance == 0) {
            return;
        }
    }
}

void avl_insert(struct avl *tree, struct avl_node *node)
{
    avl_insert_after(tree, avl_at_or_below(tree, node->key), node);
}

/* The subtree on this side of the node has become lower by one. */
static void lowered(struct avl *tree, struct avl_node *node, unsigned side)
{
    for (;;) {
        node->balance -= sign_of(side);
        if (node->balance == 2 || node->balance == -2) {
            node = rebalance(tree, node);
        }
        if (node->balance != 0 || node->parent == NULL) {
            return;
        }
        side = side_of(node);
        node = node->parent;
    }
}

/* Out of the list of neighbours. */
static void unlink(const struct avl_node *node)
{
    if (node->next != NULL) {
        node->next->previous = node->previous;
    }
    if (node->previous != NULL) {
        node->previous->next = node->next;
    }
}

void avl_remove(struct avl *tree, struct avl_node *node)
{
    unlink(node);
    if (node->child[AVL_LEFT] == NULL || node->child[AVL_RIGHT] == NULL) {
        struct avl_node *parent = node->parent;
        unsigned side = parent != NULL ? side_of(node) : AVL_LEFT;
        put_in_place(tree, node, node->child[node->child[AVL_LEFT] == NULL]);
        if (parent != NULL) {
            lowered(tree, parent, side);
        }
        return;
    }
    /* The next one, which has no left child, moves here. */
    struct avl_node *next = avl_next(node), *low = next->parent;
    unsigned side = side_of(next);
    put_in_place(tree, next, next->child[AVL_RIGHT]);
    put_in_place(tree, node, next);
    adopt(next, AVL_LEFT, node->child[AVL_LEFT]);
    adopt(next, AVL_RIGHT, node->child[AVL_RIGHT]);
    next->balance = node->balance;
    lowered(tree, low == node ? next : low, side);
}
