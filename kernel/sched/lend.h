/*
 * Priority lending: who waits for somebody lends that one its rank. The graph, without threads or locks: each
 * node lends to at most one other, so nodes and edges are trees; a node's rank is the higher of its own and
 * the highest that is lent to it.
 *
 * Nothing here takes longer than a bound: a change is carried on for LEND_STEPS nodes at a time, and where it
 * got to is returned; an edge that closes a cycle is refused, and one onto a chain that is too long to tell.
 * Each change is exact: what a node has never depends on what was lent before.
 */
#ifndef QUIRE_KERNEL_LEND_H
#define QUIRE_KERNEL_LEND_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/error.h"
#include "kernel/lib/leftist.h"

#define LEND_STEPS     16
#define LEND_CHAIN_MAX 64

struct lend_node {
    struct leftist_heap donors; /* who lends to it, the highest first */
    struct leftist node;        /* among the donors of `to`; the key follows from rank */
    struct lend_node *to;       /* NULL: lends to nobody */
    uint16_t rank;              /* that it lends */
    bool gone;                  /* takes nothing any more */
};

/*
 * Who uses the graph gives this: the highest rank that is now lent to the node, 0 for none; returns the rank
 * that the node has by that and its own.
 */
uint16_t lend_apply(struct lend_node *node, uint16_t lent);

void lend_init(struct lend_node *node, uint16_t rank);

/* The node's own rank may have changed, or what is lent to it: returns where to go on, NULL when all is done.
 */
struct lend_node *lend_settle(struct lend_node *node) MUST_CHECK;

/*
 * From now on `from`, which lends to nobody, lends to `to`, from where one has to settle. ERR_BAD_ARGUMENT
 * when that closes a cycle; ERR_LIMIT; ERR_DEAD when `to` is gone. Nothing is changed then.
 */
enum error lend_begin(struct lend_node *from, struct lend_node *to) MUST_CHECK;

/* It lends to nobody any more; returns to whom it lent, from where one has to settle, or NULL. */
struct lend_node *lend_end(struct lend_node *from) MUST_CHECK;

/* One of those who lend to the node does so no more; false when there are none. */
bool lend_drop_donor(struct lend_node *node);

#endif
