/* Pages of 1 GiB, and mappings of several GiB that are populated. */
#include "user/bin/utest/space.h"
#include "user/bin/utest/test.h"
#include "user/libq/system.h"

#define COMMIT_FAILURES 4  /* of the block, and of the first ones of its parts */
#define MOST_REFUSED    64 /* allocations of a mapping, at most */

#define ROOMY (5 * GIB) /* free memory with which a GiB in a row is to be had */

static bool is_roomy(void)
{
    struct system_memory memory;
    return system_record(TOPIC_MEMORY, 0, &memory, sizeof memory) == ERR_NONE && memory.free >= ROOMY;
}

static bool has_huge_pages(void)
{
    struct system_feature feature;
    for (uint64_t i = 0; system_record(TOPIC_FEATURES, i, &feature, sizeof feature) == ERR_NONE; i++) {
        static const char name[] = "pdpe1gb";
        if (__builtin_memcmp(feature.name, name, sizeof name) == 0) {
            return feature.used;
        }
    }
    return false;
}

/* Every 64th page has its address; the others are zero. */
static bool stamp(uint64_t where, uint64_t bytes)
{
    for (uint64_t at = where; at < where + bytes; at += 64 * PAGE_SIZE) {
        CHECK_EQUAL(*word_at(at), 0);
        *word_at(at) = at;
    }
    return true;
}

static bool is_stamped(uint64_t where, uint64_t from, uint64_t to)
{
    for (uint64_t at = where + from; at < where + to; at += 64 * PAGE_SIZE) {
        CHECK_EQUAL(*word_at(at), at);
    }
    return true;
}

static bool huge_and_cut(void)
{
    uint32_t memory, copy, access;
    struct system_spaces before, after;
    CHECK(spaces_figures(&before));
    CHECK_OK(sys_memory_create(0, GIB, 0, &memory));
    CHECK_OK(sys_memory_commit(memory, 0, GIB));
    CHECK_OK(space_map(memory, 0, FIELD, GIB, READ_WRITE | MAP_MODE_POPULATE | MAP_MODE_HUGE));
    CHECK_EQUAL(leaf_of(startup->self, FIELD + 5 * LARGE, &access), GIB);
    CHECK(spaces_figures(&after));
    CHECK_EQUAL(after.huge_asked - before.huge_asked, 1);
    CHECK_EQUAL(after.huge_given - before.huge_given, 1);
    CHECK(stamp(FIELD, GIB));
    /* A page protected leaves the others what they are. */
    CHECK_OK(space_protect(FIELD + LARGE, PAGE_SIZE, READ));
    CHECK(kernel_cannot_write(FIELD + LARGE));
    CHECK_EQUAL(leaf_of(startup->self, FIELD + LARGE, &access), PAGE_SIZE);
    CHECK_EQUAL(leaf_of(startup->self, FIELD + 2 * LARGE, &access), LARGE);
    CHECK(is_stamped(FIELD, 0, GIB));
    /* Copied, one page on each side is written. */
    CHECK_OK(sys_memory_clone(memory, 0, &copy));
    CHECK_OK(space_map(copy, 0, FIELD + 2 * GIB, GIB, READ_WRITE | MAP_MODE_POPULATE | MAP_MODE_HUGE));
    CHECK_EQUAL(leaf_of(startup->self, FIELD + 2 * GIB, &access), GIB);
    CHECK_EQUAL(access & WRITE, 0);
    *word_at(FIELD + 2 * GIB) = 1;
    CHECK_EQUAL(*word_at(FIELD), FIELD);
    *word_at(FIELD + 64 * PAGE_SIZE) = 2;
    CHECK_EQUAL(*word_at(FIELD + 2 * GIB + 64 * PAGE_SIZE), FIELD + 64 * PAGE_SIZE);
    CHECK_EQUAL(*word_at(FIELD + 2 * GIB), 1);
    CHECK(is_stamped(FIELD, 128 * PAGE_SIZE, GIB));
    CHECK_OK(space_unmap(FIELD + 2 * GIB, 0));
    CHECK_OK(sys_handle_close(copy));
    /* Given back in part. */
    CHECK_OK(sys_memory_decommit(memory, 3 * LARGE, LARGE + PAGE_SIZE));
    CHECK_EQUAL(*word_at(FIELD + 3 * LARGE), 0);
    CHECK(is_stamped(FIELD, 5 * LARGE, GIB) && is_stamped(FIELD, LARGE, 3 * LARGE));
    CHECK_OK(space_unmap(FIELD, GIB));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool a_page_of_a_gib_is_given_cut_copied_and_given_back(void)
{
    if (!is_roomy() || !has_huge_pages()) {
        return test_skip("no pages of 1 GiB, or no memory for one");
    }
    return gives_all_back(huge_and_cut, 1);
}

/* The n-th allocation from now on fails; false where the machine was not started for that. */
static bool arm(uint64_t n)
{
    return sys_system_control(startup->system, ACTION_FAIL, n) == ERR_NONE;
}

/* A GiB is there, whatever fails: in smaller pages, or at the second try. */
static bool commit_with_failure(uint32_t memory, uint64_t n)
{
    CHECK(arm(n));
    enum error error = sys_memory_commit(memory, 0, GIB);
    CHECK(arm(0));
    if (error != ERR_NONE) {
        CHECK(error == ERR_NO_MEMORY || error == ERR_LIMIT);
        CHECK_OK(sys_memory_commit(memory, 0, GIB));
    }
    for (uint64_t at = 0; at < GIB; at += LARGE) {
        CHECK(page_state(memory, at + LARGE - PAGE_SIZE) & MEMORY_PAGE_PRESENT);
    }
    return true;
}

/* The mapping is refused for each of its allocations, and then it is there. */
static bool map_with_failures(uint32_t memory, unsigned *refused)
{
    const uint64_t mode = READ_WRITE | MAP_MODE_POPULATE | MAP_MODE_HUGE;
    for (*refused = 0; *refused < MOST_REFUSED; ++*refused) {
        uint32_t access;
        CHECK(arm(*refused + 1));
        enum error error = space_map(memory, 0, FIELD, GIB, mode);
        CHECK(arm(0));
        if (error == ERR_NONE) {
            return true;
        }
        CHECK(error == ERR_NO_MEMORY || error == ERR_LIMIT);
        CHECK_EQUAL(leaf_of(startup->self, FIELD, &access), 0);
        CHECK_ERROR(space_unmap(FIELD, 0), ERR_NOT_FOUND);
    }
    return test_fail(__FILE__, __LINE__, "the mapping still fails");
}

static bool huge_with_failures(void)
{
    uint32_t memory, access;
    unsigned refused;
    for (uint64_t n = 1; n <= COMMIT_FAILURES; n++) {
        CHECK_OK(sys_memory_create(0, GIB, MEMORY_CREATE_SPARSE, &memory));
        CHECK(commit_with_failure(memory, n));
        CHECK(map_with_failures(memory, &refused));
        CHECK(refused > 2);
        CHECK(leaf_of(startup->self, FIELD, &access) >= PAGE_SIZE);
        CHECK(stamp(FIELD, GIB) && is_stamped(FIELD, 0, GIB));
        CHECK_OK(space_unmap(FIELD, GIB));
        CHECK_OK(sys_handle_close(memory));
    }
    return true;
}

static bool a_gib_survives_failing_allocations_and_takes_nothing(void)
{
    if (!is_roomy() || !has_huge_pages()) {
        return test_skip("no pages of 1 GiB, or no memory for one");
    }
    if (!arm(0)) {
        return test_skip("the boot environment does not say inject=1");
    }
    return gives_all_back(huge_with_failures, 1);
}

/* A sparse object with something here and there in it: what is there is shown at once, also far out. */
static bool populate_far(void)
{
    static const uint64_t places[] = {0, GIB - PAGE_SIZE, GIB, 3 * GIB + 5 * LARGE, 200 * GIB - PAGE_SIZE};
    const uint64_t bytes = 200 * GIB;
    uint32_t memory, access;
    CHECK_OK(sys_memory_create(0, bytes, MEMORY_CREATE_SPARSE, &memory));
    for (unsigned i = 0; i < 5; i++) {
        CHECK_OK(sys_memory_commit(memory, places[i], PAGE_SIZE));
    }
    for (unsigned unaligned = 0; unaligned < 2; unaligned++) {
        uint64_t at = FIELD + unaligned * PAGE_SIZE;
        CHECK_OK(space_map(memory, 0, at, bytes, READ_WRITE | MAP_MODE_POPULATE));
        for (unsigned i = 0; i < 5; i++) {
            CHECK_EQUAL(leaf_of(startup->self, at + places[i], &access), PAGE_SIZE);
            CHECK(access & WRITE);
            CHECK_EQUAL(leaf_of(startup->self, at + places[i] + LARGE, &access), 0);
        }
        CHECK_OK(space_unmap(at, 0));
    }
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool populating_reaches_the_end_of_a_mapping_of_any_size(void)
{
    return gives_all_back(populate_far, 2);
}

static const struct test tests[] = {
    TEST(a_page_of_a_gib_is_given_cut_copied_and_given_back),
    TEST(a_gib_survives_failing_allocations_and_takes_nothing),
    TEST(populating_reaches_the_end_of_a_mapping_of_any_size),
};
const struct area area_huge = AREA("huge", tests);
