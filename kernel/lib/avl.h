/*
 * AVL tree: an intrusive set of nodes in order of a key of 64 bits. Insertion, removal and search take
 * O(log n) steps, whatever the order of operations. No function allocates or locks; the owner of the tree
 * does: lookups and walks may go on at the same time, changes by one at a time and beside nothing else.
 *
 * The heights of a node's two subtrees differ by at most one, so the way down to a node passes at most
 * 1.44 log2(n + 2) nodes (G. M. Adelson-Velsky and E. M. Landis, 1962; D. E. Knuth, The Art of Computer
 * Programming, vol. 3, 6.2.3).
 */
#ifndef QUIRE_KERNEL_AVL_H
#define QUIRE_KERNEL_AVL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AVL_LEFT, AVL_RIGHT };

struct avl_node {
    uint64_t key; /* the owner's; may change while in the tree, as long as the order stays the same */
    struct avl_node *child[2]; /* lesser keys, greater keys; equal ones can be on both sides */
    struct avl_node *parent;   /* NULL in the root */
    struct avl_node *next,
        *previous;   /* the neighbours in order; NULL behind the last, and before the first */
    int32_t balance; /* height of the right subtree less that of the left one */
};

/* All zero: empty. */
struct avl {
    struct avl_node *root;
};

/* Put a node in that is in no tree; its key is set. It comes behind those with the same key. */
void avl_insert(struct avl *tree, struct avl_node *node);
/* The same for who knows the last node with at most its key, or that there is none: NULL. */
void avl_insert_after(struct avl *tree, struct avl_node *before, struct avl_node *node);

/* Take a node out of the tree that it is in. */
void avl_remove(struct avl *tree, struct avl_node *node);

/* The neighbours in order; NULL behind the last, and before the first. */
static inline struct avl_node *avl_next(const struct avl_node *node)
{
    return node->next;
}

static inline struct avl_node *avl_previous(const struct avl_node *node)
{
    return node->previous;
}

/* The outermost node on this side; NULL when the tree is empty. */
static inline struct avl_node *avl_end(const struct avl *tree, unsigned side)
{
    struct avl_node *node = tree->root;
    while (node != NULL && node->child[side] != NULL) {
        node = node->child[side];
    }
    return node;
}

static inline struct avl_node *avl_first(const struct avl *tree)
{
    return avl_end(tree, AVL_LEFT);
}

static inline struct avl_node *avl_last(const struct avl *tree)
{
    return avl_end(tree, AVL_RIGHT);
}

/* The last node with at most this key; NULL when all keys are greater. */
static inline struct avl_node *avl_at_or_below(const struct avl *tree, uint64_t key)
{
    struct avl_node *node = tree->root, *best = NULL;
    while (node != NULL) {
        bool right = node->key <= key;
        best = right ? node : best;
        node = node->child[right];
    }
    return best;
}

/* The first node with at least this key; NULL when all keys are less. */
static inline struct avl_node *avl_at_or_above(const struct avl *tree, uint64_t key)
{
    struct avl_node *node = tree->root, *best = NULL;
    while (node != NULL) {
        bool right = node->key < key;
        best = right ? best : node;
        node = node->child[right];
    }
    return best;
}

#endif
