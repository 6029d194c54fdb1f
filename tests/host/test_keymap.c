/*
 * The keyboard's map: what a person types is what arrives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/arch/x86_64/keyboard.h"

/* Feed codes, and compare all that they type. */
static void expect(const char *codes, size_t count, const char *typed)
{
    char all[64];
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        unsigned n = keyboard_decode((uint8_t)codes[i], bytes);
        assert_true(n <= sizeof(bytes));
        memcpy(all + length, bytes, n);
        length += n;
    }
    assert_int_equal(length, strlen(typed));
    assert_memory_equal(all, typed, length);
}

static void letters_digits_and_control_keys(void **state)
{
    (void)state;
    expect("\x23\xa3\x12\x92\x26\xa6\x19\x99", 8, "help");
    expect("\x02\x0b\x0c\x39\x1c\x0e\x0f\x01", 8, "10- \r\177\t\033");
}

static void shift_control_and_caps_lock(void **state)
{
    (void)state;
    expect("\x2a\x1e\x02\xaa\x1e\x02", 6, "A!a1");
    expect("\x36\x1e\xb6\x1e", 4, "Aa");
    expect("\x1d\x2e\x9d\x2e", 4, "\003c");
    expect("\x3a\xba\x1e\x02\x2a\x1e\xaa\x3a\xba\x1e", 10, "A1aa");
}

static void cursor_keys_send_what_a_terminal_sends(void **state)
{
    (void)state;
    expect("\xe0\x48\xe0\xc8\xe0\x50\xe0\x4d\xe0\x4b", 10, "\033[A\033[B\033[C\033[D");
    expect("\xe0\x47\xe0\x4f\xe0\x53\xe0\x1c", 8, "\033[H\033[F\033[3~\r");
    expect("\xe0\x2a\xe0\x48\xe0\xc8\xe0\xaa\x1e", 9,
           "\033[Aa"); /* with the shift that some keyboards make up */
}

static void unknown_codes_type_nothing(void **state)
{
    (void)state;
    for (unsigned code = 0x54; code < 0x80; code++) {
        expect((const char[]){(char)code}, 1, "");
        expect((const char[]){'\xe0', (char)(code | 0x80)}, 2, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_digits_and_control_keys),
        cmocka_unit_test(shift_control_and_caps_lock),
        cmocka_unit_test(cursor_keys_send_what_a_terminal_sends),
        cmocka_unit_test(unknown_codes_type_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
