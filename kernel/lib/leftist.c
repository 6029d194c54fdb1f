/*
 * Leftist heap; see leftist.h.
 */
#include "kernel/lib/leftist.h"

static uint32_t rank_of(const struct leftist *node)
{
    return node != NULL ? node->rank : 0;
}

/* Children in order, rank right; false when the rank was right before, so that nobody above is concerned. */
static bool settle(struct leftist *node)
{
    if (rank_of(node->left) < rank_of(node->right)) {
        struct leftist *left = node->left;
        node->left = node->right;
        node->right = left;
    }
    uint32_t rank = rank_of(node->right) + 1;
    bool changed = rank != node->rank;
    node->rank = rank;
    return changed;
}

/* One heap of two; its root's parent is NULL. */
static struct leftist *merge(struct leftist *a, struct leftist *b)
{
    if (a == NULL || b == NULL) {
        struct leftist *only = a != NULL ? a : b;
        if (only != NULL) {
            only->parent = NULL;
        }
        return only;
    }
    if (b->key < a->key) {
        struct leftist *least = b;
        b = a;
        a = least;
    }
    struct leftist *root = a;
    root->parent = NULL;
    /* Down the right children of both, the lesser one first. */
    while (a->right != NULL) {
        if (b->key < a->right->key) {
            struct leftist *rest = a->right;
            a->right = b;
            b->parent = a;
            b = rest;
        }
        a = a->right;
    }
    a->right = b;
    b->parent = a;
    for (; a != NULL; a = a->parent) {
        settle(a);
    }
    return root;
}

void leftist_insert(struct leftist_heap *heap, struct leftist *node)
{
    node->parent = NULL;
    node->left = NULL;
    node->right = NULL;
    node->rank = 1;
    if (heap->root == NULL || node->key < heap->root->key) {
        node->left = heap->root;
        if (heap->root != NULL) {
            heap->root->parent = node;
        }
        heap->root = node;
        return;
    }
    heap->root = merge(heap->root, node);
}

void leftist_remove(struct leftist_heap *heap, struct leftist *node)
{
    struct leftist *parent = node->parent;
    struct leftist *rest = merge(node->left, node->right);
    node->parent = node;
    if (parent == NULL) {
        heap->root = rest;
        return;
    }
    if (rest != NULL) {
        rest->parent = parent;
    }
    if (parent->left == node) {
        parent->left = rest;
    } else {
        parent->right = rest;
    }
    while (parent != NULL && settle(parent)) {
        parent = parent->parent;
    }
}
