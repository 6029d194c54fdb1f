/* What the boot environment asks for; see autorun.h. */
#include "user/root/autorun.h"

#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/root/jobs.h"
#include "user/root/words.h"

#define STATUS_MOST 127u

static void power_off(uint32_t status)
{
    enum error error =
        sys_system_control(startup->system, ACTION_POWER_OFF, status < STATUS_MOST ? status : STATUS_MOST);
    print("autoexit: cannot switch the machine off: %s\n",
          error != ERR_NONE ? error_text(error) : "it does not obey");
}

void autorun(void)
{
    char line[LINE_BYTES];
    char exit[8];
    char *words[WORDS_MOST];
    if (!system_variable("autorun", line, sizeof line)) {
        return;
    }
    size_t count = words_split(line, words);
    if (count == 0) {
        print("autorun: the boot environment names no program\n");
        return;
    }
    uint32_t status = jobs_run(count, words, 0);
    if (system_variable("autoexit", exit, sizeof exit) && text_equal(exit, "1")) {
        power_off(status);
    }
}
