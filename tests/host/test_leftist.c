/*
 * The heap of timers and lenders against a list that is searched: the least is the least, whatever comes and
 * goes, and no way along right children is longer than its bound.
 */
#include "tests/host/host.h"

#include "kernel/lib/leftist.h"
#include "tests/host/random.h"

#define NODES 3000

static struct leftist nodes[NODES];
static struct leftist_heap heap;

static unsigned count_and_check(const struct leftist *node, const struct leftist *parent)
{
    if (node == NULL) {
        return 0;
    }
    unsigned left_rank = node->left != NULL ? node->left->rank : 0;
    unsigned right_rank = node->right != NULL ? node->right->rank : 0;
    assert_ptr_equal(node->parent, parent);
    assert_true(parent == NULL || parent->key <= node->key);
    assert_true(left_rank >= right_rank);
    assert_int_equal(node->rank, right_rank + 1);
    unsigned count = 1 + count_and_check(node->right, node);
    return count + count_and_check(node->left, node);
}

static void check_all(void)
{
    unsigned inside = 0, way = 0;
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < NODES; i++) {
        if (leftist_inside(&nodes[i])) {
            inside++;
            least = nodes[i].key < least ? nodes[i].key : least;
        }
    }
    assert_int_equal(count_and_check(heap.root, NULL), inside);
    assert_true(heap.root == NULL || heap.root->key == least);
    for (const struct leftist *node = heap.root; node != NULL; node = node->right) {
        way++;
    }
    assert_true(((uint64_t)1 << way) - 1 <= inside);
}

static void start(void)
{
    heap.root = NULL;
    for (unsigned i = 0; i < NODES; i++) {
        leftist_init(&nodes[i]);
    }
}

static void random_insertions_and_removals_keep_the_order(void **state)
{
    (void)state;
    struct random random = {1};
    start();
    for (unsigned step = 0; step < 200000; step++) {
        struct leftist *node = &nodes[random_below(&random, NODES)];
        if (leftist_inside(node)) {
            leftist_remove(&heap, node);
        } else {
            node->key = random_below(&random, step % 2 == 0 ? 100 : 1000000000);
            leftist_insert(&heap, node);
        }
        if (step % 997 == 0) {
            check_all();
        }
    }
    check_all();
}

static void all_come_out_in_order(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) { /* rising, falling, all over */
        struct random random = {kind + 1};
        start();
        for (unsigned i = 0; i < NODES; i++) {
            nodes[i].key = kind == 0 ? i : kind == 1 ? NODES - i : random_below(&random, NODES);
            leftist_insert(&heap, &nodes[i]);
        }
        check_all();
        uint64_t last = 0;
        for (unsigned i = 0; i < NODES; i++) {
            struct leftist *least = heap.root;
            assert_true(least->key >= last);
            last = least->key;
            leftist_remove(&heap, least);
        }
        assert_null(heap.root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_insertions_and_removals_keep_the_order),
        cmocka_unit_test(all_come_out_in_order),
    };
    return cmocka_run_group_tests_name("leftist heap", tests, NULL, NULL);
}
