/* lib/environment: keys and values as its header describes them, whatever surrounds the text. */
#include "tests/host/host.h"

#include <stdio.h>

#include "lib/environment.h"

/* All lines as "[key]=[value];", from a copy that ends where the text ends. */
static char *listed(const char *text, size_t size)
{
    static char out[65536];
    char *copy = exact_copy(text, size);
    const char *key, *value;
    size_t key_length, value_length, cursor = 0, at = 0;
    out[0] = 0;
    while (environment_next(copy, size, &cursor, &key, &key_length, &value, &value_length)) {
        at += (size_t)sprintf(out + at, "[%.*s]=[%.*s];", (int)key_length, key, (int)value_length, value);
    }
    free(copy);
    return out;
}

static void lines_are_read(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"a=b", "[a]=[b];"},
        {"a=b\nc=d\n", "[a]=[b];[c]=[d];"},
        {"a=b\r\nc=d\r\n", "[a]=[b];[c]=[d];"},
        {"  a = b c \t\n", "[a]=[b c];"},
        {"a=\nb=", "[a]=[];[b]=[];"},
        {"a=b=c", "[a]=[b=c];"},
        {"nothing\n=x\nbad key=x\na=b", "[a]=[b];"},
        {"// a=b\n# c=d\ne=f", "[e]=[f];"},
        {"a=b // c\nd=e # f\ng=h#i\nj=#k\n", "[a]=[b];[d]=[e];[g]=[h#i];[j]=[#k];"},
        {"a=b//c\n", "[a]=[b];"},
        {"/* a=b\nc=d */e=f", "[e]=[f];"},
        {"a=b /* c\n */ d=e", "[a]=[b];[d]=[e];"},
        {"a=b /* never closed\nc=d", "[a]=[b];"},
        {"/**/a=b", "[a]=[b];"},
        {"/*/a=b*/c=d", "[c]=[d];"},
        {"a=/path/to\n", "[a]=[/path/to];"},
        {"gr\xc3\xbc\xc3\x9f=\xe2\x82\xac\n", "[gr\xc3\xbc\xc3\x9f]=[\xe2\x82\xac];"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(listed(cases[i][0], strlen(cases[i][0])), cases[i][1]);
    }
}

static void the_text_ends_at_the_first_byte_that_is_none(void **state)
{
    (void)state;
    static const char *const ends[] = {
        "\x01",         "\x7f",         "\x80",
        "\xff",         "\xc0\x80",     "\xc3(",
        "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xe2\x82",
    };
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char text[64];
        int length = sprintf(text, "a=b\nc=d%s=f\ng=h\n", ends[i]);
        assert_string_equal(listed(text, (size_t)length), "[a]=[b];[c]=[d];");
        assert_int_equal(environment_length(text, (size_t)length), 7);
    }
    assert_string_equal(listed("a=b\0c=d", 7), "[a]=[b];");
    assert_int_equal(environment_length("a=b\0c=d", 7), 3);
}

static void no_more_than_a_page_is_read(void **state)
{
    (void)state;
    char text[ENVIRONMENT_SIZE + 100];
    memset(text, '\n', sizeof(text));
    memcpy(text + ENVIRONMENT_SIZE - 3, "a=bcdef\ng=h", sizeof("a=bcdef\ng=h"));
    assert_string_equal(listed(text, sizeof(text)), "[a]=[b];");
    assert_int_equal(environment_length(text, sizeof(text)), ENVIRONMENT_SIZE);
}

static void the_last_of_a_key_counts(void **state)
{
    (void)state;
    static const char text[] = "a=1\nab=2\na=3\nb=\n";
    const char *value;
    size_t length;
    assert_true(environment_get(text, sizeof(text), "a", &value, &length));
    assert_int_equal(length, 1);
    assert_int_equal(*value, '3');
    assert_true(environment_get(text, sizeof(text), "b", &value, &length));
    assert_int_equal(length, 0);
    assert_false(environment_get(text, sizeof(text), "c", &value, &length));
}

static void random_text_is_never_read_beyond(void **state)
{
    (void)state;
    static const char letters[] = "a=b /*#\n\r\t\xc3\xbc";
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char text[40];
        size_t size = next_number(&seed) % sizeof(text);
        for (size_t i = 0; i < size; i++) {
            text[i] = letters[next_number(&seed) % (sizeof(letters) - 1)];
        }
        listed(text, size);
        assert_true(environment_length(text, size) <= size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(the_text_ends_at_the_first_byte_that_is_none),
        cmocka_unit_test(no_more_than_a_page_is_read),
        cmocka_unit_test(the_last_of_a_key_counts),
        cmocka_unit_test(random_text_is_never_read_beyond),
    };
    return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
