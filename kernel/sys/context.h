/*
 * What the halves of system calls share: who calls, and the objects that calls are about.
 */
#ifndef QUIRE_KERNEL_SYS_CONTEXT_H
#define QUIRE_KERNEL_SYS_CONTEXT_H

#include "kernel/arch/arch.h"
#include "kernel/mm/memory.h"
#include "kernel/mm/usercopy.h"
#include "kernel/obj/account_tree.h"
#include "kernel/obj/machine.h"
#include "kernel/obj/task.h"

static inline struct task *caller(void)
{
    return thread_current()->task;
}

#endif
