/*
 * NUMA nodes; see node.h. What the tables do not tell of belongs to node 0: the gaps between the ranges are
 * ranges of their own, so that every frame is in one.
 */
#include "kernel/mm/node.h"

#include "kernel/debug/log.h"

struct node_range {
    uint64_t first, end;
    unsigned node;
};

/* Set at boot. Sorted by address, disjoint. */
static struct node_range ranges[NODE_RANGES_MAX];
static unsigned range_count;
static uint32_t domains[NODES_MAX];
static unsigned nodes;

unsigned node_count(void)
{
    return nodes > 0 ? nodes : 1;
}

unsigned node_of_domain(uint32_t domain)
{
    for (unsigned node = 0; node < nodes; node++) {
        if (domains[node] == domain) {
            return node;
        }
    }
    return 0;
}

static bool domain_known(uint32_t domain)
{
    return nodes > 0 && domains[node_of_domain(domain)] == domain;
}

static bool overlaps(uint64_t first, uint64_t end)
{
    for (unsigned i = 0; i < range_count; i++) {
        if (first < ranges[i].end && ranges[i].first < end) {
            return true;
        }
    }
    return false;
}

static void insert(struct node_range range)
{
    unsigned at = range_count++;
    for (; at > 0 && ranges[at - 1].first > range.first; at--) {
        ranges[at] = ranges[at - 1];
    }
    ranges[at] = range;
}

void node_add_memory(uint32_t domain, pfn_t first, pages_t count)
{
    uint64_t end = first.value + count.value;
    if (count.value == 0 || end < first.value || overlaps(first.value, end) ||
        range_count == NODE_RANGES_MAX || (nodes == NODES_MAX && !domain_known(domain))) {
        log_warn("memory: node of domain %u from %lx on: empty, told twice or one too many; taken as node 0",
                 domain, first.value << PAGE_SHIFT);
        return;
    }
    if (!domain_known(domain)) {
        domains[nodes++] = domain;
    }
    insert((struct node_range){first.value, end, node_of_domain(domain)});
}

/* The part of memory with this number, from the lowest on: a range, or a gap before one or behind the last.
 * False at the end. */
static bool part(unsigned number, struct node_range *out)
{
    unsigned i = number / 2;
    uint64_t before = i > 0 ? ranges[i - 1].end : 0;
    if (i > range_count) {
        return false;
    }
    if (number % 2 == 0) {
        *out = (struct node_range){before, i < range_count ? ranges[i].first : FRAME_LIMIT, 0};
        return true;
    }
    if (i == range_count) {
        return false;
    }
    *out = ranges[i];
    return true;
}

unsigned node_of_frame(pfn_t frame)
{
    struct node_range p;
    for (unsigned i = 0; part(i, &p); i++) {
        if (frame.value >= p.first && frame.value < p.end) {
            return p.node;
        }
    }
    return 0;
}

enum error node_alloc(unsigned node, unsigned order, enum frame_class class, pfn_t *out)
{
    if (node >= node_count()) {
        return ERR_BAD_ARGUMENT;
    }
    struct node_range p;
    enum error error = ERR_NO_MEMORY;
    for (unsigned i = 0; error == ERR_NO_MEMORY && part(i, &p); i++) {
        if (p.node == node && p.first < p.end) {
            error = frame_alloc_within(order, class, pfn(p.first), pfn(p.end), out);
        }
    }
    return error;
}

void node_survey(unsigned node, uint64_t classes[FRAME_CLASSES])
{
    struct node_range p;
    uint64_t some[FRAME_CLASSES];
    for (unsigned class = 0; class < FRAME_CLASSES; class ++) {
        classes[class] = 0;
    }
    for (unsigned i = 0; part(i, &p); i++) {
        if (p.node != node || p.first >= p.end) {
            continue;
        }
        frame_survey(pfn(p.first), (pages_t){p.end - p.first}, some);
        for (unsigned class = 0; class < FRAME_CLASSES; class ++) {
            classes[class] += some[class];
        }
    }
}
