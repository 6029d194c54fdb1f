/*
 * Segment registers of user mode; see segments.h. In the kernel the user's GS base is in MSR_KERNEL_GS_BASE.
 */
#include "kernel/arch/x86_64/segments.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/sched/thread.h"

#define SELECTOR(name)                                                                                       \
    static inline uint16_t name##_read(void)                                                                 \
    {                                                                                                        \
        uint16_t value;                                                                                      \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value));                                               \
        return value;                                                                                        \
    }
SELECTOR(ds)
SELECTOR(es)
SELECTOR(fs)
SELECTOR(gs)
#undef SELECTOR

static uint64_t fs_base_read(void)
{
    uint64_t base;
    if (!feature_used(FEATURE_fsgsbase)) {
        return msr_read(MSR_FS_BASE);
    }
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

static void fs_base_write(uint64_t base)
{
    if (feature_used(FEATURE_fsgsbase)) {
        __asm__ volatile("wrfsbase %0" : : "r"(base));
    } else {
        msr_write(MSR_FS_BASE, base);
    }
}

static void save(struct arch_thread *state)
{
    state->ds = ds_read();
    state->es = es_read();
    state->fs = fs_read();
    state->gs = gs_read();
    state->fs_base = fs_base_read();
    state->gs_base = msr_read(MSR_KERNEL_GS_BASE);
}

/*
 * Selectors are those that user mode could load before, so they load again. Loading GS changes the base that
 * is the kernel's now: the kernel's own is put back at once, before anything looks; an NMI that comes between
 * does not trust it (traps.S).
 */
static void gs_write(uint16_t selector)
{
    uint64_t kernel = msr_read(MSR_GS_BASE);
    __asm__ volatile("mov %0, %%gs" : : "r"(selector) : "memory");
    msr_write(MSR_GS_BASE, kernel);
}

static void load(const struct arch_thread *state)
{
    if (ds_read() != state->ds) {
        __asm__ volatile("mov %0, %%ds" : : "r"(state->ds));
    }
    if (es_read() != state->es) {
        __asm__ volatile("mov %0, %%es" : : "r"(state->es));
    }
    if (fs_read() != state->fs) {
        __asm__ volatile("mov %0, %%fs" : : "r"(state->fs));
    }
    if (gs_read() != state->gs) {
        gs_write(state->gs);
    }
    if (fs_base_read() != state->fs_base) {
        fs_base_write(state->fs_base);
    }
    if (msr_read(MSR_KERNEL_GS_BASE) != state->gs_base) {
        msr_write(MSR_KERNEL_GS_BASE, state->gs_base);
    }
}

void segments_switch(struct thread *from, struct thread *to)
{
    if (from->vectors != NULL) {
        save(&from->arch);
    }
    if (to->vectors != NULL) {
        load(&to->arch);
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
