/*
 * Memory objects against a flat model: of each object an array with a number for each page. Random touches
 * through views, copies, pages given back, other sizes, pins, blocks made of pages, and ends; what is read is
 * what the model says, no frame is given back that somebody sees, the trees are as they should be, and at the
 * end all is there again. Then the same with every allocation made to fail in turn, which must change
 * nothing.
 */
#include "tests/host/host.h"
#include "tests/host/memory_books.h"
#include "tests/host/memory_check.h"
#include "tests/host/memory_host.h"
#include "tests/host/memory_lingering.h"
#include "tests/host/memory_space.h"
#include "tests/host/random.h"

#include "abi/memory.h"
#include "kernel/debug/inject.h"
#include "kernel/mm/memory_tree.h"

#define FRAMES     32768 /* 128 MiB */
#define OBJECTS    6
#define VIEWS      3
#define ACCOUNTS   2
#define PAGES_MOST 1700
#define STEPS      1500000
#define CHECK_EACH 512

struct model {
    struct memory *memory; /* NULL: free */
    uint64_t pages;
    uint32_t value[PAGES_MOST];
    uint8_t pins[PAGES_MOST];
    struct played_view *views[VIEWS];
};

static struct model models[OBJECTS];
static struct random dice;
static struct account *accounts[ACCOUNTS];
static uint32_t last_value;

static uint64_t below(uint64_t limit)
{
    return random_below(&dice, limit);
}

/* --- each operation may be made to fail -------------------------------------------------------------------
 */

/* The allocation that is to fail next; 0: none. */
static uint32_t strike;

/* Do the operation; with failures, over and over, until no allocation is left to fail. */
#define ATTEMPT(error, operation)                                                                            \
    do {                                                                                                     \
        for (strike = inject_on ? 1 + (uint32_t)below(3) : 0;; strike++) {                                   \
            inject_arm(strike);                                                                              \
            (error) = (operation);                                                                           \
            bool struck = inject_on && thread_current()->inject_left == 0;                                   \
            inject_arm(0);                                                                                   \
            host_leave_kernel();                                                                             \
            if (!struck || ((error) != ERR_NO_MEMORY && (error) != ERR_LIMIT)) {                             \
                break;                                                                                       \
            }                                                                                                \
        }                                                                                                    \
    } while (0)

/* --- the model --------------------------------------------------------------------------------------------
 */

static struct account *some_account(void)
{
    return accounts[below(ACCOUNTS)];
}

static struct model *any(void)
{
    struct model *m = &models[below(OBJECTS)];
    return m->memory != NULL ? m : NULL;
}

static bool range_pinned(const struct model *m, uint64_t first, uint64_t count)
{
    bool pinned = false;
    for (uint64_t i = first; i < first + count; i++) {
        pinned = pinned || m->pins[i] > 0;
    }
    return pinned;
}

static uint64_t some_size(void)
{
    static const uint64_t sizes[] = {1, 3, 8, 9, 70, 300, 511, 512, 513, 1024, 1536, PAGES_MOST};
    return below(2) ? sizes[below(sizeof(sizes) / sizeof(sizes[0]))] : 1 + below(PAGES_MOST);
}

/* A range that often has edges where nodes have. */
static void some_range(uint64_t pages, uint64_t *first, uint64_t *count)
{
    *first = below(pages);
    *count = 1 + below(below(2) ? 8 : pages);
    if (below(3) == 0) {
        *first = align_down(*first, MEMORY_LEAF_PAGES);
        *count = below(2) ? MEMORY_LEAF_PAGES : pages;
    }
    *count = *count < pages - *first ? *count : pages - *first;
}

static struct played_view *any_view(struct model *m)
{
    return m->views[below(VIEWS)];
}

static void add_view(struct model *m)
{
    struct played_view **place = &m->views[below(VIEWS)];
    if (*place != NULL) {
        space_unshow(*place);
        *place = NULL;
        host_leave_kernel();
        return;
    }
    uint64_t first = below(3) ? 0 : below(m->pages),
             count = below(3) ? m->pages - first : 1 + below(m->pages - first);
    *place = space_show(m->memory, first, count, below(2));
}

static void make(struct model *m, unsigned flags)
{
    uint64_t pages = some_size();
    enum error error;
    ATTEMPT(error, memory_make(some_account(), (pages_t){pages}, flags, &m->memory));
    assert_int_equal(error, ERR_NONE);
    m->pages = pages;
    memset(m->value, 0, sizeof(m->value));
    memset(m->pins, 0, sizeof(m->pins));
    add_view(m);
}

static void clone(struct model *m, struct model *to)
{
    enum error error;
    struct memory *copy;
    ATTEMPT(error, memory_clone(m->memory, some_account(), &copy));
    assert_int_equal(error, range_pinned(m, 0, m->pages) ? ERR_NOT_READY : ERR_NONE);
    if (error == ERR_NONE) {
        *to = (struct model){.memory = copy, .pages = m->pages};
        memcpy(to->value, m->value, sizeof(m->value));
        add_view(to);
    }
}

static void destroy(struct model *m)
{
    for (unsigned i = 0; i < VIEWS; i++) {
        if (m->views[i] != NULL) {
            space_unshow(m->views[i]);
        }
    }
    memory_release(m->memory);
    host_leave_kernel();
    *m = (struct model){0};
}

static void touch(struct model *m)
{
    struct played_view *view = any_view(m);
    if (view == NULL) {
        return;
    }
    uint64_t page = view->view.first + below(view->view.count);
    for (uint64_t n = below(8) ? 1 : below(300); n > 0 && page < view->view.first + view->view.count;
         n--, page++) {
        uint32_t value = ++last_value, seen = 0;
        bool write = below(2);
        enum error error;
        if (write) {
            ATTEMPT(error, space_write(view, page, value));
        } else {
            ATTEMPT(error, space_read(view, page, &seen));
        }
        if (page >= m->pages) {
            assert_int_equal(error, ERR_BAD_ARGUMENT);
            return;
        }
        assert_int_equal(error, ERR_NONE);
        if (write) {
            m->value[page] = value;
        } else {
            assert_int_equal(seen, m->value[page]);
        }
    }
}

static void commit(struct model *m)
{
    uint64_t first, count;
    enum error error;
    some_range(m->pages, &first, &count);
    ATTEMPT(error, memory_commit_pages(m->memory, first, count));
    assert_int_equal(error, ERR_NONE);
    uint8_t told;
    memory_query(m->memory, first + count - 1, 1, &told);
    assert_true((told & MEMORY_PAGE_PRESENT) != 0);
}

static void decommit(struct model *m)
{
    uint64_t first, count;
    enum error error;
    struct memory_decommit_plan plan;
    some_range(m->pages, &first, &count);
    ATTEMPT(error, memory_decommit_prepare(m->memory, first, count, &plan));
    assert_int_equal(error, range_pinned(m, first, count) ? ERR_NOT_READY : ERR_NONE);
    if (error == ERR_NONE && below(8) == 0) {
        memory_decommit_cancel(&plan);
    } else if (error == ERR_NONE) {
        memory_decommit_commit(&plan);
        memset(&m->value[first], 0, count * sizeof(m->value[0]));
        uint8_t told;
        memory_query(m->memory, first, 1, &told);
        assert_int_equal(told, 0);
    }
    assert_int_equal(memory_decommit_prepare(m->memory, first, 0, &plan), ERR_NONE);
    memory_decommit_commit(&plan);
    assert_int_equal(memory_decommit_prepare(m->memory, first, m->pages + 1, &plan), ERR_BAD_ARGUMENT);
}

static void resize(struct model *m)
{
    uint64_t pages = some_size();
    bool pinned = pages < m->pages && range_pinned(m, pages, m->pages - pages);
    enum error error;
    ATTEMPT(error, memory_resize(m->memory, (pages_t){pages}));
    assert_int_equal(error, pinned ? ERR_NOT_READY : ERR_NONE);
    if (error == ERR_NONE) {
        for (uint64_t i = pages; i < m->pages; i++) {
            m->value[i] = 0;
        }
        m->pages = pages;
    }
}

static void pin(struct model *m)
{
    static paddr_t where[PAGES_MOST];
    uint64_t first, count;
    enum error error;
    some_range(m->pages, &first, &count);
    count = count < 20 ? count : 20;
    ATTEMPT(error, memory_pin(m->memory, first, count, where));
    assert_int_equal(error, ERR_NONE);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t *word = memory_host_frame(paddr_to_pfn(where[i]));
        assert_int_equal(word[0], m->value[first + i]);
        word[0] = ++last_value; /* a device writes */
        word[PAGE_SIZE / sizeof(*word) - 1] = last_value;
        m->value[first + i] = last_value;
        m->pins[first + i]++;
    }
}

static void unpin(struct model *m)
{
    uint64_t page = below(m->pages), count = 0;
    while (page > 0 && m->pins[page] == 0) {
        page--;
    }
    while (page + count < m->pages && m->pins[page + count] > 0) {
        count++;
    }
    if (page + count < m->pages) {
        assert_int_equal(memory_unpin(m->memory, page, count + 1), ERR_BAD_ARGUMENT);
    }
    assert_int_equal(memory_unpin(m->memory, page, count), ERR_NONE);
    for (uint64_t i = 0; i < count; i++) {
        m->pins[page + i]--;
    }
}

static void promote(struct model *m)
{
    inject_arm(inject_on ? 1 + (uint32_t)below(3) : 0);
    (void)memory_promote(m->memory, below(m->pages), below(2));
    inject_arm(0);
}

static void run(struct model *m)
{
    uint64_t page = below(m->pages);
    pfn_t frame;
    bool writable;
    spin_lock(&m->memory->lock);
    uint64_t count = memory_run(m->memory, page, 64, &frame, &writable);
    assert_true(count <= m->pages - page);
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(*(uint32_t *)memory_host_frame(pfn(frame.value + i)), m->value[page + i]);
    }
    if (count == 0) {
        assert_int_equal(m->value[page], 0);
    }
    spin_unlock(&m->memory->lock);
}

/* --- the trees ------------------------------------------------------------------------------------------
 */

static void check_all(void)
{
    uint64_t frames[ACCOUNTS] = {0};
    for (unsigned i = 0; i < OBJECTS; i++) {
        const struct memory *memory = models[i].memory;
        if (memory == NULL) {
            continue;
        }
        memory_check_account = accounts[ACCOUNTS - 1]->number;
        memory_check(memory);
        assert_int_equal(memory->pages.value, models[i].pages);
        frames[memory->object.account == accounts[1]] += memory->paid_frames;
        for (unsigned v = 0; v < VIEWS; v++) {
            assert_true(models[i].views[v] == NULL || space_is_flushed(models[i].views[v]));
        }
    }
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct account_info info;
        account_describe(accounts[i], &info);
        assert_int_equal(info.resources[RESOURCE_FRAMES].used, frames[i]);
    }
}

static void step(void)
{
    struct model *m = any(), *to = &models[below(OBJECTS)];
    if (m == NULL || to->memory == NULL) {
        if (m != NULL && below(2)) {
            clone(m, to);
        } else if (to->memory == NULL) {
            make(to, below(2) ? MEMORY_SPARSE : 0);
        }
        return;
    }
    switch (below(64)) {
    case 0:
        destroy(m);
        break;
    case 1 ... 2:
        resize(m);
        break;
    case 3 ... 6:
        decommit(m);
        break;
    case 7 ... 8:
        commit(m);
        break;
    case 9:
        pin(m);
        break;
    case 10 ... 12:
        unpin(m);
        break;
    case 13 ... 15:
        promote(m);
        break;
    case 16 ... 18:
        run(m);
        break;
    case 19 ... 20:
        add_view(m);
        break;
    case 21:
        lingering_answer();
        break;
    default:
        touch(m);
    }
}

/* --- the tests --------------------------------------------------------------------------------------------
 */

static void begin(uint64_t seed, uint32_t shares_most)
{
    memory_host_start(FRAMES, 1);
    space_watch(FRAMES);
    memory_host_shares_most = shares_most;
    dice = (struct random){seed};
    lingering_one_in = seed % 2 != 0 ? 2 : 0;
    books_open(1000000, 100000000);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        accounts[i] = books_account("memory", 100000, 10000000);
    }
}

static void end(void)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (models[i].memory != NULL) {
            destroy(&models[i]);
        }
    }
    lingering_answer();
    books_close();
    memory_host_shares_most = FRAME_SHARES_MOST;
}

static void work(uint64_t seed, unsigned steps, uint32_t shares_most)
{
    begin(seed, shares_most);
    for (unsigned i = 0; i < steps; i++) {
        step();
        host_leave_kernel();
        if (i % CHECK_EACH == 0) {
            check_all();
        }
    }
    check_all();
    end();
}

static void pages_are_what_was_written(void **state)
{
    (void)state;
    work(1, STEPS, FRAME_SHARES_MOST);
    assert_true(lingering_waits > 0 && lingering_retired > 0);
}

static void frames_that_cannot_be_shared_more_are_copied(void **state)
{
    (void)state;
    work(2, STEPS / 8, 1);
    work(3, STEPS / 8, 2);
}

static void failures_change_nothing(void **state)
{
    (void)state;
    inject_on = true;
    work(4, STEPS / 20, FRAME_SHARES_MOST);
    work(5, STEPS / 20, 1);
    inject_on = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_what_was_written),
        cmocka_unit_test(frames_that_cannot_be_shared_more_are_copied),
        cmocka_unit_test(failures_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
