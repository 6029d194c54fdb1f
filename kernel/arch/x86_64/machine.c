/*
 * The machine at boot; see machine.h.
 */
#include "kernel/arch/machine.h"

#include "abi/clock.h"
#include "kernel/arch/arch.h"
#include "kernel/arch/paging.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cores.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/keyboard.h"
#include "kernel/arch/x86_64/offsets.h"
#include "kernel/arch/x86_64/page_entry.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/serial.h"
#include "kernel/arch/x86_64/rtc.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/arch/x86_64/watchdog.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/node.h"
#include "kernel/mm/stacks.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/spinlock.h"
#include "lib/text.h"

void machine_early(struct cpu *cpu, uint64_t entry_stamp)
{
    cpu->boot = true;
    paging_find_levels();
    cpu_early(cpu);
    cpus[0] = cpu;
    clock_set_origin(entry_stamp);
    serial_setup();
}

void machine_features(const char *masked, size_t masked_length)
{
    const char *missing = features_missing();
    if (missing != NULL) {
        panic("this CPU lacks %s, which the kernel needs", missing);
    }
    features_find(masked, masked_length);
    log_info("cpu: page tables of %u levels", table_levels);
    bool hypervisor = (cpuid(1, 0).ecx >> 31 & 1) != 0;
    spin_set_unfair(hypervisor);
    log_info("cpu: %s", hypervisor ? "a virtual machine: locks go to whoever comes first"
                                   : "a real machine: locks are fair");
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE); /* before tables that use no-execute */
}

void machine_prefer_clock(const char *name, size_t length)
{
    if (!clock_prefer(name, length)) {
        log_warn("clock: there is no choice '%.*s'; there are hpet and tsc", (int)length, name);
    }
}

/* A minute and more: not what the clocks lost between firmware and here. */
#define WALL_APART 60u

uint64_t machine_wall_time(uint64_t loaders)
{
    uint64_t own = rtc_wall_time();
    uint64_t apart = own > loaders ? own - loaders : loaders - own;
    if (own != 0 && (loaders == 0 || apart < WALL_APART)) {
        return own;
    }
    log_warn("clock: the real-time clock shows %lu s since 1970, the loader said %lu; the loader's counts",
             own, loaders);
    return loaders;
}

void machine_clock_describe(struct clock_page *out)
{
    out->usable = !clock_scale.external;
    out->origin = clock_scale.origin;
    out->multiplier = clock_scale.multiplier;
}

unsigned machine_gather_cores(unsigned expected)
{
    unsigned came = smp_wait_for_cores(expected);
    return came < CPU_MAX ? came : CPU_MAX;
}

enum error interrupt_stacks_make(struct cpu *cpu)
{
    uint64_t tops[IST_COUNT];
    for (unsigned i = 0; i < IST_COUNT; i++) {
        enum error error = stack_alloc(&tops[i]);
        if (error != ERR_NONE) {
            while (i > 0) {
                stack_free(tops[--i]);
            }
            return error;
        }
    }
    cpu_set_interrupt_stacks(cpu, tops);
    return ERR_NONE;
}

void machine_setup(struct cpu *cpu, paddr_t acpi_tables)
{
    if (interrupt_stacks_make(cpu) != ERR_NONE || stack_alloc(&cpu->kernel_stack) != ERR_NONE) {
        panic("boot: no memory for the first stacks");
    }
    cpu_set_kernel_stack(cpu, cpu->kernel_stack);
    cpu_setup(cpu);
    features_log();
    acpi_find(acpi_tables);
    power_find();
    if (apic_find() != ERR_NONE) {
        panic("boot: the local APIC cannot be mapped");
    }
    apic_setup();
    cpu->apic_id = apic_id();
    cpu->node = node_of_domain(acpi_domain_of(cpu->apic_id));
    clock_measure();
    sched_init(cpu);
    cpu->online_since = arch_clock();
}

void machine_listen(void)
{
    serial_listen();
    keyboard_listen();
}

void machine_watch(uint64_t seconds)
{
    watchdog_start(seconds);
}

bool machine_feature(uint64_t index, struct system_feature *out)
{
    if (index >= FEATURE_COUNT) {
        return false;
    }
    const struct cpu_feature *f = &features[index];
    *out = (struct system_feature){.present = f->present, .used = feature_used((enum feature)index)};
    text_format(out->name, sizeof(out->name), "%s", f->name);
    text_format(out->about, sizeof(out->about), "%s", f->about);
    return true;
}

unsigned machine_processors(void)
{
    return acpi_machine.processors;
}

uint64_t machine_waited(void)
{
    return clock_waited();
}

uint64_t machine_clock_hz(void)
{
    return clock_hz();
}

const char *machine_clock_source(void)
{
    return clock_source();
}
