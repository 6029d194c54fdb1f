/*
 * The part of struct cpu that belongs to the architecture: on a Linux host there is none.
 */
#ifndef QUIRE_HOST_ARCH_CPU_H
#define QUIRE_HOST_ARCH_CPU_H

#include <stdint.h>

struct cpu;

struct arch_cpu {
    uint32_t unused;
};

/* The CPU that the calling thread is. */
struct cpu *arch_this_cpu(void);

#endif
