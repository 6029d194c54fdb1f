/* Pages of memory objects: committed, given back, told, pinned, large ones; and objects that change size. */
#include "user/bin/utest/space.h"
#include "user/bin/utest/test.h"

#define PAGES 8
#define BYTES (PAGES * PAGE_SIZE)

/* How many pages of the object are there, from this offset on; and no more are told than it has. */
static bool count_present(uint32_t memory, uint64_t offset, uint64_t *present)
{
    static uint8_t states[4096];
    uint64_t told = 0, bytes = 0;
    *present = 0;
    CHECK_OK(sys_memory_size(memory, &bytes));
    do {
        CHECK_OK(sys_memory_query(memory, offset, states, sizeof states, &told));
        for (uint64_t i = 0; i < told; i++) {
            *present += states[i] & MEMORY_PAGE_PRESENT;
        }
        offset += told * PAGE_SIZE;
    } while (told > 0);
    CHECK_EQUAL(offset, bytes);
    return true;
}

static bool has_present(uint32_t memory, uint64_t expected)
{
    uint64_t present;
    if (!count_present(memory, 0, &present)) {
        return false;
    }
    CHECK_EQUAL(present, expected);
    return true;
}

static bool commit_and_decommit(void)
{
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, BYTES, MEMORY_CREATE_SPARSE, &memory));
    CHECK(has_present(memory, 0));
    CHECK_OK(sys_memory_commit(memory, PAGE_SIZE, 3 * PAGE_SIZE));
    CHECK_OK(sys_memory_commit(memory, 2 * PAGE_SIZE, 3 * PAGE_SIZE));
    CHECK(has_present(memory, 4));
    CHECK_EQUAL(page_state(memory, 0), 0);
    CHECK_EQUAL(page_state(memory, PAGE_SIZE), MEMORY_PAGE_PRESENT);
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE | MAP_MODE_POPULATE));
    for (unsigned i = 0; i < PAGES; i++) {
        CHECK_EQUAL(*word_at(FIELD + i * PAGE_SIZE), 0);
        *word_at(FIELD + i * PAGE_SIZE) = i + 1;
    }
    CHECK_OK(sys_memory_decommit(memory, 2 * PAGE_SIZE, 4 * PAGE_SIZE));
    CHECK(has_present(memory, 4));
    for (unsigned i = 0; i < PAGES; i++) {
        CHECK_EQUAL(*word_at(FIELD + i * PAGE_SIZE), i >= 2 && i < 6 ? 0 : i + 1);
    }
    CHECK_OK(sys_memory_decommit(memory, 0, BYTES));
    CHECK(has_present(memory, 0));
    CHECK_OK(sys_memory_decommit(memory, 0, BYTES)); /* nothing there is no mistake */
    *word_at(FIELD + BYTES - 8) = 1;
    CHECK(has_present(memory, 1));
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool pages_come_and_go_as_they_are_told_to(void)
{
    return gives_all_back(commit_and_decommit, 20);
}

static bool grow_and_shrink(void)
{
    uint32_t memory;
    uint64_t bytes;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE));
    for (unsigned i = 0; i < PAGES; i++) {
        *word_at(FIELD + i * PAGE_SIZE) = i + 1;
    }
    CHECK_OK(sys_memory_resize(memory, 3 * PAGE_SIZE + 1)); /* rounded up */
    CHECK_OK(sys_memory_size(memory, &bytes));
    CHECK_EQUAL(bytes, 4 * PAGE_SIZE);
    CHECK(kernel_cannot_write(FIELD + 4 * PAGE_SIZE) && kernel_cannot_write(FIELD + BYTES - 512));
    CHECK_ERROR(space_map(memory, 0, FIELD + BYTES, BYTES, READ), ERR_BAD_ARGUMENT);
    CHECK_OK(sys_memory_resize(memory, 600 * BYTES)); /* the tree gets higher */
    for (unsigned i = 0; i < PAGES; i++) {
        CHECK_EQUAL(*word_at(FIELD + i * PAGE_SIZE), i < 4 ? i + 1 : 0);
    }
    CHECK_OK(space_map(memory, 0, FIELD + GIB, 600 * BYTES, READ_WRITE));
    for (unsigned i = 0; i < 600 * PAGES; i += 37) {
        *word_at(FIELD + GIB + i * PAGE_SIZE + 8) = i;
    }
    for (unsigned i = 0; i < 600 * PAGES; i += 37) {
        CHECK_EQUAL(*word_at(FIELD + GIB + i * PAGE_SIZE + 8), i);
    }
    CHECK_OK(sys_memory_resize(memory, PAGE_SIZE)); /* and lower */
    CHECK_EQUAL(*word_at(FIELD), 1);
    CHECK(kernel_cannot_write(FIELD + GIB + PAGE_SIZE) && kernel_cannot_write(FIELD + PAGE_SIZE));
    CHECK_OK(sys_memory_resize(memory, BYTES));
    CHECK_EQUAL(*word_at(FIELD + 2 * PAGE_SIZE), 0);
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(space_unmap(FIELD + GIB, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool an_object_grows_with_zeroes_and_shrinks_while_mapped(void)
{
    return gives_all_back(grow_and_shrink, 10);
}

static bool prepare_shrunk(uint32_t task)
{
    uint32_t memory;
    uint64_t mapped;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(sys_memory_map(task, memory, 0, FIELD, BYTES, READ_WRITE, &mapped));
    CHECK_OK(sys_memory_resize(memory, PAGE_SIZE));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool what_shrinking_took_away_faults(void)
{
    return faults_there(prepare_shrunk, "read", FIELD + PAGE_SIZE, 4);
}

static bool pin_and_unpin(void)
{
    uint32_t memory, copy;
    uint64_t frames[PAGES], again[PAGES];
    const uint32_t system = startup->system;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE));
    *word_at(FIELD + PAGE_SIZE) = 7;
    CHECK_OK(sys_memory_pin(memory, system, 0, frames, sizeof frames));
    CHECK_OK(sys_memory_pin(memory, system, 0, again, 2 * sizeof again[0]));
    for (unsigned i = 0; i < PAGES; i++) {
        CHECK(frames[i] % PAGE_SIZE == 0 && frames[i] != 0);
        CHECK(i >= 2 || frames[i] == again[i]);
        CHECK(i == 0 || frames[i] != frames[i - 1]);
        CHECK_EQUAL(page_state(memory, i * PAGE_SIZE), MEMORY_PAGE_PRESENT | MEMORY_PAGE_PINNED);
    }
    CHECK_EQUAL(*word_at(FIELD + PAGE_SIZE), 7);
    CHECK_ERROR(sys_memory_decommit(memory, PAGE_SIZE, PAGE_SIZE), ERR_NOT_READY);
    CHECK_ERROR(sys_memory_resize(memory, PAGE_SIZE), ERR_NOT_READY);
    CHECK_ERROR(sys_memory_clone(memory, 0, &copy), ERR_NOT_READY);
    CHECK_OK(sys_memory_unpin(memory, system, 0, BYTES));
    CHECK_ERROR(sys_memory_unpin(memory, system, 0, BYTES), ERR_BAD_ARGUMENT); /* 2 pages are, 6 are not */
    CHECK_ERROR(sys_memory_decommit(memory, PAGE_SIZE, PAGE_SIZE), ERR_NOT_READY);
    CHECK_OK(sys_memory_decommit(memory, 2 * PAGE_SIZE, PAGE_SIZE));
    CHECK_OK(sys_memory_unpin(memory, system, 0, 2 * PAGE_SIZE));
    CHECK_OK(sys_memory_decommit(memory, 0, BYTES));
    CHECK_EQUAL(*word_at(FIELD + PAGE_SIZE), 0);
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool pinned_pages_stay_until_they_are_unpinned(void)
{
    return gives_all_back(pin_and_unpin, 20);
}

/* --- large pages -----------------------------------------------------------------------------------------
 */

/* Has the machine a block to spare? Where it has none a test of large pages has nothing to say. */
static bool has_large_pages(void)
{
    uint32_t memory, access;
    CHECK_OK(sys_memory_create(0, 2 * LARGE, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, 2 * LARGE, READ_WRITE));
    *word_at(FIELD) = 1;
    *word_at(FIELD + LARGE) = 1;
    bool has = leaf_of(startup->self, FIELD, &access) == LARGE &&
               leaf_of(startup->self, FIELD + LARGE, &access) == LARGE;
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(sys_handle_close(memory));
    return has;
}

static bool touch_by_policy(void)
{
    static const struct {
        uint64_t mode, at, leaf;
    } kinds[] = {
        {0, FIELD, LARGE},
        {MAP_MODE_LARGE, FIELD, LARGE},
        {MAP_MODE_SMALL, FIELD, PAGE_SIZE},
        {0, FIELD + PAGE_SIZE, PAGE_SIZE}, /* the memory is not where the tables could show it at once */
    };
    uint32_t memory, access;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct system_spaces before, after;
        CHECK_OK(sys_memory_create(0, 2 * LARGE, 0, &memory));
        CHECK_OK(space_map(memory, 0, kinds[i].at, 2 * LARGE, READ_WRITE | kinds[i].mode));
        CHECK(spaces_figures(&before));
        *word_at(kinds[i].at + LARGE + 5 * PAGE_SIZE) = i;
        CHECK(spaces_figures(&after));
        bool large = kinds[i].leaf == LARGE;
        CHECK_EQUAL(leaf_of(startup->self, kinds[i].at + LARGE + 5 * PAGE_SIZE, &access), kinds[i].leaf);
        CHECK_EQUAL(leaf_of(startup->self, kinds[i].at, &access), 0);
        CHECK_EQUAL(after.large_asked - before.large_asked >= large, true);
        CHECK_EQUAL((after.large_given - before.large_given) >= large, true);
        CHECK_EQUAL(page_state(memory, LARGE) & MEMORY_PAGE_LARGE, large ? MEMORY_PAGE_LARGE : 0u);
        CHECK_OK(space_unmap(kinds[i].at, 0));
        CHECK_OK(sys_handle_close(memory));
    }
    return true;
}

static bool the_first_touch_gives_a_large_page_where_the_policy_and_the_place_allow(void)
{
    return has_large_pages() ? gives_all_back(touch_by_policy, 5) : test_skip("no blocks of 2 MiB are free");
}

static uint64_t mark_of(uint64_t page)
{
    return page * 0x9e3779b97f4a7c15ull + 1;
}

static bool marked(uint64_t at, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        CHECK_EQUAL(*word_at(at + i * PAGE_SIZE), mark_of(i));
    }
    return true;
}

/* A large page with contents, mapped at FIELD. */
static bool make_large(uint32_t *memory)
{
    uint32_t access;
    CHECK_OK(sys_memory_create(0, LARGE, 0, memory));
    CHECK_OK(space_map(*memory, 0, FIELD, LARGE, READ_WRITE));
    for (uint64_t i = 0; i < 512; i++) {
        *word_at(FIELD + i * PAGE_SIZE) = mark_of(i);
    }
    CHECK_EQUAL(leaf_of(startup->self, FIELD, &access), LARGE);
    return true;
}

static bool unmake_large(uint32_t memory)
{
    CHECK_OK(space_unmap(FIELD, LARGE));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool split_by_unmap(void)
{
    uint32_t memory, access;
    if (!make_large(&memory)) {
        return false;
    }
    CHECK_OK(space_unmap(FIELD + 100 * PAGE_SIZE, 50 * PAGE_SIZE));
    CHECK_EQUAL(leaf_of(startup->self, FIELD, &access), PAGE_SIZE);
    CHECK(kernel_cannot_write(FIELD + 100 * PAGE_SIZE) && kernel_cannot_write(FIELD + 149 * PAGE_SIZE));
    return marked(FIELD, 0, 100) && marked(FIELD, 150, 512) && unmake_large(memory);
}

static bool split_by_protect(void)
{
    uint32_t memory;
    if (!make_large(&memory)) {
        return false;
    }
    CHECK_OK(space_protect(FIELD + PAGE_SIZE, PAGE_SIZE, READ));
    CHECK(kernel_cannot_write(FIELD + PAGE_SIZE));
    *word_at(FIELD + 2 * PAGE_SIZE) = mark_of(2);
    *word_at(FIELD) = mark_of(0);
    return marked(FIELD, 0, 512) && unmake_large(memory);
}

static bool split_by_decommit(void)
{
    uint32_t memory;
    if (!make_large(&memory)) {
        return false;
    }
    CHECK_OK(sys_memory_decommit(memory, 10 * PAGE_SIZE, 2 * PAGE_SIZE));
    CHECK_EQUAL(page_state(memory, 10 * PAGE_SIZE), 0);
    CHECK_EQUAL(page_state(memory, 9 * PAGE_SIZE), MEMORY_PAGE_PRESENT);
    CHECK_EQUAL(*word_at(FIELD + 10 * PAGE_SIZE), 0);
    *word_at(FIELD + 11 * PAGE_SIZE) = 3;
    return marked(FIELD, 0, 10) && marked(FIELD, 12, 512) && unmake_large(memory);
}

static bool split_by_clone(void)
{
    uint32_t memory, copy;
    if (!make_large(&memory)) {
        return false;
    }
    CHECK_OK(sys_memory_clone(memory, 0, &copy));
    CHECK_OK(space_map(copy, 0, FIELD + GIB, LARGE, READ_WRITE));
    CHECK(marked(FIELD + GIB, 0, 512));
    *word_at(FIELD + 7 * PAGE_SIZE) = 1;       /* the original writes... */
    *word_at(FIELD + GIB + 8 * PAGE_SIZE) = 2; /* ...and the copy */
    CHECK_EQUAL(*word_at(FIELD + GIB + 7 * PAGE_SIZE), mark_of(7));
    CHECK_EQUAL(*word_at(FIELD + 8 * PAGE_SIZE), mark_of(8));
    CHECK(marked(FIELD, 0, 7) && marked(FIELD, 8, 512));
    CHECK(marked(FIELD + GIB, 0, 8) && marked(FIELD + GIB, 9, 512));
    CHECK_OK(space_unmap(FIELD + GIB, 0));
    CHECK_OK(sys_handle_close(copy));
    CHECK_EQUAL(*word_at(FIELD + 7 * PAGE_SIZE), 1);
    *word_at(FIELD + 9 * PAGE_SIZE) = mark_of(9);
    return marked(FIELD, 8, 512) && unmake_large(memory);
}

static bool a_large_page_is_taken_apart_and_its_contents_stay(void)
{
    struct system_spaces before, after;
    if (!has_large_pages()) {
        return test_skip("no blocks of 2 MiB are free");
    }
    CHECK(spaces_figures(&before));
    bool good = gives_all_back(split_by_unmap, 4) && gives_all_back(split_by_protect, 4) &&
                gives_all_back(split_by_decommit, 4) && gives_all_back(split_by_clone, 4);
    CHECK(!good || spaces_figures(&after));
    CHECK(!good || after.large_demoted > before.large_demoted);
    return good;
}

/* Small pages, made one by one through a mapping that wants them small; the last one through one that wants
 * them large. */
static bool fill_up(void)
{
    uint32_t memory, access;
    struct system_spaces before, after;
    CHECK_OK(sys_memory_create(0, 2 * LARGE, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, 2 * LARGE, READ_WRITE | MAP_MODE_SMALL));
    for (uint64_t i = 511; i > 0; i--) { /* so that the frames do not lie in a row */
        *word_at(FIELD + i * PAGE_SIZE) = mark_of(i);
    }
    CHECK_EQUAL(leaf_of(startup->self, FIELD + PAGE_SIZE, &access), PAGE_SIZE);
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(space_map(memory, 0, FIELD, 2 * LARGE, READ_WRITE | MAP_MODE_LARGE));
    CHECK(marked(FIELD, 1, 512));
    CHECK(spaces_figures(&before));
    *word_at(FIELD) = mark_of(0);
    CHECK(spaces_figures(&after));
    CHECK(after.large_promoted > before.large_promoted);
    CHECK_EQUAL(page_state(memory, 0), MEMORY_PAGE_PRESENT | MEMORY_PAGE_LARGE);
    CHECK(marked(FIELD, 0, 512));
    *word_at(FIELD) = mark_of(0);
    CHECK_EQUAL(leaf_of(startup->self, FIELD, &access), LARGE);
    CHECK(access & WRITE);
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool the_last_of_512_small_pages_makes_a_large_one(void)
{
    return has_large_pages() ? gives_all_back(fill_up, 5) : test_skip("no blocks of 2 MiB are free");
}

static const struct test tests[] = {
    TEST(pages_come_and_go_as_they_are_told_to),
    TEST(an_object_grows_with_zeroes_and_shrinks_while_mapped),
    TEST(what_shrinking_took_away_faults),
    TEST(pinned_pages_stay_until_they_are_unpinned),
    TEST(the_first_touch_gives_a_large_page_where_the_policy_and_the_place_allow),
    TEST(a_large_page_is_taken_apart_and_its_contents_stay),
    TEST(the_last_of_512_small_pages_makes_a_large_one),
};
const struct area area_pages = AREA("pages", tests);
