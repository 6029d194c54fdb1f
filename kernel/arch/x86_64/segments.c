/*
 * Segment registers of user mode; see segments.h. In the kernel the user's GS base is in MSR_KERNEL_GS_BASE.
 */
#include "kernel/arch/x86_64/segments.h"

#include "kernel/arch/arch.h"

bool segments_fsgsbase;

/*
 * Selectors are those that user mode could load before, so they load again. Loading GS changes the base that
 * is the kernel's now: the kernel's own is put back at once, before anything looks; an NMI that comes between
 * does not trust it (traps.S).
 */
static void load_selectors(uint64_t selectors)
{
    uint64_t kernel = msr_read(MSR_GS_BASE);
    __asm__ volatile("movl %k0, %%ds" : : "r"(selectors & 0xffff));
    __asm__ volatile("movl %k0, %%es" : : "r"(selectors >> 16 & 0xffff));
    __asm__ volatile("movl %k0, %%fs" : : "r"(selectors >> 32 & 0xffff));
    __asm__ volatile("movl %k0, %%gs" : : "r"(selectors >> 48) : "memory");
    msr_write(MSR_GS_BASE, kernel);
}

static void fs_base_write(uint64_t base)
{
    if (segments_fsgsbase) {
        __asm__ volatile("wrfsbase %0" : : "r"(base));
    } else {
        msr_write(MSR_FS_BASE, base);
    }
}

void segments_load(const struct arch_thread *now, const struct arch_thread *to)
{
    bool reloaded = now->selectors != to->selectors; /* which changes the base of FS, too */
    if (reloaded) {
        load_selectors(to->selectors);
    }
    if (reloaded || now->fs_base != to->fs_base) {
        fs_base_write(to->fs_base);
    }
    if (now->gs_base != to->gs_base) {
        msr_write(MSR_KERNEL_GS_BASE, to->gs_base);
    }
}

void arch_thread_set_base(bool gs, uint64_t base)
{
    if (gs) {
        msr_write(MSR_KERNEL_GS_BASE, base);
    } else {
        fs_base_write(base);
    }
}
