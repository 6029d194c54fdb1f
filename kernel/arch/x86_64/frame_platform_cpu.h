/*
 * The frame allocator's question which CPU it runs on (kernel/mm/frame_platform.h), in one load.
 */
#ifndef QUIRE_X86_FRAME_PLATFORM_CPU_H
#define QUIRE_X86_FRAME_PLATFORM_CPU_H

#include <stdint.h>

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/offsets.h"

static inline unsigned frame_platform_cpu(void)
{
    uint32_t number;
    __asm__ volatile("movl %%gs:%c1, %0" : "=r"(number) : "i"(CPU_NUMBER));
    return number;
}

/* Answers the barriers of others, too. */
#define FRAME_PLATFORM_WAIT() arch_spin_wait()

#endif
