/*
 * Dispatch of system calls; see dispatch.h. The decoders are generated: they check the range of every
 * argument, resolve every handle with type and rights, and only then call the halves of the call.
 */
#include "kernel/sys/dispatch.h"

#include "kernel/debug/trace.h"
#include "kernel/sched/steps.h"
#include "kernel/sys/calls.h"
#include "kernel/sys/decode.h"
#include "kernel/sys/plans.h"
#include "syscall_numbers.h"

void *hold(uint64_t handle, uint64_t want)
{
    struct object *object = look(handle, want, CPU_HAZARDS - 1);
    bool held = object != NULL && object_try_retain(object);
    let_go(CPU_HAZARDS - 1);
    return held ? object : NULL;
}

struct syscall_result refused(enum error error)
{
    uint64_t lack = lack_take();
    return (struct syscall_result){error, error == ERR_LIMIT ? lack : 0};
}

struct syscall_result refused_handle(uint64_t handle, uint64_t want)
{
    return refused(handle_refusal(&caller()->handles, handle, want));
}

/* A number that no call has, or no more. */
static __attribute__((unused)) struct syscall_result decode_none(const uint64_t *word)
{
    (void)word;
    return refused(ERR_NO_CALL);
}

struct syscall_result syscall_traced(const uint64_t *word, uint64_t number)
{
    trace(TRACE_CALL, (uint16_t)number, 0, 0);
    struct syscall_result result = syscall_decoders[number](word);
    trace(TRACE_CALL_END, (uint16_t)number, result.value, result.error);
    return result;
}

#include "syscall_decode.inc"
