/* Which task a command is about; see tasks.h. */
#include "user/root/tasks.h"

#include "abi/system.h"
#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/root/jobs.h"

static bool is_own(uint64_t number)
{
    struct task_status status = {0};
    return sys_task_status(startup->self, &status, sizeof status) == ERR_NONE && status.number == number;
}

static bool exists(uint64_t number)
{
    struct system_task task;
    for (uint64_t i = 0; system_record(TOPIC_TASKS, i, &task, sizeof task) == ERR_NONE; i++) {
        if (task.number == number) {
            return true;
        }
    }
    return false;
}

bool task_choose(const char *command, const char *word, uint32_t *task)
{
    uint64_t number = 0;
    *task = startup->self;
    if (word == NULL) {
        return true;
    }
    if (!text_to_number(word, strlen(word), &number)) {
        print("%s: '%s' is not the number of a task; `tasks` lists them\n", command, word);
        return false;
    }
    if (jobs_find(number, task) || is_own(number)) {
        return true;
    }
    if (exists(number)) {
        print("%s: task %lu was not started from this prompt, which has no handle to it\n", command, number);
    } else {
        print("%s: there is no task %lu; `tasks` lists them\n", command, number);
    }
    return false;
}
