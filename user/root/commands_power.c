/* Commands that end it all: panic, reboot, poweroff. */
#include "abi/system.h"
#include "syscalls.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/root/commands.h"

static void control(const char *name, uint64_t action)
{
    enum error error = sys_system_control(startup->system, action, 0);
    print("%s: %s\n", name, error != ERR_NONE ? error_text(error) : "the machine does not obey");
}

void command_panic(size_t count, char **words)
{
    (void)count;
    control(words[0], ACTION_PANIC);
}

void command_reboot(size_t count, char **words)
{
    (void)count;
    control(words[0], ACTION_RESTART);
}

void command_poweroff(size_t count, char **words)
{
    (void)count;
    control(words[0], ACTION_POWER_OFF);
}
