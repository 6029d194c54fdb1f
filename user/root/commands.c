/* The table of commands, help, and the way from a line to a command; see commands.h. */
#include "user/root/commands.h"

#include "lib/text.h"
#include "user/libq/print.h"
#include "user/root/words.h"

struct command {
    const char *name;
    const char *arguments;
    const char *about;
    command_function *function;
    size_t fewest; /* words behind the name */
    size_t most;
};

static command_function command_help;

static const struct command commands[] = {
    {"help", "", "list the commands", command_help, 0, 0},
    {"mem", "", "what memory is used for, and the free blocks by order", command_mem, 0, 0},
    {"frames", "[audit | map ORDER]", "who has each page frame, as a map; audit checks the books",
     command_frames, 0, 2},
    {"accounts", "", "who may take how much memory, and has", command_accounts, 0, 0},
    {"vm", "[TASK]", "what is mapped in a task, or here", command_vm, 0, 1},
    {"pt", "[TASK] ADDRESS", "the way of an address through the page tables, level by level", command_pt, 1,
     2},
    {"slabs", "[audit | drain]", "what the kernel's heap has; check it, or give back what it keeps",
     command_slabs, 0, 1},
    {"cpus", "", "the CPUs: load, switches, interrupts, threads taken from others", command_cpus, 0, 0},
    {"locks", "", "the kernel's locks; with figures when booted with lock=debug", command_locks, 0, 0},
    {"features", "", "CPU features found, and whether the kernel uses them", command_features, 0, 0},
    {"uptime", "", "time since the start, and the date", command_uptime, 0, 0},
    {"log", "[N]", "the kernel's log, or its last N lines", command_log, 0, 1},
    {"ls", "[PATH]", "list a folder of the init bundle", command_ls, 0, 1},
    {"cat", "FILE", "show a file of the init bundle", command_cat, 1, 1},
    {"run", "[-m MIB] NAME [ARGS] [&]", "run bin/NAME; with & in the background; with so much memory",
     command_run, 1, WORDS_MOST},
    {"tasks", "", "list the tasks", command_tasks, 0, 0},
    {"ps", "", "list the threads: where they run, by which priority, what they wait for", command_ps, 0, 0},
    {"top", "[SECONDS]", "what the CPUs and threads do, over and over until a key is pressed", command_top, 0,
     1},
    {"trace", "on | off | dump", "record what happens; print it for tools/timeline.py", command_trace, 1, 1},
    {"kill", "ID", "end a task that was started here", command_kill, 1, 1},
    {"fault", "[KIND]", "run a program that commits a fault, or list the kinds", command_fault, 0, 1},
    {"echo", "[ARGS]", "print its arguments", command_echo, 0, WORDS_MOST},
    {"clear", "", "clear the screen", command_clear, 0, 0},
    {"panic", "", "make the kernel panic", command_panic, 0, 0},
    {"reboot", "", "restart the machine", command_reboot, 0, 0},
    {"poweroff", "", "switch the machine off", command_poweroff, 0, 0},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void command_help(size_t count, char **words)
{
    (void)count;
    (void)words;
    for (size_t i = 0; i < COMMANDS; i++) {
        char usage[40];
        text_format(usage, sizeof usage, "%s %s", commands[i].name, commands[i].arguments);
        print("  %-29s %s\n", usage, commands[i].about);
    }
}

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (text_equal(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

void commands_execute(char *line)
{
    char *words[WORDS_MOST];
    size_t count = words_split(line, words);
    if (count == 0) {
        return;
    }
    const struct command *command = command_find(words[0]);
    if (command == NULL) {
        print("%s: there is no such command; `help` lists them\n", words[0]);
    } else if (count - 1 < command->fewest) {
        print("%s: it needs an argument: %s %s\n", words[0], command->name, command->arguments);
    } else if (count - 1 > command->most) {
        print("%s: '%s' is too much: %s %s\n", words[0], words[command->most + 1], command->name,
              command->arguments);
    } else {
        command->function(count, words);
    }
}
