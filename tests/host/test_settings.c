/* boot/settings: what the loader takes from the environment, and which files are text. */
#include "tests/host/host.h"

#include "boot/settings.h"

static struct settings read_settings(const char *text)
{
    struct settings settings;
    settings_read(&settings, text, strlen(text) + 1);
    return settings;
}

static void the_kernel_has_a_default(void **state)
{
    (void)state;
    struct settings settings = read_settings("a=b\n");
    assert_int_equal(settings.kernel_length, 8);
    assert_memory_equal(settings.kernel, "sys/core", 8);
    settings = read_settings("kernel=x/y\nkernel=\n");
    assert_memory_equal(settings.kernel, "sys/core", 8);
    settings = read_settings("kernel=x/y\n/* kernel=z */");
    assert_int_equal(settings.kernel_length, 3);
    assert_memory_equal(settings.kernel, "x/y", 3);
}

static void the_screen_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t width, height;
        bool is_wrong;
    } cases[] = {
        {"", 0, 0, false},
        {"screen=640x480", 640, 480, false},
        {"screen=1920x1080 // large", 1920, 1080, false},
        {"screen=639x480", 0, 0, true},
        {"screen=640x479", 0, 0, true},
        {"screen=32768x480", 0, 0, true},
        {"screen=800", 0, 0, true},
        {"screen=800x", 0, 0, true},
        {"screen=x600", 0, 0, true},
        {"screen=800x600x32", 0, 0, true},
        {"screen=800 x 600", 0, 0, true},
        {"screen=", 0, 0, true},
        {"screen=99999999999999999999x600", 0, 0, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct settings settings = read_settings(cases[i].text);
        assert_int_equal(settings.screen_width, cases[i].width);
        assert_int_equal(settings.screen_height, cases[i].height);
        assert_int_equal(settings.screen_is_wrong, cases[i].is_wrong);
    }
}

static void only_nosmp_1_keeps_the_cores_off(void **state)
{
    (void)state;
    assert_false(read_settings("").is_single_core);
    assert_false(read_settings("nosmp=0").is_single_core);
    assert_true(read_settings("nosmp=1").is_single_core);
    assert_false(read_settings("nosmp=1\nnosmp=0").is_single_core);
}

static void only_levels_5_asks_for_five(void **state)
{
    (void)state;
    assert_false(read_settings("").has_five_levels);
    assert_false(read_settings("levels=4").has_five_levels);
    assert_true(read_settings("levels=5").has_five_levels);
    assert_false(read_settings("levels=5\nlevels=55").has_five_levels);
    assert_false(read_settings("levels=5\nnofeature=la57").has_five_levels);
    assert_false(read_settings("nofeature=pcid,la57,smep\nlevels=5").has_five_levels);
    assert_true(read_settings("levels=5\nnofeature=pcid,la5").has_five_levels);
    assert_true(read_settings("levels=5\nnofeature=").has_five_levels);
}

static void only_nuls_may_follow_the_text(void **state)
{
    (void)state;
    size_t length;
    assert_true(settings_text("a=b\n", 4, &length));
    assert_int_equal(length, 4);
    assert_true(settings_text("a=b\n\0\0", 6, &length));
    assert_int_equal(length, 4);
    assert_false(settings_text("a=b\n\0x", 6, &length));
    assert_int_equal(length, 4);
    assert_false(settings_text("a=b\n\xff", 5, &length));
    assert_int_equal(length, 4);
    assert_true(settings_text("", 0, &length));
    assert_int_equal(length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_has_a_default),         cmocka_unit_test(the_screen_is_checked),
        cmocka_unit_test(only_nosmp_1_keeps_the_cores_off), cmocka_unit_test(only_levels_5_asks_for_five),
        cmocka_unit_test(only_nuls_may_follow_the_text),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
