/*
 * utest [AREA]: the user-mode tests. One line a test; the last line counts them, and the exit status is 0
 * when none failed. `utest child MODE ARGUMENT` is how it starts itself as another task.
 */
#include "lib/text.h"
#include "user/bin/utest/children.h"
#include "user/bin/utest/test.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"

static const struct area *const areas[] = {
    &area_calls,      &area_handles, &area_addresses, &area_registers, &area_segments,      &area_vectors,
    &area_memory,     &area_tasks,   &area_threads,   &area_time,      &area_notifications, &area_console,
    &area_system,     &area_faults,  &area_authority, &area_accounts,  &area_injection,     &area_pressure,
    &area_scheduling, &area_turns,   &area_spaces,    &area_pages,     &area_clones,        &area_devices,
    &area_storm,      &area_huge,    &area_steps,     &area_large,
};
#define AREAS (sizeof areas / sizeof areas[0])

static int run(const char *chosen)
{
    unsigned passed = 0;
    unsigned failed = 0;
    for (size_t i = 0; i < AREAS; i++) {
        if (chosen == NULL || text_equal(areas[i]->name, chosen)) {
            area_run(areas[i], &passed, &failed);
        }
    }
    if (passed + failed == 0) {
        program_fail("there is no area '%s'", chosen);
    }
    print("utest: %u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && text_equal(argv[1], "child")) {
        return child_main(argv[2], argv[3]);
    }
    if (argc > 2) {
        program_fail("expected: utest [AREA]");
    }
    enum error error = children_open();
    if (error != ERR_NONE) {
        program_fail("cannot read the init bundle: %s", error_text(error));
    }
    return run(argc == 2 ? argv[1] : NULL);
}
