/*
 * The processor of the kernel's own code on a Linux host: each thread of a test is a CPU. In place of the
 * architecture's header of this name; see kernel_host.h.
 */
#ifndef QUIRE_TESTS_HOST_ARCH_CPU_H
#define QUIRE_TESTS_HOST_ARCH_CPU_H

#include <stdint.h>

struct cpu;

struct arch_thread {
    uint32_t nothing;
};

struct arch_cpu {
    uint32_t nothing;
};

struct cpu *arch_this_cpu(void);
uint64_t arch_locks_held(void);
void arch_set_locks_held(uint64_t held);

static inline uint64_t arch_bound_index(uint64_t index, uint64_t limit)
{
    return index < limit ? index : 0;
}

#endif
