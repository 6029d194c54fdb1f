/* The startup block: what is written here is what the program reads there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/libq/startup_block.h"

#define THERE 0x7ffffff10000ull

static void check_block(size_t argc, const char *const *argv)
{
    struct startup head = {.self = 7, .console = 8, .bundle_size = 9};
    size_t bytes = startup_block_bytes(argc, argv);
    uint8_t *memory = malloc(bytes);
    assert_non_null(memory);
    startup_block_fill(memory, THERE, &head, argc, argv);

    const struct startup *block = (const struct startup *)memory;
    assert_int_equal(block->magic, STARTUP_MAGIC);
    assert_int_equal(block->self, 7);
    assert_int_equal(block->console, 8);
    assert_int_equal(block->system, 0);
    assert_int_equal(block->bundle_size, 9);
    assert_int_equal(block->argc, argc);
    const uint64_t *pointers = (const uint64_t *)(memory + (block->argv - THERE));
    for (size_t i = 0; i < argc; i++) {
        assert_string_equal((const char *)memory + (pointers[i] - THERE), argv[i]);
    }
    assert_int_equal(pointers[argc], 0);
    free(memory);
}

static void arguments_arrive_as_they_were_given(void **state)
{
    (void)state;
    const char *const several[] = {"program", "", "an argument", "-x"};
    check_block(4, several);
    check_block(1, several);
    check_block(0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_arrive_as_they_were_given),
    };
    return cmocka_run_group_tests_name("startup_block", tests, NULL, NULL);
}
