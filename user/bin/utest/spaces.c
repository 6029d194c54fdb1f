/* Mappings: made, cut, protected, reserved and removed; and every bad call of the memory interface. */
#include "user/bin/utest/space.h"
#include "user/bin/utest/test.h"
#include "user/libq/errors.h"

#define PAGES 8
#define BYTES (PAGES * PAGE_SIZE)
#define RISES 0x00007ffffffff000ull

static bool stamp(uint64_t where, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        *word_at(where + i * PAGE_SIZE) = where + i;
    }
    return true;
}

static bool is_stamped(uint64_t where, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        CHECK_EQUAL(*word_at(where + i * PAGE_SIZE), where + i);
    }
    return true;
}

static bool unmap_the_middle(void)
{
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE));
    stamp(FIELD, PAGES);
    CHECK_OK(space_unmap(FIELD + 2 * PAGE_SIZE, 3 * PAGE_SIZE));
    CHECK(is_stamped(FIELD, 0, 2) && is_stamped(FIELD, 5, PAGES));
    for (unsigned i = 2; i < 5; i++) {
        CHECK(kernel_cannot_write(FIELD + i * PAGE_SIZE));
    }
    /* The hole takes a mapping of just its size, and the object still has what was there. */
    CHECK_ERROR(space_map(memory, 0, FIELD + 2 * PAGE_SIZE, 4 * PAGE_SIZE, READ), ERR_EXISTS);
    CHECK_ERROR(space_map(memory, 0, FIELD + PAGE_SIZE, 2 * PAGE_SIZE, READ), ERR_EXISTS);
    CHECK_OK(space_map(memory, 2 * PAGE_SIZE, FIELD + 2 * PAGE_SIZE, 3 * PAGE_SIZE, READ_WRITE));
    CHECK(is_stamped(FIELD, 0, PAGES));
    /* One call takes several mappings, and parts of them. */
    CHECK_OK(space_unmap(FIELD - 4 * PAGE_SIZE, 16 * PAGE_SIZE));
    CHECK_ERROR(space_unmap(FIELD, BYTES), ERR_NOT_FOUND);
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool part_of_a_mapping_is_removed_and_the_hole_filled(void)
{
    return gives_all_back(unmap_the_middle, 20);
}

static bool prepare_protected(uint32_t task)
{
    uint32_t memory;
    uint64_t mapped;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(sys_memory_map(task, memory, 0, FIELD, BYTES, READ_WRITE | MAP_MODE_MAY(EXECUTE), &mapped));
    CHECK_OK(sys_memory_protect(task, FIELD + PAGE_SIZE, PAGE_SIZE, READ));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool prepare_reserved(uint32_t task)
{
    uint64_t where;
    CHECK_OK(sys_memory_reserve(task, FIELD, BYTES, &where));
    CHECK_EQUAL(where, FIELD);
    return true;
}

static bool access_that_was_taken_away_faults(void)
{
    return faults_there(prepare_protected, "write", FIELD + PAGE_SIZE + 8, 6) &&
           faults_there(prepare_protected, "run", FIELD + PAGE_SIZE, 20) &&
           faults_there(prepare_protected, "run", FIELD, 20);
}

static bool a_reservation_faults_and_its_neighbourhood_too(void)
{
    return faults_there(prepare_reserved, "read", FIELD, 4) &&
           faults_there(prepare_reserved, "write", FIELD + BYTES - 8, 6) &&
           faults_there(prepare_reserved, "read", FIELD + BYTES, 4);
}

static bool protect_parts(void)
{
    uint32_t memory, access;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE));
    stamp(FIELD, PAGES);
    CHECK_OK(space_protect(FIELD + 3 * PAGE_SIZE, 2 * PAGE_SIZE, READ));
    CHECK(is_stamped(FIELD, 0, PAGES));
    CHECK(kernel_cannot_write(FIELD + 3 * PAGE_SIZE) && kernel_cannot_write(FIELD + 4 * PAGE_SIZE));
    CHECK(kernel_cannot_write(FIELD + 3 * PAGE_SIZE - 8)); /* reaches over the edge */
    CHECK_EQUAL(leaf_of(startup->self, FIELD + 3 * PAGE_SIZE, &access), PAGE_SIZE);
    CHECK_EQUAL(access & WRITE, 0);
    *word_at(FIELD + 2 * PAGE_SIZE + 8) = 1;
    *word_at(FIELD + 5 * PAGE_SIZE + 8) = 1;
    /* Given back; what was never allowed is not given. */
    CHECK_OK(space_protect(FIELD, BYTES, READ_WRITE));
    stamp(FIELD, PAGES);
    CHECK_ERROR(space_protect(FIELD, PAGE_SIZE, READ | EXECUTE), ERR_NO_RIGHT);
    CHECK_ERROR(space_protect(FIELD, PAGE_SIZE, READ_WRITE | EXECUTE), ERR_NO_RIGHT);
    CHECK_ERROR(space_protect(FIELD, BYTES + PAGE_SIZE, READ), ERR_NOT_FOUND);
    CHECK_ERROR(space_protect(FIELD - PAGE_SIZE, BYTES, READ), ERR_NOT_FOUND);
    *word_at(FIELD) = FIELD; /* nothing was changed by that */
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool part_of_a_mapping_is_protected_and_the_rest_is_not(void)
{
    return gives_all_back(protect_parts, 20);
}

static bool code_is_written_and_then_run(void)
{
    static const uint8_t code[] = {0xb8, 0x2b, 0x00, 0x00, 0x00, 0xc3}; /* mov $43, %eax; ret */
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE | MAP_MODE_MAY(EXECUTE)));
    __builtin_memcpy((void *)FIELD, code, sizeof code);
    CHECK_OK(space_protect(FIELD, PAGE_SIZE, READ | EXECUTE));
    CHECK_EQUAL(((int (*)(void))FIELD)(), 43);
    CHECK(kernel_cannot_write(FIELD));
    CHECK_ERROR(space_protect(FIELD, PAGE_SIZE, READ_WRITE | EXECUTE), ERR_NO_RIGHT);
    CHECK_OK(space_protect(FIELD, PAGE_SIZE, READ_WRITE));
    *word_at(FIELD + 16) = 1;
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool writing_and_running_at_once_needs_the_right_for_code(void)
{
    uint32_t memory, task, weak, access;
    uint64_t mapped;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(sys_task_create(0, "code", 4, &task));
    CHECK_OK(sys_handle_duplicate(task, RIGHT_ALL & ~RIGHT_CODE, &weak));
    CHECK_OK(sys_memory_map(task, memory, 0, FIELD, BYTES, READ_WRITE | MAP_MODE_MAY(EXECUTE), &mapped));
    CHECK_ERROR(sys_memory_protect(weak, FIELD, BYTES, READ_WRITE | EXECUTE), ERR_NO_RIGHT);
    CHECK_OK(sys_memory_protect(task, FIELD, BYTES, READ_WRITE | EXECUTE));
    CHECK_EQUAL(leaf_of(task, FIELD, &access), 0); /* nobody has touched it */
    CHECK_OK(sys_handle_close(weak));
    CHECK_OK(sys_handle_close(task));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool reserve_and_fill(void)
{
    uint32_t memory;
    uint64_t range, other;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(sys_memory_reserve(startup->self, 0, 4 * BYTES, &range));
    CHECK_ERROR(space_map(memory, 0, range + BYTES, BYTES, READ), ERR_EXISTS);
    CHECK_ERROR(sys_memory_reserve(startup->self, range, BYTES, &other), ERR_EXISTS);
    CHECK(kernel_cannot_write(range) && kernel_cannot_write(range + 4 * BYTES - 512));
    CHECK_ERROR(space_protect(range, BYTES, READ), ERR_NOT_FOUND);
    CHECK_OK(space_unmap(range + BYTES, BYTES));
    CHECK_OK(space_map(memory, 0, range + BYTES, BYTES, READ_WRITE));
    stamp(range + BYTES, PAGES);
    CHECK(is_stamped(range + BYTES, 0, PAGES));
    CHECK_OK(space_unmap(range, 4 * BYTES));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool a_reserved_range_is_kept_free_and_given_in_parts(void)
{
    return gives_all_back(reserve_and_fill, 20);
}

static bool places_that_the_kernel_chooses_have_gaps_between_them(void)
{
    uint32_t memory;
    uint64_t places[32];
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    for (unsigned i = 0; i < 32; i++) {
        CHECK_OK(sys_memory_map(startup->self, memory, 0, 0, BYTES, READ, &places[i]));
    }
    for (unsigned i = 0; i < 32; i++) {
        for (unsigned j = 0; j < 32; j++) {
            uint64_t apart = places[j] - places[i];
            CHECK(i == j || places[j] < places[i] || apart >= BYTES + PAGE_SIZE);
        }
    }
    for (unsigned i = 0; i < 32; i++) {
        CHECK_OK(space_unmap(places[i], 0));
    }
    CHECK_OK(sys_handle_close(memory));
    return true;
}

#define STACK_BYTES (64 * PAGE_SIZE)

/* A mapping of the last page of an object, with the rest of it to grow into. */
static bool map_stack(uint32_t task)
{
    uint32_t memory;
    uint64_t where;
    CHECK_OK(sys_memory_create(0, STACK_BYTES, MEMORY_CREATE_SPARSE, &memory));
    CHECK_OK(sys_memory_map(task, memory, STACK_BYTES - PAGE_SIZE, FIELD, PAGE_SIZE,
                            READ_WRITE | MAP_MODE_GROWS, &where));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool grow_to_the_end(void)
{
    const uint64_t lowest = FIELD + PAGE_SIZE - STACK_BYTES;
    if (!map_stack(startup->self)) {
        return false;
    }
    for (uint64_t at = FIELD; at >= lowest; at -= PAGE_SIZE) {
        *word_at(at) = at;
    }
    for (uint64_t at = FIELD; at >= lowest; at -= PAGE_SIZE) {
        CHECK_EQUAL(*word_at(at), at);
    }
    CHECK(kernel_cannot_write(lowest - PAGE_SIZE)); /* the object has no more */
    CHECK_OK(space_unmap(lowest, 0));
    CHECK_ERROR(space_unmap(lowest, STACK_BYTES), ERR_NOT_FOUND);
    return true;
}

static bool a_stack_grows_and_stops_where_its_object_ends(void)
{
    return gives_all_back(grow_to_the_end, 20);
}

static bool prepare_stack(uint32_t task)
{
    uint64_t where;
    CHECK_OK(sys_memory_reserve(task, FIELD - 40 * PAGE_SIZE, PAGE_SIZE, &where));
    return map_stack(task);
}

static bool a_stack_does_not_grow_from_afar_or_close_to_others(void)
{
    return faults_there(prepare_stack, "write", FIELD - 30 * PAGE_SIZE, 6) &&
           faults_there(prepare_stack, "write", FIELD - 40 * PAGE_SIZE, 6);
}

/* --- bad calls -------------------------------------------------------------------------------------------
 */

struct bad {
    unsigned call;
    uint64_t a, b, c; /* offset or address, bytes, mode */
    enum error error;
};

enum { MAP, UNMAP, RESERVE, PROTECT, RESIZE, COMMIT, DECOMMIT, QUERY, PIN, UNPIN, MAPPINGS, TRANSLATE };

/* On an object of 8 pages, mapped at FIELD. PIN: b pages. */
static const struct bad bads[] = {
    {MAP, 1, FIELD + BYTES, READ, ERR_BAD_ARGUMENT},
    {MAP, BYTES, FIELD + BYTES, READ, ERR_BAD_ARGUMENT},
    {MAP, ~0ull << 12, FIELD + BYTES, READ, ERR_BAD_ARGUMENT},
    {MAP, 0, FIELD + BYTES + 1, READ, ERR_BAD_ARGUMENT},
    {MAP, 0, FIELD, READ, ERR_EXISTS},
    {MAP, 0, RISES, READ, ERR_BAD_ADDRESS},
    {MAP, 0, 1ull << 47, READ, ERR_BAD_ADDRESS},
    {MAP, 0, ~0ull << 12, READ, ERR_BAD_ADDRESS},
    {MAP, 0, PAGE_SIZE, READ, ERR_BAD_ADDRESS},
    {MAP, 0, FIELD + BYTES, WRITE, ERR_BAD_ARGUMENT},
    {MAP, 0, FIELD + BYTES, 8192 | READ, ERR_BAD_ARGUMENT},
    {MAP, 0, FIELD + BYTES, 1ull << 63 | READ, ERR_BAD_ARGUMENT},
    {MAP, 0, FIELD + BYTES, READ | MAP_MODE_SMALL | MAP_MODE_LARGE, ERR_BAD_ARGUMENT},
    {MAP, 0, FIELD + BYTES, READ | MAP_MODE_SMALL | MAP_MODE_HUGE, ERR_BAD_ARGUMENT},
    {MAP, 0, FIELD + BYTES, READ | MAP_MODE_SHARED | MAP_MODE_PRIVATE, ERR_BAD_ARGUMENT},
    {UNMAP, FIELD + 1, PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {UNMAP, FIELD, PAGE_SIZE + 1, 0, ERR_BAD_ARGUMENT},
    {UNMAP, FIELD + PAGE_SIZE, 0, 0, ERR_NOT_FOUND},
    {UNMAP, FIELD, 0ull - FIELD, 0, ERR_BAD_ADDRESS},
    {UNMAP, FIELD, ~0ull << 12, 0, ERR_BAD_ADDRESS},
    {UNMAP, 0, PAGE_SIZE, 0, ERR_BAD_ADDRESS},
    {UNMAP, RISES, PAGE_SIZE, 0, ERR_BAD_ADDRESS},
    {UNMAP, 1ull << 63, PAGE_SIZE, 0, ERR_BAD_ADDRESS},
    {RESERVE, FIELD + 8, PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {RESERVE, 0, 0, 0, ERR_BAD_ARGUMENT},
    {RESERVE, 0, 100, 0, ERR_BAD_ARGUMENT},
    {RESERVE, 0, 1ull << 47, 0, ERR_BAD_ADDRESS},
    {RESERVE, 0, ~0ull << 12, 0, ERR_BAD_ADDRESS},
    {RESERVE, FIELD, PAGE_SIZE, 0, ERR_EXISTS},
    {RESERVE, FIELD - PAGE_SIZE, 2 * PAGE_SIZE, 0, ERR_EXISTS},
    {RESERVE, RISES, PAGE_SIZE, 0, ERR_BAD_ADDRESS},
    {PROTECT, FIELD + 1, PAGE_SIZE, READ, ERR_BAD_ARGUMENT},
    {PROTECT, FIELD, 1, READ, ERR_BAD_ARGUMENT},
    {PROTECT, FIELD, 0, READ, ERR_BAD_ARGUMENT},
    {PROTECT, FIELD, PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {PROTECT, FIELD, PAGE_SIZE, WRITE, ERR_BAD_ARGUMENT},
    {PROTECT, FIELD, PAGE_SIZE, 8 | READ, ERR_BAD_ARGUMENT},
    {PROTECT, FIELD, ~0ull << 12, READ, ERR_BAD_ADDRESS},
    {PROTECT, FIELD, BYTES + PAGE_SIZE, READ, ERR_NOT_FOUND},
    {PROTECT, FIELD + BYTES, PAGE_SIZE, READ, ERR_NOT_FOUND},
    {RESIZE, 0, 0, 0, ERR_BAD_ARGUMENT},
    {RESIZE, 0, (1ull << 40) + 1, 0, ERR_BAD_ARGUMENT},
    {COMMIT, 1, PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {COMMIT, 0, 1, 0, ERR_BAD_ARGUMENT},
    {COMMIT, 0, 0, 0, ERR_BAD_ARGUMENT},
    {COMMIT, 0, BYTES + PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {COMMIT, BYTES, PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {COMMIT, ~0ull << 12, 2 * PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {COMMIT, PAGE_SIZE, ~0ull << 12, 0, ERR_BAD_ARGUMENT},
    {DECOMMIT, 1, PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {DECOMMIT, 0, 1, 0, ERR_BAD_ARGUMENT},
    {DECOMMIT, 0, 0, 0, ERR_BAD_ARGUMENT},
    {DECOMMIT, 0, BYTES + PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {DECOMMIT, ~0ull << 12, 2 * PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {DECOMMIT, PAGE_SIZE, ~0ull << 12, 0, ERR_BAD_ARGUMENT},
    {QUERY, 1, 0, 0, ERR_BAD_ARGUMENT},
    {PIN, 1, 1, 0, ERR_BAD_ARGUMENT},
    {PIN, 0, 0, 0, ERR_BAD_ARGUMENT},
    {PIN, 0, PAGES + 1, 0, ERR_BAD_ARGUMENT},
    {PIN, BYTES, 1, 0, ERR_BAD_ARGUMENT},
    {PIN, ~0ull << 12, 2, 0, ERR_BAD_ARGUMENT},
    {UNPIN, 0, PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {UNPIN, 1, PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {UNPIN, 0, BYTES + PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {UNPIN, ~0ull << 12, 2 * PAGE_SIZE, 0, ERR_BAD_ARGUMENT},
    {MAPPINGS, 0, sizeof(struct memory_mapping) - 1, 0, ERR_BAD_ARGUMENT},
    {TRANSLATE, FIELD, sizeof(struct memory_step), 0, ERR_BAD_ARGUMENT},
    {TRANSLATE, RISES, 5 * sizeof(struct memory_step), 0, ERR_BAD_ADDRESS},
    {TRANSLATE, ~0ull, 5 * sizeof(struct memory_step), 0, ERR_BAD_ADDRESS},
};

static enum error call_bad(uint32_t memory, const struct bad *bad)
{
    static uint64_t buffer[256];
    uint64_t result;
    const uint32_t self = startup->self, system = startup->system;
    switch (bad->call) {
    case MAP:
        return space_map(memory, bad->a, bad->b, PAGE_SIZE, bad->c);
    case UNMAP:
        return space_unmap(bad->a, bad->b);
    case RESERVE:
        return sys_memory_reserve(self, bad->a, bad->b, &result);
    case PROTECT:
        return space_protect(bad->a, bad->b, bad->c);
    case RESIZE:
        return sys_memory_resize(memory, bad->b);
    case COMMIT:
        return sys_memory_commit(memory, bad->a, bad->b);
    case DECOMMIT:
        return sys_memory_decommit(memory, bad->a, bad->b);
    case QUERY:
        return sys_memory_query(memory, bad->a, (uint8_t *)buffer, PAGES, &result);
    case PIN:
        return sys_memory_pin(memory, system, bad->a, buffer, bad->b * sizeof(uint64_t));
    case UNPIN:
        return sys_memory_unpin(memory, system, bad->a, bad->b);
    case MAPPINGS:
        return sys_task_mappings(self, bad->a, buffer, bad->b, &result);
    default:
        return sys_task_translate(self, system, bad->a, buffer, bad->b, &result);
    }
}

static bool make_all_bad_calls(void)
{
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, BYTES, READ_WRITE));
    stamp(FIELD, PAGES);
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        enum error error = call_bad(memory, &bads[i]);
        if (error != bads[i].error) {
            return test_fail(__FILE__, __LINE__, "bad call %lu gave %s, expected %s", i, error_name(error),
                             error_name(bads[i].error));
        }
    }
    CHECK(is_stamped(FIELD, 0, PAGES));
    CHECK_OK(space_unmap(FIELD, 0));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool bad_arguments_are_refused_and_change_nothing(void)
{
    return gives_all_back(make_all_bad_calls, 3);
}

static bool results_for_bad_addresses_are_refused(void)
{
    static const uint64_t places[] = {0, FIELD, RISES, 1ull << 47, ~0ull << 12, ~0ull - 4000};
    uint32_t memory;
    uint64_t result;
    CHECK_OK(sys_memory_create(0, BYTES, 0, &memory));
    for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
        void *at = (void *)places[i];
        CHECK_ERROR(sys_memory_query(memory, 0, at, PAGES, &result), ERR_BAD_ADDRESS);
        CHECK_ERROR(sys_memory_pin(memory, startup->system, 0, at, (uint64_t)PAGES * 8), ERR_BAD_ADDRESS);
        CHECK_ERROR(sys_memory_unpin(memory, startup->system, 0, PAGE_SIZE), ERR_BAD_ARGUMENT);
        CHECK_ERROR(sys_task_mappings(startup->self, 0, at, 4096, &result), ERR_BAD_ADDRESS);
        CHECK_ERROR(sys_task_translate(startup->self, startup->system, FIELD, at, 4096, &result),
                    ERR_BAD_ADDRESS);
        CHECK_ERROR(sys_task_clone(startup->self, 0, at, 8, &memory), ERR_BAD_ADDRESS);
    }
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static const struct test tests[] = {
    TEST(part_of_a_mapping_is_removed_and_the_hole_filled),
    TEST(access_that_was_taken_away_faults),
    TEST(part_of_a_mapping_is_protected_and_the_rest_is_not),
    TEST(code_is_written_and_then_run),
    TEST(writing_and_running_at_once_needs_the_right_for_code),
    TEST(a_reserved_range_is_kept_free_and_given_in_parts),
    TEST(a_reservation_faults_and_its_neighbourhood_too),
    TEST(places_that_the_kernel_chooses_have_gaps_between_them),
    TEST(a_stack_grows_and_stops_where_its_object_ends),
    TEST(a_stack_does_not_grow_from_afar_or_close_to_others),
    TEST(bad_arguments_are_refused_and_change_nothing),
    TEST(results_for_bad_addresses_are_refused),
};
const struct area area_spaces = AREA("spaces", tests);
