/*
 * System calls on the machine as a whole: reading what the kernel knows, and switching off.
 */
#include "kernel/sys/context.h"
#include "kernel/sys/calls.h"

#include "abi/system.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/debug/trace.h"
#include "kernel/init/main.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/sys/topics.h"
#include "lib/text.h"

enum error sys_system_read(struct system *system, uint64_t topic, uint64_t index, uaddr_t buffer,
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

enum error sys_system_control(struct system *system, uint64_t action, uint64_t status)
{
    (void)system;
    switch (action) {
    case ACTION_POWER_OFF:
        log_info("power off");
        if (main_under_test()) {
            arch_emulator_exit((unsigned)status);
        }
        return arch_power_off();
    case ACTION_RESTART:
        log_info("restart");
        return arch_restart();
    case ACTION_AUDIT:
        return audit();
    case ACTION_DRAIN:
        heap_drain();
        return ERR_NONE;
    case ACTION_TRACE_ON:
        return trace_start();
    case ACTION_TRACE_OFF:
        trace_stop();
        return ERR_NONE;
    case ACTION_PANIC:
        panic("asked for by task %u '%s'", caller()->number, caller()->name);
    default:
        return ERR_BAD_ARGUMENT;
    }
}

enum error sys_log_write(struct system *system, uint64_t level, uaddr_t text, uint64_t length)
{
    (void)system;
    char line[LOG_TEXT + 1] = {0};
    enum error error = copy_from_user(line, text, length);
    if (error != ERR_NONE) {
        return error;
    }
    for (uint64_t i = 0; i < length; i++) {
        line[i] = (uint8_t)line[i] >= ' ' ? line[i] : '?';
    }
    log_line((enum log_level)level, "%s: %s", caller()->name, line);
    return ERR_NONE;
}
