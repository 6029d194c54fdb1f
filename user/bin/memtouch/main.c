/*
 * memtouch BYTES [SECONDS]: takes this much memory, checks that it is zero, writes every word, and reads it
 * all back; then it holds the memory that long.
 */
#include "lib/text.h"
#include "lib/units.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/pages.h"
#include "user/libq/print.h"
#include "user/libq/program.h"

/* A value for each address that is unlike those of its neighbours. */
static uint64_t pattern(const uint64_t *word)
{
    return (uint64_t)word * 0x9e3779b97f4a7c15ull;
}

static void check(const uint64_t *word, uint64_t expected)
{
    if (*word != expected) {
        program_fail("at %p: read 0x%lx, expected 0x%lx", (const void *)word, *word, expected);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        program_fail("expected: memtouch BYTES [SECONDS]");
    }
    uint64_t bytes = program_number("BYTES", argv[1], sizeof(uint64_t), TIB);
    uint64_t seconds = argc == 3 ? program_number("SECONDS", argv[2], 0, 1000000) : 0;
    void *pages;
    enum error error = pages_take(bytes, &pages);
    if (error != ERR_NONE) {
        program_fail("cannot take %lu bytes: %s", bytes, error_text(error));
    }
    uint64_t *words = pages;
    uint64_t count = bytes / sizeof *words;
    for (uint64_t i = 0; i < count; i++) {
        check(&words[i], 0);
        words[i] = pattern(&words[i]);
    }
    for (uint64_t i = 0; i < count; i++) {
        check(&words[i], pattern(&words[i]));
    }
    if (seconds > 0 && sys_thread_sleep(clock_after(seconds * SECOND)) != ERR_NONE) {
        program_fail("cannot hold the memory");
    }
    pages_give(pages);
    print("%lu bytes were zero, took a pattern and kept it\n", bytes);
    return 0;
}
