/*
 * The way from the system call entry to the call: the entry (arch/x86_64/syscall.S) bounds the number, also
 * in speculation, and calls the decoder of that number, which is generated from abi/syscalls.tbl.
 */
#ifndef QUIRE_KERNEL_DISPATCH_H
#define QUIRE_KERNEL_DISPATCH_H

#include <stdint.h>

struct syscall_result {
    uint64_t error;
    uint64_t value;
};

/* word points to the six argument registers. */
typedef struct syscall_result syscall_decoder(const uint64_t *word);

/* By number, below SYS_COUNT. */
extern syscall_decoder *const syscall_decoders[];

/* The same, with records in the trace; while it is on the entry calls this. The number is below SYS_COUNT. */
struct syscall_result syscall_traced(const uint64_t *word, uint64_t number);

#endif
