/*
 * System calls on the machine as a whole: reading what the kernel knows, and switching off.
 */
#include "kernel/sys/calls.h"
#include "kernel/sys/plans.h"

#include "abi/system.h"
#include "kernel/debug/inject.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/debug/trace.h"
#include "kernel/init/main.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/sys/topics.h"
#include "lib/text.h"

enum error prepare_system_read(struct system *system, uint64_t topic, uint64_t index, uaddr_t buffer,
                               uint64_t length, uint64_t *result)
{
    (void)system;
    const struct topic *t = topic_find(topic);
    if (t == NULL) {
        return ERR_NOT_FOUND;
    }
    if (length < t->record_bytes) {
        return ERR_BAD_ARGUMENT;
    }
    union topic_record record;
    uint64_t done = 0;
    while (done + t->record_bytes <= length && t->read(&index, &record)) {
        enum error error = copy_to_user(uaddr(buffer.value + done), &record, t->record_bytes);
        if (error == ERR_NONE) {
            error = thread_preemption_point();
        }
        if (error != ERR_NONE) {
            return error;
        }
        done += t->record_bytes;
        index++;
    }
    *result = done;
    return ERR_NONE;
}

#define STATUS_MOST 127 /* of an emulator */

static enum error audit(void)
{
    const char *what;
    pfn_t where;
    struct heap_fault fault;
    if (!frame_audit(&what, &where)) {
        log_error("frames: the books are wrong at frame %lx: %s", where.value, what);
        return ERR_BAD_CHECKSUM;
    }
    if (!heap_audit(&fault)) {
        log_error("heap: the books are wrong: '%s' at %p: %s", fault.cache, fault.where, fault.what);
        return ERR_BAD_CHECKSUM;
    }
    return ERR_NONE;
}

enum error prepare_system_control(struct system *system, uint64_t action, uint64_t status,
                                  struct system_control_plan *plan)
{
    (void)system;
    *plan = (struct system_control_plan){action, (uint32_t)status};
    if (action != ACTION_FAIL && status > STATUS_MOST) {
        return ERR_BAD_ARGUMENT;
    }
    switch (action) {
    case ACTION_POWER_OFF:
        return arch_can_power_off() || main_under_test() ? ERR_NONE : ERR_UNSUPPORTED;
    case ACTION_RESTART:
    case ACTION_PANIC:
    case ACTION_DRAIN:
    case ACTION_TRACE_OFF:
        return ERR_NONE;
    case ACTION_TRACE_ON:
        return trace_prepare();
    case ACTION_AUDIT:
        return audit();
    case ACTION_FAIL:
        return inject_on ? ERR_NONE : ERR_UNSUPPORTED;
    default:
        return ERR_BAD_ARGUMENT;
    }
}

void commit_system_control(struct system_control_plan *plan)
{
    switch (plan->action) {
    case ACTION_POWER_OFF:
        log_info("power off");
        if (main_under_test()) {
            arch_emulator_exit(plan->status);
        }
        arch_power_off();
        return;
    case ACTION_RESTART:
        log_info("restart");
        arch_restart();
        return;
    case ACTION_FAIL:
        inject_arm(plan->status);
        return;
    case ACTION_DRAIN:
        aspace_drain(&caller()->space);
        (void)heap_drain();
        return;
    case ACTION_TRACE_ON:
        trace_start();
        return;
    case ACTION_TRACE_OFF:
        trace_stop();
        return;
    case ACTION_PANIC:
        panic("asked for by task %u '%s'", caller()->number, caller()->name);
    default:
        return;
    }
}

enum error prepare_log_write(struct system *system, uint64_t level, uaddr_t text, uint64_t length,
                             struct log_write_plan *plan)
{
    (void)system;
    *plan = (struct log_write_plan){.level = level};
    enum error error = copy_from_user(plan->text, text, length);
    for (uint64_t i = 0; error == ERR_NONE && i < length; i++) {
        plan->text[i] = (uint8_t)plan->text[i] >= ' ' ? plan->text[i] : '?';
    }
    return error;
}

void commit_log_write(struct log_write_plan *plan)
{
    log_line((enum log_level)plan->level, "%s: %s", caller()->name, plan->text);
}
