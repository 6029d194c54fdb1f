/*
 * What the generated decoders are made of: finding the objects of handles, and the ways a call ends.
 */
#ifndef QUIRE_KERNEL_DECODE_H
#define QUIRE_KERNEL_DECODE_H

#include "kernel/sys/context.h"
#include "kernel/sys/dispatch.h"

/* The object of a handle, for as long as the call runs without letting others in; NULL when it is refused. */
static inline void *look(uint64_t handle, uint64_t want, unsigned index)
{
    struct cpu *cpu = arch_this_cpu();
    return handle_look(&cpu->current->task->handles, handle, want, &cpu->hazards[index]);
}

static inline void let_go(unsigned index)
{
    hazard_clear(&arch_this_cpu()->hazards[index]);
}

/* The same with a reference, which the caller gives back. */
void *hold(uint64_t handle, uint64_t want);

/* The rights that a mapping with this mode needs of its object: for what may be done now, or later. */
static inline uint32_t access_rights(uint64_t mode)
{
    _Static_assert(RIGHT_READ == ACCESS_READ && RIGHT_WRITE == ACCESS_WRITE &&
                       RIGHT_EXECUTE == ACCESS_EXECUTE,
                   "the same bits");
    return (uint32_t)(mode | mode >> MAP_MAY_SHIFT) & MAP_MODE_ACCESS;
}

/* And of the task: whether memory is to be writable and executable at once. */
static inline uint32_t code_right(uint64_t mode)
{
    return (mode & ACCESS_WRITE) != 0 && (mode & ACCESS_EXECUTE) != 0 ? RIGHT_CODE : 0;
}

/* The call has failed. */
struct syscall_result refused(enum error error);

/* The call failed because of what the handle is, or is not. */
struct syscall_result refused_handle(uint64_t handle, uint64_t want);

static inline struct syscall_result concluded(enum error error, uint64_t value)
{
    return error == ERR_NONE ? (struct syscall_result){ERR_NONE, value} : refused(error);
}

#endif
