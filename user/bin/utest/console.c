/* The console, as far as it can be tried without taking it away from the prompt. */
#include "lib/text.h"
#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/program.h"

static bool a_write_says_how_much_it_wrote(void)
{
    static const char text[] = "(console) \n";
    uint64_t written = 0;
    CHECK_OK(sys_console_write(startup->console, text, sizeof text - 1, &written));
    CHECK_EQUAL(written, sizeof text - 1);
    return true;
}

static bool the_longest_write_is_taken_whole(void)
{
    static char text[4096];
    uint64_t written = 0;
    memset(text, '\r', sizeof text); /* shows nothing */
    text[sizeof text - 1] = '\n';
    CHECK_OK(sys_console_write(startup->console, text, sizeof text, &written));
    CHECK_EQUAL(written, sizeof text);
    return true;
}

static bool a_read_does_not_wait(void)
{
    char none;
    uint64_t count = 1;
    CHECK_OK(sys_console_read(startup->console, &none, 0, &count));
    CHECK_EQUAL(count, 0);
    return true;
}

static const struct test tests[] = {
    TEST(a_write_says_how_much_it_wrote),
    TEST(the_longest_write_is_taken_whole),
    TEST(a_read_does_not_wait),
};
const struct area area_console = AREA("console", tests);
