/*
 * Dispatch of system calls; see dispatch.h. The decoders are generated: they check the range of every
 * argument, resolve every handle with type and rights, and only then call sys_NAME.
 */
#include "kernel/sys/dispatch.h"

#include "kernel/debug/trace.h"
#include "kernel/sys/context.h"
#include "kernel/sys/calls.h"
#include "syscall_numbers.h"
#include "syscall_decode.inc"

static inline struct syscall_result dispatch(uint64_t number, const uint64_t *word)
{
    struct syscall_result result = {ERR_NO_CALL, 0};
    if (number < SYS_COUNT && sys_decoders[number] != NULL) {
        uint64_t value = 0;
        enum error error = sys_decoders[arch_bound_index(number, SYS_COUNT)](word, &value);
        result.error = error;
        result.value = error == ERR_NONE ? value : 0;
    }
    return result;
}

/* Apart, so that the common way need not keep the number. */
static __attribute__((noinline)) struct syscall_result dispatch_traced(uint64_t number, const uint64_t *word)
{
    trace(TRACE_CALL, (uint16_t)number, 0, 0);
    struct syscall_result result = dispatch(number, word);
    trace(TRACE_CALL_END, (uint16_t)number, result.value, result.error);
    return result;
}

struct syscall_result syscall_dispatch(uint64_t number, const uint64_t *word)
{
    return __builtin_expect(trace_on, 0) ? dispatch_traced(number, word) : dispatch(number, word);
}
