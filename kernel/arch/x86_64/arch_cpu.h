/*
 * The part of struct cpu that belongs to the architecture.
 */
#ifndef QUIRE_X86_ARCH_CPU_H
#define QUIRE_X86_ARCH_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/arch/x86_64/offsets.h"

struct cpu;

/* Task state segment of long mode, SDM vol. 3A 8.7. */
struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map;
} __attribute__((packed));

/* GDT: null, kernel code, kernel data, user data, user code (the order that SYSRET wants), TSS (two entries).
 */
#define GDT_ENTRIES 7

/* What of a thread belongs to the architecture: what user mode sees through segment registers, while it does
 * not run. */
struct arch_thread {
    uint64_t fs_base;
    uint64_t gs_base;
    uint64_t selectors; /* DS in the low 16 bits, then ES, FS, GS */
};

struct arch_cpu {
    /* Owning CPU only. */
    uint64_t gdt[GDT_ENTRIES];
    struct tss tss;
    uint32_t hang_asked; /* the next NMI asks where this CPU hangs; atomic */
    uint32_t nmi_count;  /* NMIs without a purpose, and how many of them the log has told */
    uint32_t nmi_told;
    uint32_t bad_count; /* addresses in `bad`, which machine checks named */
    uint64_t bad[8];

    uint32_t stopped; /* atomic: answered the stop of a panic */
};

/* The CPU that runs this code, from the first line of C on. Volatile: a thread may go on on another one. */
static inline struct cpu *arch_this_cpu(void)
{
    struct cpu *cpu;
    __asm__ volatile("movq %%gs:%c1, %0" : "=r"(cpu) : "i"(CPU_SELF));
    return cpu;
}

/* The mask of lock ranks that this CPU holds: struct cpu's locks_held. */
static inline uint64_t arch_locks_held(void)
{
    uint64_t held;
    __asm__ volatile("movq %%gs:%c1, %0" : "=r"(held) : "i"(CPU_LOCKS_HELD));
    return held;
}

static inline void arch_set_locks_held(uint64_t held)
{
    __asm__ volatile("movq %0, %%gs:%c1" : : "r"(held), "i"(CPU_LOCKS_HELD));
}

/*
 * The index, or 0 when it is not below the limit, by arithmetic alone: a speculated path past a bounds check
 * cannot use an index that fails it.
 */
static inline uint64_t arch_bound_index(uint64_t index, uint64_t limit)
{
    uint64_t mask;
    __asm__("cmpq %2, %1; sbbq %0, %0" : "=r"(mask) : "r"(index), "re"(limit) : "cc");
    return index & mask;
}

#endif
