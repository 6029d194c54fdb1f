/* Programs started from the prompt; see jobs.h. */
#include "user/root/jobs.h"

#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/errors.h"
#include "user/libq/heap.h"
#include "user/libq/print.h"
#include "user/root/events.h"
#include "user/root/input.h"
#include "user/root/programs.h"
#include "user/root/report.h"

#define REPORT_BYTES 160

struct job {
    struct job *next;
    struct process process;
    uint32_t number;
    char name[TASK_NAME];
};

static struct job *jobs;

static bool job_ended(const struct job *job, struct task_status *status)
{
    *status = (struct task_status){0};
    return sys_task_status(job->process.task, status, sizeof *status) == ERR_NONE &&
           status->state == TASK_ENDED;
}

/* Take the job off the list and give all of it back; a task that still runs is killed. */
static void job_forget(struct job *job)
{
    struct job **at = &jobs;
    while (*at != NULL && *at != job) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = job->next;
    }
    process_discard(&job->process);
    heap_release(job);
}

/* The process is created: watch it, learn its number, let it run. On failure it is discarded. */
static enum error job_launch(struct job *job)
{
    struct task_status status = {0};
    job->process.doing = "watching it";
    enum error error = events_watch_task(job->process.task);
    if (error == ERR_NONE) {
        error = sys_task_status(job->process.task, &status, sizeof status);
    }
    if (error != ERR_NONE) {
        process_discard(&job->process);
        return error;
    }
    job->number = status.number;
    return process_start(&job->process);
}

/* A running job on the list, or NULL after a line that says why not. */
static struct job *job_create(size_t argc, char *const *argv, uint64_t frames)
{
    struct job *job = heap_allocate(sizeof *job);
    if (job == NULL) {
        print("%s: cannot start it: no memory for the record of it\n", argv[0]);
        return NULL;
    }
    text_format(job->name, sizeof job->name, "%s", argv[0]);
    if (programs_create(argc, argv, frames, &job->process) != ERR_NONE) {
        heap_release(job);
        return NULL;
    }
    enum error error = job_launch(job);
    if (error != ERR_NONE) {
        print("%s: cannot start it: %s: %s\n", job->name, job->process.doing, error_text(error));
        heap_release(job);
        return NULL;
    }
    job->next = jobs;
    jobs = job;
    return job;
}

static uint32_t job_result(const struct task_status *status)
{
    switch (status->end) {
    case END_EXIT:
        return status->status;
    case END_KILLED:
        return JOB_KILLED;
    default:
        return JOB_FAULT;
    }
}

static void job_wait(struct job *job, struct task_status *status)
{
    while (!job_ended(job, status)) {
        events_wait(EVENT_CONSOLE | EVENT_TASK);
        if (input_interrupted()) {
            print("^C\n");
            sys_task_kill(job->process.task, JOB_KILLED);
        }
    }
}

uint32_t jobs_run(size_t argc, char *const *argv, uint64_t frames)
{
    struct task_status status = {0};
    struct job *job = job_create(argc, argv, frames);
    if (job == NULL) {
        return JOB_NOT_STARTED;
    }
    job_wait(job, &status);
    if (report_is_due(&status)) {
        char text[REPORT_BYTES];
        report_end(&status, text, sizeof text);
        print("%s: %s\n", job->name, text);
    }
    job_forget(job);
    enum error error = events_watch_console();
    if (error != ERR_NONE) {
        print("the console cannot be watched any more: %s\n", error_text(error));
    }
    return job_result(&status);
}

void jobs_start(size_t argc, char *const *argv, uint64_t frames)
{
    struct job *job = job_create(argc, argv, frames);
    if (job != NULL) {
        print("[%u] %s\n", job->number, job->name);
    }
}

void jobs_announce(void)
{
    struct task_status status = {0};
    struct job *next;
    for (struct job *job = jobs; job != NULL; job = next) {
        next = job->next;
        if (job_ended(job, &status)) {
            char text[REPORT_BYTES];
            report_end(&status, text, sizeof text);
            print("[%u] %s: %s\n", job->number, job->name, text);
            job_forget(job);
        }
    }
}

bool jobs_find(uint64_t number, uint32_t *task)
{
    for (const struct job *job = jobs; job != NULL; job = job->next) {
        if (job->number == number) {
            *task = job->process.task;
            return true;
        }
    }
    return false;
}

bool jobs_kill(uint64_t number)
{
    uint32_t task;
    if (!jobs_find(number, &task)) {
        return false;
    }
    sys_task_kill(task, JOB_KILLED);
    return true;
}
