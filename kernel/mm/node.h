/*
 * NUMA nodes: parts of RAM that are near to some CPUs and farther from others, as the firmware's tables tell.
 * A machine that tells nothing has one node with everything in it. Nodes are numbered from 0 in the order in
 * which their memory is told of.
 */
#ifndef QUIRE_KERNEL_NODE_H
#define QUIRE_KERNEL_NODE_H

#include "abi/error.h"
#include "kernel/mm/frame.h"

#define NODES_MAX       64
#define NODE_RANGES_MAX 64

/* At boot: these frames lie in the node that the firmware calls `domain`. What does not fit is logged and
 * left to node 0, as is everything that is not told of. */
void node_add_memory(uint32_t domain, pfn_t first, pages_t count);

unsigned node_count(void);

/* The node of a domain, or of a frame; 0 when that is not known. */
unsigned node_of_domain(uint32_t domain);
unsigned node_of_frame(pfn_t frame);

/* As frame_alloc, but only out of this node. ERR_BAD_ARGUMENT when there is no such node. */
enum error node_alloc(unsigned node, unsigned order, enum frame_class class, pfn_t *out) MUST_CHECK;

/* The frames of each class in a node; see frame_survey. */
void node_survey(unsigned node, uint64_t classes[FRAME_CLASSES]);

#endif
