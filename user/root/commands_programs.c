/* Commands on programs and tasks: run, tasks, kill, fault. */
#include "lib/text.h"
#include "lib/units.h"
#include "user/libq/clock.h"
#include "user/libq/print.h"
#include "user/libq/system.h"
#include "user/root/commands.h"
#include "user/root/jobs.h"

/* The frames of `-m MIB` before the name of the program; false after a line that says what is wrong. */
static bool memory_option(size_t *argc, char ***argv, uint64_t *frames)
{
    uint64_t mib = 0;
    *frames = 0;
    if (!text_equal((*argv)[0], "-m")) {
        return true;
    }
    bool given = *argc > 2 && text_to_number((*argv)[1], strlen((*argv)[1]), &mib);
    if (!given || mib == 0 || mib > TIB / MIB) {
        print("run: -m needs a number of MiB and the name of a program behind it\n");
        return false;
    }
    *frames = mib * MIB / PAGE_SIZE;
    *argc -= 2;
    *argv += 2;
    return true;
}

void command_run(size_t count, char **words)
{
    bool background = text_equal(words[count - 1], "&");
    size_t argc = count - 1 - background;
    char **argv = words + 1;
    uint64_t frames;
    if (argc == 0) {
        print("run: '&' needs the name of a program before it\n");
    } else if (!memory_option(&argc, &argv, &frames)) {
        return;
    } else if (background) {
        jobs_start(argc, argv, frames);
    } else {
        jobs_run(argc, argv, frames);
    }
}

void command_fault(size_t count, char **words)
{
    jobs_run(count, words, 0);
}

static const char *task_state(uint32_t state)
{
    switch (state) {
    case TASK_EMPTY:
        return "empty";
    case TASK_RUNNING:
        return "running";
    case TASK_ENDED:
        return "ended";
    default:
        return "?";
    }
}

void command_tasks(size_t count, char **words)
{
    (void)count;
    (void)words;
    struct system_task task;
    print("    id  state    threads  cpu    cpu time      memory  name\n");
    for (uint64_t i = 0; system_record(TOPIC_TASKS, i, &task, sizeof task) == ERR_NONE; i++) {
        print("%6u  %-7s  %7u  %3u  %6lu.%03lu s %7lu KiB  %s\n", task.number, task_state(task.state),
              task.threads, task.cpu, task.cpu_time / SECOND, task.cpu_time % SECOND / MILLISECOND,
              task.memory / KIB, task.name);
    }
}

void command_kill(size_t count, char **words)
{
    (void)count;
    uint64_t number;
    if (!text_to_number(words[1], strlen(words[1]), &number)) {
        print("kill: '%s' is not the number of a task; `tasks` lists them\n", words[1]);
    } else if (!jobs_kill(number)) {
        print("kill: task %lu was not started from this prompt; `tasks` lists all tasks\n", number);
    }
}
