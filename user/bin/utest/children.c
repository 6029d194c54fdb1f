/* Starting and ending child tasks; see children.h. */
#include "user/bin/utest/children.h"

#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/bundle_map.h"
#include "user/libq/clock.h"
#include "user/libq/pages.h"
#include "user/libq/program.h"

#define WAIT_MOST (60 * SECOND) /* a machine of many CPUs may be emulated on few */

static struct bundle bundle;

enum error children_open(void)
{
    return bundle_map(&bundle);
}

/* One page, seen here and by the child; its handle is not kept. */
static enum error share_page(struct child *child, uint32_t account)
{
    uint32_t memory;
    uint64_t here;
    uint64_t there;
    enum error error = sys_memory_create(account, PAGE_SIZE, 0, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    error = pages_map(startup->self, memory, 0, PAGE_SIZE, &here);
    if (error == ERR_NONE) {
        child->shared = (struct shared *)here;
        error = pages_map(child->process.task, memory, SHARED_AT, PAGE_SIZE, &there);
    }
    sys_handle_close(memory);
    return error;
}

static enum error watch(struct child *child)
{
    enum error error = sys_notification_create(0, &child->ended);
    return error == ERR_NONE ? sys_task_watch(child->process.task, child->ended, 1) : error;
}

enum error child_create(struct child *child, const char *program, const char *mode, const char *argument)
{
    return child_create_in(child, 0, program, mode, argument);
}

enum error child_create_in(struct child *child, uint32_t account, const char *program, const char *mode,
                           const char *argument)
{
    char path[64];
    struct bundle_member member;
    *child = (struct child){0};
    size_t length = text_format(path, sizeof path, "bin/%s", program);
    enum error error = bundle_find(&bundle, path, length, &member);
    if (error != ERR_NONE) {
        return error;
    }
    const char *child_argv[] = {program, "child", mode, argument};
    const char *fault_argv[] = {program, mode};
    bool is_self = text_equal(program, "utest");
    struct process_request request = {
        .name = program,
        .image = member.data,
        .image_bytes = member.size,
        .argc = is_self ? 4 : 2,
        .argv = is_self ? child_argv : fault_argv,
        .account = {account, RIGHT_READ | RIGHT_CHARGE},
    };
    error = process_create(&request, &child->process);
    if (error != ERR_NONE) {
        return error;
    }
    error = share_page(child, account);
    if (error == ERR_NONE) {
        error = watch(child);
    }
    if (error != ERR_NONE) {
        child_discard(child);
    }
    return error;
}

enum error child_run(struct child *child)
{
    return process_start(&child->process);
}

enum error child_wait(struct child *child, struct task_status *status)
{
    uint64_t bits;
    enum error error = sys_notification_wait(child->ended, 1, clock_after(WAIT_MOST), &bits);
    return error == ERR_NONE ? sys_task_status(child->process.task, status, sizeof *status) : error;
}

void child_discard(struct child *child)
{
    if (child->process.task != 0) {
        process_discard(&child->process);
    }
    if (child->ended != 0) {
        sys_handle_close(child->ended);
    }
    if (child->shared != NULL) {
        sys_memory_unmap(startup->self, (uint64_t)child->shared, 0);
    }
    *child = (struct child){0};
}

enum error child_complete(const char *program, const char *mode, const char *argument,
                          struct task_status *status)
{
    struct child child;
    enum error error = child_create(&child, program, mode, argument);
    if (error != ERR_NONE) {
        return error;
    }
    error = child_run(&child);
    if (error == ERR_NONE) {
        error = child_wait(&child, status);
    }
    child_discard(&child);
    return error;
}
