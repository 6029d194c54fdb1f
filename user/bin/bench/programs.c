/* What tasks and whole programs cost. */
#include "abi/system.h"
#include "lib/text.h"
#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/libq/bundle_map.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/process.h"
#include "user/libq/program.h"

#define TASK_TRIES    100
#define PROGRAM_TRIES 20

static const char path[] = "bin/hello";
static const char *const argv[] = {"hello"};

static bool create_destroy(void *context)
{
    uint32_t task;
    (void)context;
    return sys_task_create(0, "bench", 5, &task) == ERR_NONE && sys_task_kill(task, 0) == ERR_NONE &&
           sys_handle_close(task) == ERR_NONE;
}

struct program {
    struct process_request request;
    uint32_t ended;
};

/* From the executable in memory to the end of the task, with all of it given back. It has no console. */
static bool start_exit(void *context)
{
    struct program *program = context;
    struct process process;
    uint64_t bits;
    if (process_create(&program->request, &process) != ERR_NONE) {
        return false;
    }
    if (sys_task_watch(process.task, program->ended, 1) != ERR_NONE) {
        process_discard(&process);
        return false;
    }
    if (process_start(&process) != ERR_NONE) {
        return false;
    }
    enum error error = sys_notification_wait(program->ended, 1, DEADLINE_NEVER, &bits);
    process_discard(&process);
    return error == ERR_NONE;
}

static void measure_start_exit(void)
{
    struct bundle bundle;
    struct bundle_member member;
    struct program program = {0};
    enum error error = bundle_map(&bundle);
    if (error == ERR_NONE) {
        error = bundle_find(&bundle, path, strlen(path), &member);
    }
    if (error == ERR_NONE) {
        error = sys_notification_create(0, &program.ended);
    }
    if (error != ERR_NONE) {
        program_fail("programs: cannot read %s: %s", path, error_text(error));
    }
    program.request = (struct process_request){
        .name = argv[0], .image = member.data, .image_bytes = member.size, .argc = 1, .argv = argv};
    measure_row("programs.start-exit",
                &(struct measure){.operation = start_exit, .context = &program, .tries = PROGRAM_TRIES});
    sys_handle_close(program.ended);
}

void area_programs(void)
{
    measure_row("programs.task-create-destroy",
                &(struct measure){.operation = create_destroy, .tries = TASK_TRIES});
    measure_start_exit();
}
