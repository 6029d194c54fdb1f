/* Memory objects and their mappings. */
#include "abi/system.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"
#include "user/libq/program.h"
#include "user/libq/system.h"

#define PLACE   0x0000200000000000ull
#define KERNEL  0xffff800000000000ull
#define READ    ACCESS_READ
#define WRITE   ACCESS_WRITE
#define EXECUTE ACCESS_EXECUTE

static enum error map(uint32_t memory, uint64_t offset, uint64_t where, uint64_t bytes, uint64_t access)
{
    uint64_t mapped;
    return sys_memory_map(startup->self, memory, offset, where, bytes, access, &mapped);
}

static enum error unmap(uint64_t where)
{
    return sys_memory_unmap(startup->self, where, 0);
}

static volatile uint64_t *word_at(uint64_t address)
{
    return (volatile uint64_t *)address;
}

static bool memory_is_zero_also_when_it_was_used_before(void)
{
    const uint64_t bytes = 64 * PAGE_SIZE;
    for (unsigned round = 0; round < 20; round++) {
        uint32_t memory;
        CHECK_OK(sys_memory_create(0, bytes, 0, &memory));
        CHECK_OK(map(memory, 0, PLACE, bytes, READ | WRITE));
        for (uint64_t at = 0; at < bytes; at += sizeof(uint64_t)) {
            CHECK_EQUAL(*word_at(PLACE + at), 0);
            *word_at(PLACE + at) = ~at;
        }
        CHECK_OK(unmap(PLACE));
        CHECK_OK(sys_handle_close(memory));
    }
    return true;
}

static bool an_object_says_its_size(void)
{
    uint32_t memory;
    uint64_t bytes;
    CHECK_OK(sys_memory_create(0, 3 * PAGE_SIZE, 0, &memory));
    CHECK_OK(sys_memory_size(memory, &bytes));
    CHECK_EQUAL(bytes, 3 * PAGE_SIZE);
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool two_mappings_of_an_object_show_the_same_bytes(void)
{
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, 4 * PAGE_SIZE, 0, &memory));
    CHECK_OK(map(memory, 0, PLACE, 4 * PAGE_SIZE, READ | WRITE));
    CHECK_OK(map(memory, 2 * PAGE_SIZE, PLACE + 16 * PAGE_SIZE, PAGE_SIZE, READ));
    *word_at(PLACE + 2 * PAGE_SIZE + 8) = 0x1234;
    *word_at(PLACE + 3 * PAGE_SIZE + 8) = 0x5678;
    CHECK_EQUAL(*word_at(PLACE + 16 * PAGE_SIZE + 8), 0x1234);
    CHECK_OK(unmap(PLACE + 16 * PAGE_SIZE));
    CHECK_OK(unmap(PLACE));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool a_mapping_outlives_the_handle(void)
{
    uint32_t memory;
    uint32_t other;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    CHECK_OK(map(memory, 0, PLACE, PAGE_SIZE, READ | WRITE));
    CHECK_OK(sys_handle_close(memory));
    *word_at(PLACE) = 77;
    CHECK_OK(sys_memory_create(0, 16 * PAGE_SIZE, 0, &other));
    CHECK_EQUAL(*word_at(PLACE), 77);
    CHECK_OK(sys_handle_close(other));
    CHECK_OK(unmap(PLACE));
    return true;
}

static bool the_kernel_chooses_a_free_place(void)
{
    uint32_t memory;
    uint64_t first;
    uint64_t second;
    CHECK_OK(sys_memory_create(0, 2 * PAGE_SIZE, 0, &memory));
    CHECK_OK(sys_memory_map(startup->self, memory, 0, 0, 2 * PAGE_SIZE, READ | WRITE, &first));
    CHECK_OK(sys_memory_map(startup->self, memory, 0, 0, 2 * PAGE_SIZE, READ | WRITE, &second));
    CHECK(first != second && first % PAGE_SIZE == 0 && second % PAGE_SIZE == 0);
    CHECK(first >= USER_LOWEST && first + 2 * PAGE_SIZE <= USER_HIGHEST);
    CHECK(first + 2 * PAGE_SIZE <= second || second + 2 * PAGE_SIZE <= first);
    *word_at(first + PAGE_SIZE) = 5;
    CHECK_EQUAL(*word_at(second + PAGE_SIZE), 5);
    CHECK_OK(unmap(first));
    CHECK_OK(unmap(second));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool what_is_not_whole_pages_of_the_object_is_refused(void)
{
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, 2 * PAGE_SIZE, 0, &memory));
    CHECK_ERROR(map(memory, 0, PLACE + 1, PAGE_SIZE, READ), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 8, PLACE, PAGE_SIZE, READ), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 0, PLACE, PAGE_SIZE - 1, READ), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 0, PLACE, 0, READ), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 0, PLACE, 3 * PAGE_SIZE, READ), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 2 * PAGE_SIZE, PLACE, PAGE_SIZE, READ), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, PAGE_SIZE, PLACE, 2 * PAGE_SIZE, READ), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 0 - PAGE_SIZE, PLACE, 2 * PAGE_SIZE, READ), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, PAGE_SIZE, PLACE, 0 - PAGE_SIZE, READ), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 0, PLACE, PAGE_SIZE, 0), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 0, PLACE, PAGE_SIZE, 8), ERR_BAD_ARGUMENT);
    CHECK_ERROR(unmap(PLACE), ERR_NOT_FOUND);
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool places_outside_the_user_half_are_refused(void)
{
    static const uint64_t places[] = {KERNEL,
                                      USER_HIGHEST,
                                      USER_HIGHEST - PAGE_SIZE,
                                      USER_LOWEST - PAGE_SIZE,
                                      PAGE_SIZE,
                                      0x0000800000000000ull,
                                      0x8000000000000000ull,
                                      0 - PAGE_SIZE,
                                      0 - 2 * PAGE_SIZE,
                                      0xffffffffffe00000ull};
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, 2 * PAGE_SIZE, 0, &memory));
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        CHECK_ERROR(map(memory, 0, places[i], 2 * PAGE_SIZE, READ), ERR_BAD_ADDRESS);
    }
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool mappings_do_not_overlap(void)
{
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, 4 * PAGE_SIZE, 0, &memory));
    CHECK_OK(map(memory, 0, PLACE + PAGE_SIZE, 2 * PAGE_SIZE, READ));
    CHECK_ERROR(map(memory, 0, PLACE, 2 * PAGE_SIZE, READ), ERR_EXISTS);
    CHECK_ERROR(map(memory, 0, PLACE, 4 * PAGE_SIZE, READ), ERR_EXISTS);
    CHECK_ERROR(map(memory, 0, PLACE + PAGE_SIZE, 2 * PAGE_SIZE, READ), ERR_EXISTS);
    CHECK_ERROR(map(memory, 0, PLACE + 2 * PAGE_SIZE, 2 * PAGE_SIZE, READ), ERR_EXISTS);
    CHECK_OK(map(memory, 0, PLACE, PAGE_SIZE, READ));
    CHECK_OK(map(memory, 0, PLACE + 3 * PAGE_SIZE, PAGE_SIZE, READ));
    CHECK_OK(unmap(PLACE));
    CHECK_OK(unmap(PLACE + PAGE_SIZE));
    CHECK_OK(unmap(PLACE + 3 * PAGE_SIZE));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

/* Without a size it is the mapping that begins there, with one all that is in the range. */
static bool a_mapping_is_removed_as_a_whole_or_in_parts_and_only_once(void)
{
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, 2 * PAGE_SIZE, 0, &memory));
    CHECK_OK(map(memory, 0, PLACE, 2 * PAGE_SIZE, READ));
    CHECK_ERROR(unmap(PLACE + PAGE_SIZE), ERR_NOT_FOUND);
    CHECK_ERROR(unmap(PLACE + 1), ERR_BAD_ARGUMENT);
    CHECK_ERROR(unmap(KERNEL), ERR_NOT_FOUND);
    CHECK_OK(unmap(PLACE));
    CHECK_ERROR(unmap(PLACE), ERR_NOT_FOUND);
    CHECK_OK(map(memory, 0, PLACE, 2 * PAGE_SIZE, READ));
    CHECK_OK(sys_memory_unmap(startup->self, PLACE + PAGE_SIZE, PAGE_SIZE));
    CHECK_ERROR(sys_memory_unmap(startup->self, PLACE + PAGE_SIZE, PAGE_SIZE), ERR_NOT_FOUND);
    CHECK_EQUAL(*(volatile uint64_t *)PLACE, 0);
    CHECK_OK(unmap(PLACE));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

/* A program has not the right to that over itself; who makes a task has it over that one. */
static bool only_the_right_for_code_makes_memory_writable_and_executable(void)
{
    uint32_t memory, task;
    uint64_t mapped;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    CHECK_ERROR(map(memory, 0, PLACE, PAGE_SIZE, WRITE), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 0, PLACE, PAGE_SIZE, EXECUTE), ERR_BAD_ARGUMENT);
    CHECK_ERROR(map(memory, 0, PLACE, PAGE_SIZE, WRITE | EXECUTE), ERR_NO_RIGHT);
    CHECK_ERROR(map(memory, 0, PLACE, PAGE_SIZE, READ | WRITE | EXECUTE), ERR_NO_RIGHT);
    CHECK_ERROR(unmap(PLACE), ERR_NOT_FOUND);
    CHECK_OK(sys_task_create(0, "code", 4, &task));
    CHECK_OK(sys_memory_map(task, memory, 0, PLACE, PAGE_SIZE, READ | WRITE | EXECUTE, &mapped));
    CHECK_OK(sys_handle_close(task));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool code_runs_from_an_executable_mapping(void)
{
    static const uint8_t code[] = {0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3}; /* mov $42, %eax; ret */
    uint32_t memory;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    CHECK_OK(map(memory, 0, PLACE, PAGE_SIZE, READ | WRITE));
    memcpy((void *)PLACE, code, sizeof code);
    CHECK_OK(map(memory, 0, PLACE + 16 * PAGE_SIZE, PAGE_SIZE, READ | EXECUTE));
    CHECK_EQUAL(((int (*)(void))(PLACE + 16 * PAGE_SIZE))(), 42);
    CHECK_OK(unmap(PLACE));
    CHECK_OK(unmap(PLACE + 16 * PAGE_SIZE));
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool a_mapping_needs_the_rights_of_its_access(void)
{
    static const uint32_t rights[] = {RIGHT_READ, RIGHT_WRITE, RIGHT_EXECUTE};
    static const uint64_t access[] = {READ, READ | WRITE, READ | EXECUTE};
    uint32_t memory;
    uint32_t weak;
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_OK(sys_handle_duplicate(memory, RIGHT_ALL & ~rights[i], &weak));
        CHECK_ERROR(map(weak, 0, PLACE, PAGE_SIZE, access[i]), ERR_NO_RIGHT);
        CHECK_OK(sys_handle_close(weak));
    }
    CHECK_OK(sys_handle_close(memory));
    return true;
}

static bool the_bundle_cannot_be_mapped_writable(void)
{
    CHECK_ERROR(map(startup->bundle, 0, PLACE, PAGE_SIZE, READ | WRITE), ERR_NO_RIGHT);
    CHECK_ERROR(map(startup->bundle, 0, PLACE, PAGE_SIZE, READ | EXECUTE), ERR_NO_RIGHT);
    return true;
}

static bool a_read_only_mapping_cannot_be_written(void)
{
    struct child child;
    struct task_status status = {0};
    uint32_t memory;
    uint64_t mapped;
    CHECK_OK(child_create(&child, "utest", "write", ""));
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    CHECK_OK(sys_memory_map(child.process.task, memory, 0, PLACE, PAGE_SIZE, READ, &mapped));
    child.shared->word = PLACE + 64;
    CHECK_OK(child_run(&child));
    CHECK_OK(child_wait(&child, &status));
    CHECK_EQUAL(status.end, END_FAULT);
    CHECK_EQUAL(status.vector, 14);
    CHECK_EQUAL(status.address, PLACE + 64);
    CHECK_EQUAL(status.code & ~1u, 6); /* a write by user mode; the page may not have been there yet */
    CHECK_OK(sys_handle_close(memory));
    child_discard(&child);
    return true;
}

static bool memory_that_was_unmapped_is_gone(void)
{
    uint32_t memory;
    struct child child;
    struct task_status status = {0};
    uint64_t mapped;
    CHECK_OK(child_create(&child, "utest", "write", ""));
    CHECK_OK(sys_memory_create(0, PAGE_SIZE, 0, &memory));
    CHECK_OK(sys_memory_map(child.process.task, memory, 0, PLACE, PAGE_SIZE, READ | WRITE, &mapped));
    CHECK_OK(sys_memory_unmap(child.process.task, PLACE, 0));
    child.shared->word = PLACE;
    CHECK_OK(child_run(&child));
    CHECK_OK(child_wait(&child, &status));
    CHECK_EQUAL(status.end, END_FAULT);
    CHECK_EQUAL(status.code, 6);
    CHECK_OK(sys_handle_close(memory));
    child_discard(&child);
    return true;
}

static bool tasks_share_an_object(void)
{
    struct child child;
    struct task_status status = {0};
    CHECK_OK(child_create(&child, "utest", "answer", ""));
    child.shared->word = 41;
    CHECK_OK(child_run(&child));
    CHECK_OK(child_wait(&child, &status));
    CHECK_EQUAL(status.end, END_EXIT);
    CHECK_EQUAL(child.shared->answer, 42);
    child_discard(&child);
    return true;
}

static bool more_memory_than_there_is_is_refused(void)
{
    const uint64_t most = 0x10000000000;
    struct system_memory before;
    struct system_memory after;
    uint32_t memory;
    CHECK_OK(system_record(TOPIC_MEMORY, 0, &before, sizeof before));
    uint64_t bytes = before.free + MIB;
    CHECK_ERROR(sys_memory_create(0, bytes, 0, &memory), bytes > most ? ERR_BAD_ARGUMENT : ERR_LIMIT);
    CHECK_OK(system_record(TOPIC_MEMORY, 0, &after, sizeof after));
    CHECK_EQUAL(after.user, before.user);
    return true;
}

static const struct test tests[] = {
    TEST(memory_is_zero_also_when_it_was_used_before),
    TEST(an_object_says_its_size),
    TEST(two_mappings_of_an_object_show_the_same_bytes),
    TEST(a_mapping_outlives_the_handle),
    TEST(the_kernel_chooses_a_free_place),
    TEST(what_is_not_whole_pages_of_the_object_is_refused),
    TEST(places_outside_the_user_half_are_refused),
    TEST(mappings_do_not_overlap),
    TEST(a_mapping_is_removed_as_a_whole_or_in_parts_and_only_once),
    TEST(only_the_right_for_code_makes_memory_writable_and_executable),
    TEST(code_runs_from_an_executable_mapping),
    TEST(a_mapping_needs_the_rights_of_its_access),
    TEST(the_bundle_cannot_be_mapped_writable),
    TEST(a_read_only_mapping_cannot_be_written),
    TEST(memory_that_was_unmapped_is_gone),
    TEST(tasks_share_an_object),
    TEST(more_memory_than_there_is_is_refused),
};
const struct area area_memory = AREA("memory", tests);
