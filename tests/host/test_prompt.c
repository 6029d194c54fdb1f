/* What the root server computes without calls: words of a line, dates, the report of how a task ended, and
 * entries of page tables in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "user/libq/status.h"
#include "user/root/calendar.h"
#include "user/root/entry_words.h"
#include "user/root/report.h"
#include "user/root/words.h"

static void a_line_is_cut_at_blanks(void **state)
{
    (void)state;
    char line[] = "  run hello\ta  b ";
    char *words[WORDS_MOST];
    assert_int_equal(words_split(line, words), 4);
    assert_string_equal(words[0], "run");
    assert_string_equal(words[1], "hello");
    assert_string_equal(words[2], "a");
    assert_string_equal(words[3], "b");
}

static void a_blank_line_has_no_words(void **state)
{
    (void)state;
    char empty[] = "";
    char blank[] = " \t ";
    char *words[WORDS_MOST];
    assert_int_equal(words_split(empty, words), 0);
    assert_int_equal(words_split(blank, words), 0);
}

static void the_fullest_line_fits(void **state)
{
    (void)state;
    char line[LINE_BYTES];
    char *words[WORDS_MOST];
    for (size_t i = 0; i < sizeof line; i++) {
        line[i] = i % 2 == 0 ? 'x' : ' ';
    }
    line[sizeof line - 1] = '\0';
    assert_int_equal(words_split(line, words), WORDS_MOST);
    assert_string_equal(words[WORDS_MOST - 1], "x");
}

static void check_date(uint64_t seconds)
{
    struct calendar date = calendar_from_seconds(seconds);
    time_t when = (time_t)seconds;
    struct tm expected;
    assert_non_null(gmtime_r(&when, &expected));
    assert_int_equal(date.year, expected.tm_year + 1900);
    assert_int_equal(date.month, expected.tm_mon + 1);
    assert_int_equal(date.day, expected.tm_mday);
    assert_int_equal(date.hour, expected.tm_hour);
    assert_int_equal(date.minute, expected.tm_min);
    assert_int_equal(date.second, expected.tm_sec);
}

static void dates_agree_with_the_host(void **state)
{
    (void)state;
    check_date(0);
    for (uint64_t day = 0; day < 366 * 800; day++) {
        check_date(day * 86400);
        check_date(day * 86400 + 86399);
    }
}

static void check_report(struct task_status status, const char *expected)
{
    char text[160];
    report_end(&status, text, sizeof text);
    assert_string_equal(text, expected);
}

static void a_page_fault_says_what_was_done_where(void **state)
{
    (void)state;
    struct task_status status = {.end = END_FAULT, .vector = 14, .code = 4, .instruction = 0x401000};
    check_report(status, "page fault reading 0x0 (not mapped) at instruction 0x401000");
    status.code = 7;
    status.address = 0x402000;
    check_report(status, "page fault writing 0x402000 (not allowed there) at instruction 0x401000");
    status.code = 0x15;
    check_report(status, "page fault executing 0x402000 (not allowed there) at instruction 0x401000");
    status.code = 0xd;
    check_report(status, "page fault reading 0x402000 (page table damaged) at instruction 0x401000");
}

static void other_faults_are_named(void **state)
{
    (void)state;
    struct task_status status = {.end = END_FAULT, .vector = 0, .instruction = 0x401000};
    check_report(status, "divide error at instruction 0x401000");
    status.vector = 13;
    status.code = 0x402;
    check_report(status, "general protection fault (code 0x402) at instruction 0x401000");
    status.vector = 200;
    check_report(status, "exception 200 (code 0x402) at instruction 0x401000");
}

static void ends_without_a_fault_are_named(void **state)
{
    (void)state;
    struct task_status status = {.end = END_EXIT};
    check_report(status, "done");
    status.status = 3;
    check_report(status, "ended with status 3");
    status.end = END_KILLED;
    check_report(status, "killed");
}

static void an_end_is_due_for_a_report_unless_it_was_good_or_told(void **state)
{
    (void)state;
    struct task_status status = {.end = END_EXIT};
    assert_false(report_is_due(&status));
    status.status = STATUS_SAID;
    assert_false(report_is_due(&status));
    status.status = 1;
    assert_true(report_is_due(&status));
    status.status = 0;
    status.end = END_KILLED;
    assert_true(report_is_due(&status));
    status.end = END_FAULT;
    assert_true(report_is_due(&status));
}

static void check_entry(struct memory_step step, const char *expected)
{
    char text[160];
    entry_words(&step, text, sizeof text);
    assert_string_equal(text, expected);
}

static void entries_of_page_tables_are_told(void **state)
{
    (void)state;
    check_entry((struct memory_step){.span = 4096, .level = 1}, "not present; nothing in these 4 KiB");
    check_entry((struct memory_step){.span = 2 << 20,
                                     .level = 2,
                                     .present = 1,
                                     .accessed = 1,
                                     .access = 7,
                                     .entry = 0x0130000000aaf027},
                "present, writable, user, executable, accessed; table, 19 in use");
    check_entry((struct memory_step){.span = 4096,
                                     .level = 1,
                                     .present = 1,
                                     .leaf = 1,
                                     .access = ACCESS_READ,
                                     .entry = 0x8000000000200005},
                "present, read-only, user, no-execute, not accessed, clean, write-back; 4 KiB at 0x200000");
    /* The attribute bit is bit 7 of a small leaf, and bit 12, which is not of the address, of a large one. */
    check_entry((struct memory_step){.span = 4096,
                                     .level = 1,
                                     .present = 1,
                                     .leaf = 1,
                                     .accessed = 1,
                                     .dirty = 1,
                                     .access = ACCESS_READ | ACCESS_WRITE,
                                     .entry = 0x80000000fd0000e7},
                "present, writable, user, no-execute, accessed, dirty, write-combining; 4 KiB at 0xfd000000");
    check_entry(
        (struct memory_step){.span = 2 << 20,
                             .level = 2,
                             .present = 1,
                             .leaf = 1,
                             .accessed = 1,
                             .access = ACCESS_READ,
                             .entry = 0x80000000fd0010a5},
        "present, read-only, user, no-execute, accessed, clean, write-combining; 2 MiB at 0xfd000000");
    check_entry((struct memory_step){.span = 1 << 30,
                                     .level = 3,
                                     .present = 1,
                                     .leaf = 1,
                                     .accessed = 1,
                                     .dirty = 1,
                                     .access = ACCESS_READ,
                                     .entry = 0x8000000040000199 | 0x80},
                "present, read-only, kernel only, no-execute, accessed, dirty, uncached, global; 1 GiB at "
                "0x40000000");
    assert_string_equal(level_name(5), "PML5");
    assert_string_equal(level_name(1), "PT");
}

static void addresses_out_of_reach_are_told(void **state)
{
    (void)state;
    assert_null(address_words(0, 4));
    assert_null(address_words(USER_HIGHEST - 1, 4));
    assert_non_null(strstr(address_words(USER_HIGHEST, 4), "above all"));
    assert_non_null(strstr(address_words(0x0000800000000000, 4), "not canonical"));
    assert_non_null(strstr(address_words(0x0000800000000000, 5), "above all"));
    assert_non_null(strstr(address_words(0x0100000000000000, 5), "not canonical"));
    assert_non_null(strstr(address_words(0xffff7fffffffffff, 4), "not canonical"));
    assert_non_null(strstr(address_words(0xffff7fffffffffff, 5), "kernel's half"));
    assert_non_null(strstr(address_words(0xffff800000000000, 4), "kernel's half"));
}

static void accesses_are_foretold(void **state)
{
    (void)state;
    struct memory_mapping m = {.start = 0x10000,
                               .bytes = 0x4000,
                               .kind = MAPPED_ANONYMOUS,
                               .views = 1,
                               .mode = ACCESS_READ | ACCESS_WRITE};
    struct memory_step steps[2] = {{.present = 1, .access = 7, .entry = 7},
                                   {.present = 1, .leaf = 1, .access = ACCESS_READ, .entry = 5}};
    assert_string_equal(access_words(0x10000, ACCESS_READ, steps, 2, &m), "goes through");
    assert_non_null(strstr(access_words(0x10000, ACCESS_WRITE, steps, 2, &m), "copies the page first"));
    assert_non_null(strstr(access_words(0x10000, ACCESS_EXECUTE, steps, 2, &m), "does not allow it"));
    steps[1].access |= ACCESS_WRITE;
    assert_string_equal(access_words(0x10000, ACCESS_WRITE, steps, 2, &m), "goes through");
    steps[0].entry = 3; /* no table for programs */
    assert_string_not_equal(access_words(0x10000, ACCESS_READ, steps, 2, &m), "goes through");
    steps[0].entry = 7;
    steps[1] = (struct memory_step){0};
    assert_non_null(strstr(access_words(0x10000, ACCESS_READ, steps, 2, &m), "brings the page"));
    assert_non_null(strstr(access_words(0xffff, ACCESS_READ, steps, 2, &m), "nothing is mapped"));
    m.mode |= MAP_MODE_GROWS;
    assert_non_null(strstr(access_words(0xffff, ACCESS_READ, steps, 2, &m), "may grow"));
    assert_non_null(strstr(access_words(0x10, ACCESS_READ, steps, 2, &m), "may grow"));
    m.start = 0x100000;
    assert_non_null(strstr(access_words(0x10, ACCESS_READ, steps, 2, &m), "nothing is mapped"));
    m = (struct memory_mapping){.start = 0, .bytes = 0x1000};
    assert_non_null(strstr(access_words(0x10, ACCESS_READ, steps, 2, &m), "only reserved"));
    assert_non_null(strstr(access_words(0x10, ACCESS_READ, steps, 2, NULL), "nothing is mapped"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_cut_at_blanks),
        cmocka_unit_test(a_blank_line_has_no_words),
        cmocka_unit_test(the_fullest_line_fits),
        cmocka_unit_test(dates_agree_with_the_host),
        cmocka_unit_test(a_page_fault_says_what_was_done_where),
        cmocka_unit_test(other_faults_are_named),
        cmocka_unit_test(ends_without_a_fault_are_named),
        cmocka_unit_test(an_end_is_due_for_a_report_unless_it_was_good_or_told),
        cmocka_unit_test(entries_of_page_tables_are_told),
        cmocka_unit_test(addresses_out_of_reach_are_told),
        cmocka_unit_test(accesses_are_foretold),
    };
    return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
