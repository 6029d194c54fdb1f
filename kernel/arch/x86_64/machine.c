/*
 * The machine at boot; see machine.h.
 */
#include "kernel/arch/machine.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/keyboard.h"
#include "kernel/arch/x86_64/offsets.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/serial.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/account.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/layout.h"
#include "kernel/mm/node.h"
#include "kernel/mm/stacks.h"
#include "kernel/mm/window.h"
#include "kernel/sched/queue.h"
#include "lib/text.h"

#define CPU_AREA_SIZE 65536u

/* How long to wait for a core after its release before going on; it can still come then. */
#define START_PATIENCE_NS 200000000u
#define START_WAKE_NS     2000000u

static struct spinlock online_lock = SPINLOCK("cpus online", LOCK_TASK_LIST);

/* Guarded by online_lock to change; atomic to read. */
static unsigned online = 1;

unsigned arch_cpu_count(void)
{
    return __atomic_load_n(&online, __ATOMIC_ACQUIRE);
}

void machine_early(struct cpu *cpu, uint64_t entry_stamp)
{
    cpu->boot = true;
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
    bool hypervisor = (cpuid(1, 0).ecx >> 31 & 1) != 0;
    spin_set_unfair(hypervisor);
    log_info("cpu: %s", hypervisor ? "a virtual machine: locks go to whoever comes first"
                                   : "a real machine: locks are fair");
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE); /* before tables that use no-execute */
}

unsigned machine_gather_cores(unsigned expected)
{
    unsigned came = smp_wait_for_cores(expected);
    return came < CPU_MAX ? came : CPU_MAX;
}

static enum error interrupt_stacks_make(struct cpu *cpu)
{
    uint64_t tops[IST_COUNT];
    for (unsigned i = 0; i < IST_COUNT; i++) {
        enum error error = stack_alloc(&tops[i]);
        if (error != ERR_NONE) {
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
    queue_init(cpu);
    cpu->online_since = arch_clock();
}

/* The struct cpu of another core, in its own area, with its stacks and windows. */
static struct cpu *cpu_make(unsigned area_index, uint32_t id)
{
    uint64_t area = PER_CPU_BASE + (uint64_t)area_index * CPU_AREA_SIZE;
    for (uint64_t at = 0; at < sizeof(struct cpu); at += PAGE_SIZE) {
        pfn_t frame;
        if (frame_alloc(0, FRAME_KERNEL, &frame) != ERR_NONE ||
            arch_map(arch_kernel_root(), area + at, pfn_to_paddr(frame), PAGE_SIZE, MAP_READ | MAP_WRITE) !=
                ERR_NONE) {
            return NULL;
        }
    }
    struct cpu *cpu = (struct cpu *)(uintptr_t)area;
    memset(cpu, 0, sizeof(*cpu));
    cpu->self = cpu;
    cpu->apic_id = id;
    cpu->node = node_of_domain(acpi_domain_of(id));
    cpu->area = area_index;
    queue_init(cpu);
    heap_admit(cpu);
    if (interrupt_stacks_make(cpu) != ERR_NONE || stack_alloc(&cpu->kernel_stack) != ERR_NONE ||
        window_setup(cpu) != ERR_NONE) {
        return NULL;
    }
    cpu_set_kernel_stack(cpu, cpu->kernel_stack);
    return cpu;
}

/* The arrival with the lowest APIC id above `last`; UINT32_MAX when there is none. */
static unsigned next_arrival(unsigned arrivals, uint64_t last)
{
    unsigned best = UINT32_MAX;
    for (unsigned i = 0; i < arrivals; i++) {
        bool above = (int64_t)smp_arrival_id(i) > (int64_t)last;
        if (above && (best == UINT32_MAX || smp_arrival_id(i) < smp_arrival_id(best))) {
            best = i;
        }
    }
    return best;
}

static bool start_core(unsigned arrival)
{
    uint32_t id = smp_arrival_id(arrival);
    struct cpu *cpu = cpu_make(arrival + 1, id); /* the boot processor has the first area */
    if (cpu == NULL) {
        log_error("cpu: no memory for the core with APIC id %u; it stays parked", id);
        return false;
    }
    unsigned before = arch_cpu_count();
    smp_release(arrival, cpu);
    uint64_t start = arch_clock(), wake = start + START_WAKE_NS;
    while (arch_cpu_count() == before && arch_clock() < start + START_PATIENCE_NS) {
        if (arch_clock() > wake) {
            smp_wake(arrival);
            wake += START_WAKE_NS;
        }
        cpu_pause();
    }
    if (arch_cpu_count() == before) {
        log_warn("cpu: the core with APIC id %u is late; going on without it until it comes", id);
    }
    return true;
}

void machine_start_cores(unsigned came)
{
    uint64_t last = UINT64_MAX; /* as a signed number below every id */
    for (unsigned i = 1; i < came; i++) {
        unsigned arrival = next_arrival(came - 1, last);
        if (arrival == UINT32_MAX) {
            log_warn("cpu: two cores report the same APIC id; one of them stays parked");
            return;
        }
        last = smp_arrival_id(arrival);
        if (!start_core(arrival)) {
            return;
        }
    }
}

void cpu_entry_secondary(struct cpu *cpu)
{
    cpu_setup(cpu);
    apic_setup();
    cpu->online_since = arch_clock();
    spin_lock(&online_lock);
    cpu->number = online;
    cpus[online] = cpu;
    account_cpu_online(cpu);
    thread_adopt_idle(cpu);
    __atomic_store_n(&online, online + 1, __ATOMIC_RELEASE);
    spin_unlock(&online_lock);
    thread_become_idle(cpu);
}

void machine_listen(void)
{
    serial_listen();
    keyboard_listen();
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

uint64_t machine_clock_hz(void)
{
    return clock_hz();
}

const char *machine_clock_source(void)
{
    return clock_source();
}
