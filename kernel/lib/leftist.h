/*
 * Leftist heap: an intrusive set of nodes, ordered by key, whose least is at hand. Insertion takes a few
 * instructions for a new least, insertion and removal of any node O(log n) at worst, whatever the order of
 * operations. No function allocates or locks; the owner of the heap does.
 *
 * The rank of a node is the length of its shortest way down to a missing child. Each node's right child has
 * no greater rank than its left one, so ways along right children have at most log2(n + 1) nodes; and only
 * those are walked (C. A. Crane, 1972; D. E. Knuth, The Art of Computer Programming, vol. 3, 5.2.3).
 */
#ifndef QUIRE_KERNEL_LEFTIST_H
#define QUIRE_KERNEL_LEFTIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leftist {
    uint64_t key;
    struct leftist *parent; /* NULL in the root; itself in a node that is in no heap */
    struct leftist *left;
    struct leftist *right;
    uint32_t rank;
};

struct leftist_heap {
    struct leftist *root; /* the least; NULL when empty */
};

static inline void leftist_init(struct leftist *node)
{
    node->parent = node;
}

static inline bool leftist_inside(const struct leftist *node)
{
    return node->parent != node;
}

/* Put a node in that is in no heap; its key is set. */
void leftist_insert(struct leftist_heap *heap, struct leftist *node);

/* Take a node out of the heap that it is in. */
void leftist_remove(struct leftist_heap *heap, struct leftist *node);

#endif
