/*
 * The calls of abi/syscalls.tbl, as the generated decoders call them: handles are resolved, with a reference
 * that the decoder gives back, and values are in range.
 */
#ifndef QUIRE_KERNEL_CALLS_H
#define QUIRE_KERNEL_CALLS_H

#include "kernel/sys/context.h"
#include "syscall_calls.h"

#endif
