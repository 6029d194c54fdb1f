/*
 * Segment registers of user mode: selectors and bases belong to the thread. In long mode only the bases of FS
 * and GS mean anything (SDM vol. 3A 3.4.4), but selectors can be loaded and read, so they must not tell of
 * others.
 */
#ifndef QUIRE_X86_SEGMENTS_H
#define QUIRE_X86_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/arch/x86_64/registers.h"
#include "arch_cpu.h"

/* The CPU has instructions for the bases, and they are switched on. Set once at boot. */
extern bool segments_fsgsbase;

/* All four selectors: DS in the low bits, then ES, FS, GS. */
static inline uint64_t segments_selectors(void)
{
    uint64_t ds, es, fs, gs; /* a move to a long register clears the rest of it */
    __asm__ volatile("movl %%ds, %k0\n\t"
                     "movl %%es, %k1\n\t"
                     "movl %%fs, %k2\n\t"
                     "movl %%gs, %k3"
                     : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
    return ds | es << 16 | fs << 32 | gs << 48;
}

static inline uint64_t segments_fs_base(void)
{
    uint64_t base;
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

/* That of user mode, which is the other one in the kernel. Interrupts are off; an NMI in the middle does not
 * trust the base (traps.S). */
static inline uint64_t segments_user_gs_base(void)
{
    uint64_t base;
    __asm__ volatile("swapgs\n\t"
                     "rdgsbase %0\n\t"
                     "swapgs"
                     : "=r"(base));
    return base;
}

static inline struct arch_thread segments_read(void)
{
    if (__builtin_expect(segments_fsgsbase, 1)) {
        return (struct arch_thread){segments_fs_base(), segments_user_gs_base(), segments_selectors()};
    }
    return (struct arch_thread){msr_read(MSR_FS_BASE), msr_read(MSR_KERNEL_GS_BASE), segments_selectors()};
}

/* Load those that differ from what is there now. */
void segments_load(const struct arch_thread *now, const struct arch_thread *to);

static inline bool segments_differ(const struct arch_thread *a, const struct arch_thread *b)
{
    return a->selectors != b->selectors || a->fs_base != b->fs_base || a->gs_base != b->gs_base;
}

/* Keep the segment registers of one thread and load those of the next. */
static inline void segments_switch(struct arch_thread *from, const struct arch_thread *to)
{
    struct arch_thread now = segments_read();
    *from = now;
    if (__builtin_expect(segments_differ(&now, to), 0)) {
        segments_load(&now, to);
    }
}

#endif
