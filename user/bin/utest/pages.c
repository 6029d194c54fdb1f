/* Pages of memory objects: committed, given back, told, pinned; and objects that change size. */
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

static const struct test tests[] = {
    TEST(pages_come_and_go_as_they_are_told_to),
    TEST(an_object_grows_with_zeroes_and_shrinks_while_mapped),
    TEST(what_shrinking_took_away_faults),
    TEST(pinned_pages_stay_until_they_are_unpinned),
};
const struct area area_pages = AREA("pages", tests);
