/*
 * The balanced tree against a sorted array: the same nodes in the same order, neighbours and searches agree,
 * and every subtree is in balance, whatever comes and goes.
 */
#include "tests/host/host.h"

#include "kernel/lib/avl.h"
#include "tests/host/random.h"

#define NODES 2000

static struct avl_node nodes[NODES];
static bool inside[NODES];
static struct avl tree;

/* The model: what is inside, sorted, equal keys in the order in which they came. */
static struct avl_node *sorted[NODES];
static unsigned count;

static void start(void)
{
    tree = (struct avl){0};
    memset(inside, 0, sizeof(inside));
    count = 0;
}

/* How many in the model have a key less than this one, or with `equal` at most. */
static unsigned rank_of(uint64_t key, bool equal)
{
    unsigned low = 0, high = count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (sorted[middle]->key < key || (equal && sorted[middle]->key == key)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void insert(unsigned i, uint64_t key)
{
    unsigned at = rank_of(key, true);
    memmove(&sorted[at + 1], &sorted[at], (count - at) * sizeof(*sorted));
    sorted[at] = &nodes[i];
    count++;
    memset(&nodes[i], 0xa5, sizeof(nodes[i])); /* nothing but the key is given */
    nodes[i].key = key;
    avl_insert(&tree, &nodes[i]);
    inside[i] = true;
}

static void remove_node(unsigned i)
{
    unsigned at = rank_of(nodes[i].key, false);
    while (sorted[at] != &nodes[i]) {
        at++;
    }
    memmove(&sorted[at], &sorted[at + 1], (--count - at) * sizeof(*sorted));
    avl_remove(&tree, &nodes[i]);
    inside[i] = false;
}

/* The height, after all links and balances below have been looked at. */
static int32_t check_subtree(const struct avl_node *node, const struct avl_node *parent, unsigned *seen)
{
    if (node == NULL) {
        return 0;
    }
    assert_ptr_equal(node->parent, parent);
    int32_t left = check_subtree(node->child[AVL_LEFT], node, seen);
    assert_true(*seen < count);
    assert_ptr_equal(sorted[*seen], node);
    (*seen)++;
    int32_t right = check_subtree(node->child[AVL_RIGHT], node, seen);
    assert_int_equal(node->balance, right - left);
    assert_true(right - left <= 1 && left - right <= 1);
    return 1 + (left > right ? left : right);
}

static void check_all(void)
{
    unsigned seen = 0;
    check_subtree(tree.root, NULL, &seen);
    assert_int_equal(seen, count);
    assert_ptr_equal(avl_first(&tree), count > 0 ? sorted[0] : NULL);
    assert_ptr_equal(avl_last(&tree), count > 0 ? sorted[count - 1] : NULL);
    for (unsigned i = 0; i < count; i++) {
        assert_ptr_equal(avl_next(sorted[i]), i + 1 < count ? sorted[i + 1] : NULL);
        assert_ptr_equal(avl_previous(sorted[i]), i > 0 ? sorted[i - 1] : NULL);
    }
}

static void check_search(uint64_t key)
{
    unsigned above = rank_of(key, true), at = rank_of(key, false);
    assert_ptr_equal(avl_at_or_below(&tree, key), above > 0 ? sorted[above - 1] : NULL);
    assert_ptr_equal(avl_at_or_above(&tree, key), at < count ? sorted[at] : NULL);
}

/* Keys of this range; insertions are `more` of 100 while the tree is to grow. */
static void run(uint64_t seed, uint64_t range, unsigned steps, unsigned more)
{
    struct random random = {seed};
    start();
    for (unsigned step = 0; step < steps; step++) {
        unsigned i = (unsigned)random_below(&random, NODES);
        bool grow = random_below(&random, 100) < (step / 4096 % 2 == 0 ? more : 100 - more);
        if (grow && !inside[i]) {
            insert(i, random_below(&random, range));
        } else if (!grow && inside[i]) {
            remove_node(i);
        }
        check_search(random_below(&random, range + 1));
        if (count > 0) {
            uint64_t key = sorted[random_below(&random, count)]->key;
            check_search(key);
            check_search(key + 1);
            check_search(key - 1);
        }
        if (step % 509 == 0) {
            check_all();
        }
    }
    check_all();
    while (count > 0) {
        remove_node((unsigned)(sorted[random_below(&random, count)] - nodes));
    }
    assert_null(tree.root);
}

static void random_operations_agree_with_a_sorted_array(void **state)
{
    (void)state;
    run(1, 1000000000, 200000, 60);
    run(2, 3 * (uint64_t)NODES, 200000, 90);
}

static void equal_keys_stay_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    run(3, 1, 30000, 60);
    run(4, 50, 100000, 60);
}

/* Every tree of up to so many nodes, built in every order, and every node taken out of it. */
#define SMALL 7

static void every_small_tree_is_right_after_every_removal(void **state)
{
    (void)state;
    for (unsigned size = 1; size <= SMALL; size++) {
        unsigned orders = 1;
        for (unsigned i = 2; i <= size; i++) {
            orders *= i;
        }
        for (unsigned order = 0; order < orders; order++) {
            for (unsigned removed = 0; removed < size; removed++) {
                bool used[SMALL] = {false};
                start();
                for (unsigned i = 0, rest = order; i < size; i++) {
                    unsigned skip = rest % (size - i), key = 0;
                    rest /= size - i;
                    for (; used[key] || skip > 0; key++) {
                        skip -= !used[key];
                    }
                    used[key] = true;
                    insert(i, key);
                    check_all();
                }
                remove_node(removed);
                check_all();
                check_search(removed);
            }
        }
    }
}

static void rising_and_falling_keys_make_no_list(void **state)
{
    (void)state;
    for (unsigned falling = 0; falling < 2; falling++) {
        start();
        for (unsigned i = 0; i < NODES; i++) {
            insert(i, falling ? NODES - i : i);
        }
        check_all();
        for (unsigned i = 0; i < NODES; i++) {
            remove_node(i);
            if (i % 97 == 0) {
                check_all();
            }
        }
        assert_null(tree.root);
    }
}

static void the_whole_range_of_keys_is_ordered(void **state)
{
    (void)state;
    static const uint64_t keys[] = {UINT64_MAX, 0, (uint64_t)1 << 63, 1, ((uint64_t)1 << 63) - 1};
    start();
    assert_null(avl_at_or_below(&tree, UINT64_MAX));
    assert_null(avl_at_or_above(&tree, 0));
    assert_null(avl_first(&tree));
    for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        insert(i, keys[i]);
    }
    check_all();
    for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        check_search(keys[i]);
        check_search(keys[i] + 1);
        check_search(keys[i] - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_a_sorted_array),
        cmocka_unit_test(equal_keys_stay_in_the_order_in_which_they_came),
        cmocka_unit_test(every_small_tree_is_right_after_every_removal),
        cmocka_unit_test(rising_and_falling_keys_make_no_list),
        cmocka_unit_test(the_whole_range_of_keys_is_ordered),
    };
    return cmocka_run_group_tests_name("avl tree", tests, NULL, NULL);
}
