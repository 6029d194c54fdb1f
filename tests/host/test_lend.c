/*
 * Priority lending against a model that computes every rank anew, on random graphs.
 */
#include "tests/host/host.h"

#include "kernel/sched/lend.h"
#include "tests/host/random.h"

#define NODES 120
#define RANKS 250

struct model_node {
    struct lend_node lend;
    uint16_t own;
    uint16_t given; /* what lend_apply was told last */
};

static struct model_node nodes[NODES];

static struct model_node *of(struct lend_node *node)
{
    return (struct model_node *)((char *)node - offsetof(struct model_node, lend));
}

uint16_t lend_apply(struct lend_node *node, uint16_t lent)
{
    struct model_node *n = of(node);
    n->given = lent;
    return n->own > lent ? n->own : lent;
}

static unsigned longest_settling;

static void settle(struct lend_node *node)
{
    unsigned times = 0;
    while (node != NULL) {
        node = lend_settle(node);
        times++;
    }
    longest_settling = times > longest_settling ? times : longest_settling;
}

static void start(struct random *random)
{
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i].own = (uint16_t)random_below(random, RANKS);
        nodes[i].given = 0;
        lend_init(&nodes[i].lend, nodes[i].own);
    }
}

/* The rank by the definition: the highest own rank of all from whom a way leads here. */
static void check_all(void)
{
    uint16_t rank[NODES];
    for (unsigned i = 0; i < NODES; i++) {
        rank[i] = nodes[i].own;
    }
    for (unsigned i = 0; i < NODES; i++) {
        for (struct lend_node *node = nodes[i].lend.to; node != NULL; node = node->to) {
            unsigned at = (unsigned)(of(node) - nodes);
            rank[at] = nodes[i].own > rank[at] ? nodes[i].own : rank[at];
        }
    }
    for (unsigned i = 0; i < NODES; i++) {
        uint16_t mine = nodes[i].own > nodes[i].given ? nodes[i].own : nodes[i].given;
        assert_int_equal(mine, rank[i]);
        if (nodes[i].lend.to != NULL) {
            assert_int_equal(nodes[i].lend.rank, rank[i]);
        }
    }
}

static bool leads_to(struct lend_node *from, const struct lend_node *to)
{
    for (; from != NULL; from = from->to) {
        if (from == to) {
            return true;
        }
    }
    return false;
}

static unsigned chain_from(const struct lend_node *node)
{
    unsigned length = 0;
    for (; node != NULL; node = node->to) {
        length++;
    }
    return length;
}

static void try_edge(struct model_node *from, struct model_node *to)
{
    bool cycle = leads_to(&to->lend, &from->lend), deep = chain_from(&to->lend) > LEND_CHAIN_MAX;
    enum error error = lend_begin(&from->lend, &to->lend);
    if (error == ERR_NONE) {
        assert_false(cycle || deep || to->lend.gone || from->lend.gone);
        settle(&to->lend);
    } else if (error == ERR_BAD_ARGUMENT) {
        assert_true(cycle);
    } else if (error == ERR_LIMIT) {
        assert_true(deep);
    } else {
        assert_int_equal(error, ERR_DEAD);
        assert_true(to->lend.gone || from->lend.gone);
    }
}

static void die(struct model_node *node)
{
    settle(lend_end(&node->lend));
    node->lend.gone = true;
    while (lend_drop_donor(&node->lend)) {
    }
    settle(&node->lend);
}

static void random_graphs_give_each_node_its_rank(void **state)
{
    (void)state;
    struct random random = {11};
    for (unsigned round = 0; round < 40; round++) {
        start(&random);
        for (unsigned step = 0; step < 1500; step++) {
            struct model_node *a = &nodes[random_below(&random, NODES)],
                              *b = &nodes[random_below(&random, NODES)];
            uint64_t kind = random_below(&random, 16);
            if (kind == 0) {
                die(a);
            } else if (kind == 1 && a->lend.gone) {
                a->own = (uint16_t)random_below(&random, RANKS); /* another one in its place */
                a->given = 0;
                lend_init(&a->lend, a->own);
            } else if (kind < 5) {
                a->own = (uint16_t)random_below(&random, RANKS);
                settle(&a->lend);
            } else if (a->lend.to != NULL) {
                settle(lend_end(&a->lend));
            } else {
                try_edge(a, b);
            }
            check_all();
        }
    }
}

static void a_chain_that_grows_at_its_end_is_settled_in_bounded_pieces(void **state)
{
    (void)state;
    struct random random = {12};
    start(&random);
    for (unsigned i = 0; i + 1 < NODES; i++) {
        nodes[i + 1].own = 1;
        settle(&nodes[i + 1].lend);
        assert_int_equal(lend_begin(&nodes[i].lend, &nodes[i + 1].lend), ERR_NONE);
        settle(&nodes[i + 1].lend);
    }
    longest_settling = 0;
    nodes[0].own = RANKS;
    settle(&nodes[0].lend);
    check_all();
    assert_int_equal(longest_settling, (NODES + LEND_STEPS - 1) / LEND_STEPS);
    /* The whole chain is longer than what is searched for a cycle: refused, not overlooked. */
    assert_int_equal(lend_begin(&nodes[NODES - 1].lend, &nodes[0].lend), ERR_LIMIT);
    nodes[0].own = 0;
    settle(&nodes[0].lend);
    check_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_give_each_node_its_rank),
        cmocka_unit_test(a_chain_that_grows_at_its_end_is_settled_in_bounded_pieces),
    };
    return cmocka_run_group_tests_name("lending", tests, NULL, NULL);
}
