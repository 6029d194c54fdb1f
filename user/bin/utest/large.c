/* Large pages: given at the first touch, taken apart, and made out of small ones. */
#include "abi/system.h"
#include "user/bin/utest/space.h"
#include "user/bin/utest/test.h"
#include "user/libq/system.h"

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

/* --- promotion in place ----------------------------------------------------------------------------------
 *
 * A block that is taken apart leaves 512 frames in a row. One of them is given back, and taken again. What
 * the allocator gives next is its own affair: each frame before the one that is wanted is held in spare
 * pages.
 */

#define ADDRESS_BITS 0x000ffffffffff000ull /* of a leaf */
#define GIVEN_BACK   300u                  /* the page whose frame is wanted */
#define SPARES       512u
#define SPARES_AT    (FIELD + 2 * GIB)
#define ATTEMPTS     20000u
#define UNEVEN       17u /* spare pages between two attempts, at most */

/* What physical address this one is at; 0 when it is nowhere. */
static uint64_t place_of(uint64_t address)
{
    struct memory_step steps[5];
    uint64_t count = 0;
    enum error error =
        sys_task_translate(startup->self, startup->system, address, steps, sizeof steps, &count);
    if (error != ERR_NONE || count == 0 || !steps[count - 1].present || !steps[count - 1].leaf) {
        return 0;
    }
    const struct memory_step *leaf = &steps[count - 1];
    return align_down(leaf->entry & ADDRESS_BITS, leaf->span) + address % leaf->span;
}

/* Are the 2 MiB from this address on there in a row, from this physical address on? */
static bool lies_at(uint64_t address, uint64_t place)
{
    for (uint64_t i = 0; i < 512; i++) {
        CHECK_EQUAL(place_of(address + i * PAGE_SIZE), place + i * PAGE_SIZE);
    }
    return true;
}

/* Spare pages, of which so many hold a frame, and the CPU on which they are touched. */
struct spares {
    uint32_t memory;
    uint64_t held, cpu, cpus;
};

/* All spare pages are free again, and it goes on with what the next CPU has at hand. */
static bool let_go(struct spares *spares)
{
    CHECK_OK(sys_memory_decommit(spares->memory, 0, SPARES * PAGE_SIZE));
    CHECK_OK(sys_system_control(startup->system, ACTION_DRAIN, 0));
    spares->held = 0;
    spares->cpu = (spares->cpu + 1) % spares->cpus;
    CHECK_OK(sys_thread_affinity(spares->cpu));
    return true;
}

/* Touch some spare pages, so that their frames are not given again; but the wanted one is not to stay there.
 */
static bool hold_some(struct spares *spares, unsigned some, uint64_t wanted)
{
    for (; some > 0; some--) {
        if (spares->held == SPARES && !let_go(spares)) {
            return false;
        }
        uint64_t offset = spares->held * PAGE_SIZE;
        *word_at(SPARES_AT + offset) = 1;
        if (place_of(SPARES_AT + offset) == wanted) {
            CHECK_OK(sys_memory_decommit(spares->memory, offset, PAGE_SIZE));
            return true;
        }
        spares->held++;
    }
    return true;
}

/* Touch the page that was given back until its frame is that one again. */
static bool touch_until_at(uint32_t memory, struct spares *spares, uint64_t wanted)
{
    const uint64_t offset = GIVEN_BACK * PAGE_SIZE;
    for (unsigned i = 0; i < ATTEMPTS; i++) {
        CHECK_EQUAL(*word_at(FIELD + offset), 0);
        if (place_of(FIELD + offset) == wanted || (page_state(memory, offset) & MEMORY_PAGE_LARGE) != 0) {
            return true;
        }
        CHECK_OK(sys_memory_decommit(memory, offset, PAGE_SIZE));
        if (!hold_some(spares, i % UNEVEN, wanted)) {
            return false;
        }
    }
    return test_fail(__FILE__, __LINE__, "the frame at %lx does not come back", wanted);
}

/* The same, with spare pages. */
static bool take_again(uint32_t memory, uint64_t wanted)
{
    struct system_boot boot;
    CHECK_OK(system_record(TOPIC_BOOT, 0, &boot, sizeof boot));
    struct spares spares = {.cpus = boot.cpus_online};
    CHECK_OK(sys_memory_create(0, SPARES * PAGE_SIZE, 0, &spares.memory));
    CHECK_OK(space_map(spares.memory, 0, SPARES_AT, SPARES * PAGE_SIZE, READ_WRITE | MAP_MODE_SMALL));
    CHECK_OK(sys_thread_affinity(0));
    bool good = touch_until_at(memory, &spares, wanted);
    CHECK_OK(sys_thread_affinity(~0ull));
    CHECK_OK(space_unmap(SPARES_AT, 0));
    CHECK_OK(sys_handle_close(spares.memory));
    return good;
}

static bool promote_in_place(void)
{
    uint32_t memory, access;
    struct system_spaces before, apart, after;
    if (!make_large(&memory)) {
        return false;
    }
    uint64_t place = place_of(FIELD);
    CHECK(place != 0 && is_aligned(place, LARGE));
    CHECK(spaces_figures(&before));
    CHECK_OK(sys_memory_decommit(memory, GIVEN_BACK * PAGE_SIZE, PAGE_SIZE));
    CHECK(spaces_figures(&apart));
    CHECK_EQUAL(apart.large_demoted - before.large_demoted, 1);
    CHECK(marked(FIELD, 0, GIVEN_BACK) && marked(FIELD, GIVEN_BACK + 1, 512));
    CHECK_EQUAL(leaf_of(startup->self, FIELD, &access), PAGE_SIZE);
    if (!take_again(memory, place + GIVEN_BACK * PAGE_SIZE)) {
        return false;
    }
    CHECK(spaces_figures(&after));
    CHECK_EQUAL(after.large_promoted - apart.large_promoted, 1);
    CHECK_EQUAL(after.copied - apart.copied, 0);
    CHECK_EQUAL(page_state(memory, 0), MEMORY_PAGE_PRESENT | MEMORY_PAGE_LARGE);
    *word_at(FIELD + GIVEN_BACK * PAGE_SIZE) = mark_of(GIVEN_BACK);
    CHECK_EQUAL(leaf_of(startup->self, FIELD, &access), LARGE);
    CHECK(access & WRITE);
    return lies_at(FIELD, place) && marked(FIELD, 0, 512) && unmake_large(memory);
}

/* Pinned, a large page is recorded in small ones from then on. */
static bool take_apart(uint32_t memory)
{
    uint64_t frame;
    CHECK_OK(sys_memory_pin(memory, startup->system, 0, &frame, sizeof frame));
    CHECK_OK(sys_memory_unpin(memory, startup->system, 0, PAGE_SIZE));
    return true;
}

/* In a copy, whose other holder has written to one of the pages, and ends before (`alone`) or after the page
 * is back: no large page must be made of what somebody else sees. */
static bool promote_copy(bool alone)
{
    uint32_t memory, copy, access;
    const uint64_t offset = GIVEN_BACK * PAGE_SIZE;
    struct system_spaces before, after;
    if (!make_large(&memory) || !take_apart(memory)) {
        return false;
    }
    uint64_t place = place_of(FIELD);
    CHECK_OK(sys_memory_clone(memory, 0, &copy));
    *word_at(FIELD) = 7; /* the original's from now on, and in a node of its own */
    CHECK_OK(sys_memory_decommit(memory, offset, PAGE_SIZE));
    CHECK_OK(sys_memory_decommit(copy, offset, PAGE_SIZE));
    CHECK_OK(space_unmap(FIELD, LARGE));
    if (alone) {
        CHECK_OK(sys_handle_close(memory));
    }
    CHECK_OK(space_map(copy, 0, FIELD, LARGE, READ_WRITE));
    CHECK(spaces_figures(&before));
    if (!take_again(copy, place + offset)) {
        return false;
    }
    CHECK(spaces_figures(&after));
    CHECK_EQUAL(after.large_promoted - before.large_promoted, alone);
    CHECK_EQUAL((page_state(copy, 0) & MEMORY_PAGE_LARGE) != 0, alone);
    *word_at(FIELD + offset) = mark_of(GIVEN_BACK);
    CHECK_EQUAL(leaf_of(startup->self, FIELD + offset, &access), alone ? LARGE : PAGE_SIZE);
    CHECK(marked(FIELD, 0, 512));
    CHECK(!alone || lies_at(FIELD, place));
    if (!alone) {
        *word_at(FIELD + PAGE_SIZE) = 8;
        CHECK_OK(space_map(memory, 0, FIELD + GIB, LARGE, READ));
        CHECK_EQUAL(*word_at(FIELD + GIB), 7);
        CHECK(marked(FIELD + GIB, 1, GIVEN_BACK) && marked(FIELD + GIB, GIVEN_BACK + 1, 512));
        CHECK_OK(space_unmap(FIELD + GIB, 0));
        CHECK_OK(sys_handle_close(memory));
    }
    return unmake_large(copy);
}

static bool promote_what_was_shared(void)
{
    return promote_copy(true);
}

static bool keep_what_is_shared(void)
{
    return promote_copy(false);
}

static bool small_pages_that_lie_in_a_row_become_a_large_one_where_they_are(void)
{
    return has_large_pages()
               ? gives_all_back(promote_in_place, 3) && gives_all_back(promote_what_was_shared, 2)
               : test_skip("no blocks of 2 MiB are free");
}

static bool small_pages_that_somebody_else_has_too_stay_small(void)
{
    return has_large_pages() ? gives_all_back(keep_what_is_shared, 2)
                             : test_skip("no blocks of 2 MiB are free");
}

static const struct test tests[] = {
    TEST(the_first_touch_gives_a_large_page_where_the_policy_and_the_place_allow),
    TEST(a_large_page_is_taken_apart_and_its_contents_stay),
    TEST(the_last_of_512_small_pages_makes_a_large_one),
    TEST(small_pages_that_lie_in_a_row_become_a_large_one_where_they_are),
    TEST(small_pages_that_somebody_else_has_too_stay_small),
};
const struct area area_large = AREA("large", tests);
