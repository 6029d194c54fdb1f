/* lib/text and lib/memory, against the C library. The memory functions are built here under other names. */
#include "tests/host/host.h"

#include <stdio.h>

#include "lib/text.h"

#define memcpy  own_memcpy
#define memmove own_memmove
#define memset  own_memset
#define memcmp  own_memcmp
#define strlen  own_strlen
void *own_memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *own_memmove(void *to, const void *from, size_t bytes);
void *own_memset(void *to, int byte, size_t bytes);
int own_memcmp(const void *a, const void *b, size_t bytes);
size_t own_strlen(const char *text);
#include "lib/memory.c" // NOLINT(bugprone-suspicious-include)
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen

#define SAME(...)                                                                                            \
    do {                                                                                                     \
        char own[200], libc[200];                                                                            \
        size_t length = text_format(own, sizeof(own), __VA_ARGS__);                                          \
        assert_int_equal(length, snprintf(libc, sizeof(libc), __VA_ARGS__));                                 \
        assert_string_equal(own, libc);                                                                      \
    } while (0)

static void formats_as_the_c_library_does(void **state)
{
    (void)state;
    SAME("plain");
    SAME("%d %i %u", -1, 2147483647, 4294967295u);
    SAME("%d", -2147483647 - 1);
    SAME("%ld %lu %lld %llu", (long)INT64_MIN, (unsigned long)UINT64_MAX, (long long)INT64_MIN,
         (unsigned long long)UINT64_MAX);
    SAME("%zu %zx %zd", (size_t)SIZE_MAX, (size_t)SIZE_MAX, (ssize_t)-5);
    SAME("%x %X %lx %llX", 0xabcdefu, 0xabcdefu, 0x123456789abcdefUL, 0xfedcba987654321ULL);
    SAME("[%5d] [%-5d] [%05d] [%2d]", 42, 42, 42, 12345);
    SAME("[%5d] [%-5d] [%05d]", -42, -42, -42);
    SAME("[%016lx] [%*d] [%-*d]", 0x1234UL, 6, 7, 6, 7);
    SAME("[%s] [%8s] [%-8s] [%.2s] [%8.3s] [%.*s]", "text", "text", "text", "text", "text", 3, "text");
    SAME("[%c] [%3c] [%-3c]", 'x', 'y', 'z');
    SAME("%%");
    SAME("%p", (void *)(uintptr_t)0x1234);
    SAME("[%*d]", -6, 7 + 0 * 1);
}

static void cuts_and_says_how_long_it_would_be(void **state)
{
    (void)state;
    char buffer[8];
    memset(buffer, 'x', sizeof(buffer));
    assert_int_equal(text_format(buffer, 4, "%d", 123456), 6);
    assert_memory_equal(buffer, "123\0xxxx", 8);
    assert_int_equal(text_format(buffer, 0, "%d", 123456), 6);
    assert_int_equal(buffer[0], '1');
    assert_int_equal(text_format(NULL, 0, "%s", "abc"), 3);
    assert_int_equal(text_format(buffer, sizeof(buffer), "%s", (const char *)NULL), 6);
    assert_string_equal(buffer, "(null)");
}

static size_t line(char *buffer, size_t size, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    size_t length = text_format_line(buffer, size, format, list);
    va_end(list);
    return length;
}

static void a_line_always_has_its_newline(void **state)
{
    (void)state;
    char buffer[6];
    assert_int_equal(line(buffer, sizeof(buffer), "%d", 123), 4);
    assert_memory_equal(buffer, "123\n", 4);
    assert_int_equal(line(buffer, sizeof(buffer), "%d", 12345), 6);
    assert_memory_equal(buffer, "12345\n", 6);
    assert_int_equal(line(buffer, sizeof(buffer), "%d", 123456), 6);
    assert_memory_equal(buffer, "12345\n", 6);
    assert_int_equal(line(buffer, 2, "%s", ""), 1);
    assert_memory_equal(buffer, "\n", 1);
}

static void reads_numbers_that_fit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_number;
        uint64_t number;
    } cases[] = {
        {"0", true, 0},
        {"42", true, 42},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"0x0", true, 0},
        {"0xFf", true, 255},
        {"0xffffffffffffffff", true, UINT64_MAX},
        {"0x10000000000000000", false, 0},
        {"0x", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"1 ", false, 0},
        {" 1", false, 0},
        {"1a", false, 0},
        {"0xg", false, 0},
        {"x1", false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t number = 99;
        size_t length = strlen(cases[i].text);
        char *copy = exact_copy(cases[i].text, length);
        assert_int_equal(text_to_number(copy, length, &number), cases[i].is_number);
        assert_int_equal(number, cases[i].is_number ? cases[i].number : 99);
        free(copy);
    }
}

static void compares_texts(void **state)
{
    (void)state;
    assert_true(text_equal("abc", "abc"));
    assert_true(text_equal("", ""));
    assert_false(text_equal("abc", "ab"));
    assert_false(text_equal("ab", "abc"));
    assert_true(text_matches("abcdef", 3, "abc"));
    assert_false(text_matches("abcdef", 3, "ab"));
    assert_false(text_matches("abcdef", 3, "abcd"));
    assert_true(text_matches("", 0, ""));
    assert_false(text_matches("\0", 1, ""));
}

static void memory_functions_do_as_the_c_library(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int round = 0; round < 20000; round++) {
        uint8_t own[128], libc[128], other[128];
        for (size_t i = 0; i < sizeof(own); i++) {
            own[i] = libc[i] = (uint8_t)next_number(&seed);
            other[i] = (uint8_t)next_number(&seed);
        }
        size_t to = next_number(&seed) % 64, from = next_number(&seed) % 64, bytes = next_number(&seed) % 64;
        assert_ptr_equal(own_memmove(own + to, own + from, bytes), own + to);
        memmove(libc + to, libc + from, bytes);
        assert_memory_equal(own, libc, sizeof(own));
        assert_ptr_equal(own_memcpy(own + to, other + from, bytes), own + to);
        memcpy(libc + to, other + from, bytes);
        assert_memory_equal(own, libc, sizeof(own));
        assert_ptr_equal(own_memset(own + from, (int)to + 200, bytes), own + from);
        memset(libc + from, (int)to + 200, bytes);
        assert_memory_equal(own, libc, sizeof(own));
        int order = memcmp(own + to, other + from, bytes);
        int own_order = own_memcmp(own + to, other + from, bytes);
        assert_true((order < 0) == (own_order < 0) && (order > 0) == (own_order > 0));
    }
    assert_int_equal(own_strlen("four"), 4);
    assert_int_equal(own_strlen(""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_as_the_c_library_does),
        cmocka_unit_test(cuts_and_says_how_long_it_would_be),
        cmocka_unit_test(a_line_always_has_its_newline),
        cmocka_unit_test(reads_numbers_that_fit),
        cmocka_unit_test(compares_texts),
        cmocka_unit_test(memory_functions_do_as_the_c_library),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
