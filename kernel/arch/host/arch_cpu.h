/*
 * The part of struct cpu that belongs to the architecture: on a Linux host there is none.
 */
#ifndef QUIRE_HOST_ARCH_CPU_H
#define QUIRE_HOST_ARCH_CPU_H

#include <stdint.h>

struct cpu;

struct arch_thread {
    uint32_t unused;
};

struct arch_cpu {
    uint32_t unused;
};

/* The CPU that the calling thread is, and the ranks of the locks that it holds. */
struct cpu *arch_this_cpu(void);
uint64_t arch_locks_held(void);
void arch_set_locks_held(uint64_t held);

static inline uint64_t arch_bound_index(uint64_t index, uint64_t limit)
{
    return index < limit ? index : 0;
}

#endif
