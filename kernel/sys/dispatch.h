/*
 * The way from the system call entry to the call: bounds, decoding (generated from abi/syscalls.tbl), the
 * call.
 */
#ifndef QUIRE_KERNEL_DISPATCH_H
#define QUIRE_KERNEL_DISPATCH_H

#include <stdint.h>

struct syscall_result {
    uint64_t error;
    uint64_t value;
};

/* From the assembly; word points to the six argument registers. */
struct syscall_result syscall_dispatch(uint64_t number, const uint64_t *word);

#endif
