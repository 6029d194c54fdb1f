/* Commands of the console itself: echo, clear. */
#include "user/libq/print.h"
#include "user/root/commands.h"

void command_echo(size_t count, char **words)
{
    for (size_t i = 1; i < count; i++) {
        print("%s%s", i > 1 ? " " : "", words[i]);
    }
    print("\n");
}

void command_clear(size_t count, char **words)
{
    (void)count;
    (void)words;
    print("\033[H\033[2J");
}
