/*
 * Bringing up the other cores; see cores.h.
 */
#include "kernel/arch/x86_64/cores.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/machine.h"
#include "kernel/arch/x86_64/acpi.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/clock.h"
#include "kernel/arch/x86_64/cpu.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/arch/x86_64/start.h"
#include "kernel/arch/x86_64/tsc_sync.h"
#include "kernel/debug/log.h"
#include "kernel/debug/trace.h"
#include "kernel/mm/account.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/layout.h"
#include "kernel/mm/node.h"
#include "kernel/mm/stacks.h"
#include "kernel/mm/window.h"
#include "kernel/sched/lock_debug.h"
#include "kernel/sched/sched.h"
#include "kernel/sched/spinlock.h"
#include "lib/text.h"

#define CPU_AREA_SIZE 65536u

/* How long to wait for a core after its release before going on; it can still come then. */
#define START_PATIENCE_NS 200000000u
#define START_WAKE_NS     2000000u

/* The highest id that an interrupt reaches without x2APIC; 255 is everyone (SDM vol. 3A 10.6.2.1). */
#define APIC_ID_HIGHEST 254u

static struct spinlock online_lock = SPINLOCK("cpus online", LOCK_TASK_LIST);

/* Guarded by online_lock to change; atomic to read. */
unsigned cpus_online = 1;

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
    lock_debug_begin(cpu);
    sched_init(cpu);
    heap_admit(cpu);
    cpu->idle = heap_alloc_zeroed(sizeof(struct thread));
    if (cpu->idle == NULL || interrupt_stacks_make(cpu) != ERR_NONE ||
        stack_alloc(&cpu->kernel_stack) != ERR_NONE || window_setup(cpu) != ERR_NONE) {
        return NULL;
    }
    cpu_set_kernel_stack(cpu, cpu->kernel_stack);
    trace_add_cpu(cpu);
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

static void compare_clocks(const struct cpu *cpu)
{
    if (!tsc_sync_ask(cpu)) {
        clock_distrust_tsc("the time stamp counters of the CPUs differ");
    }
}

static void wait_until_up(const struct cpu *cpu, unsigned before)
{
    compare_clocks(cpu);
    uint64_t start = arch_clock();
    while (arch_cpu_count() == before && arch_clock() < start + START_PATIENCE_NS) {
        cpu_pause();
    }
}

static bool release_core(unsigned arrival)
{
    uint32_t id = smp_arrival_id(arrival);
    struct cpu *cpu = cpu_make(arrival + 1, id); /* the boot processor has the first area */
    if (cpu == NULL) {
        log_error("cpu: no memory for the core with APIC id %u; it stays parked", id);
        return false;
    }
    unsigned before = arch_cpu_count();
    smp_release(arrival, cpu);
    compare_clocks(cpu);
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

/* The cores that wait in entry.S, in the order of their ids. */
static void release_all(unsigned came, unsigned most)
{
    uint64_t last = UINT64_MAX; /* as a signed number below every id */
    for (unsigned i = 1; i < came && i < most; i++) {
        unsigned arrival = next_arrival(came - 1, last);
        if (arrival == UINT32_MAX) {
            log_warn("cpu: two cores report the same APIC id; one of them stays parked");
            return;
        }
        last = smp_arrival_id(arrival);
        if (!release_core(arrival)) {
            return;
        }
    }
}

static bool came_by_itself(uint32_t id, unsigned came)
{
    for (unsigned i = 0; i + 1 < came; i++) {
        if (smp_arrival_id(i) == id) {
            return true;
        }
    }
    return id == arch_this_cpu()->apic_id;
}

/* One that the loader left alone. False when there is no memory to go on. */
static bool wake_core(uint32_t id, unsigned area)
{
    unsigned before = arch_cpu_count();
    if (id > APIC_ID_HIGHEST && !feature_used(FEATURE_x2apic)) {
        log_warn("cpu: the core with APIC id %u cannot be reached without x2apic; it is left out", id);
        return true;
    }
    struct cpu *cpu = cpu_make(area, id);
    if (cpu == NULL) {
        log_error("cpu: no memory for the core with APIC id %u; it is left out", id);
        return false;
    }
    if (!start_core(id, cpu)) {
        log_warn("cpu: the core with APIC id %u does not answer; it is left out", id);
        return true;
    }
    wait_until_up(cpu, before);
    if (arch_cpu_count() == before) {
        log_warn("cpu: the core with APIC id %u is late; going on without it until it comes", id);
    }
    return true;
}

/* Those in the MADT that did not come by themselves. */
static void wake_missing(unsigned came, unsigned most)
{
    unsigned area = came; /* as many areas are taken, that of the boot processor among them */
    bool prepared = false;
    for (unsigned i = 0; i < acpi_machine.processors && arch_cpu_count() < most && area < CPU_MAX; i++) {
        if (came_by_itself(acpi_machine.processor[i], came)) {
            continue;
        }
        if (!prepared && start_prepare() != ERR_NONE) {
            log_error("cpu: no memory below 1 MiB to start other cores in");
            return;
        }
        prepared = true;
        if (!wake_core(acpi_machine.processor[i], area++)) {
            break;
        }
    }
    if (prepared) {
        start_finish();
    }
}

void machine_start_cores(unsigned came, unsigned most)
{
    most = most < CPU_MAX ? most : CPU_MAX;
    release_all(came, most);
    wake_missing(came, most);
}

void cpu_entry_secondary(struct cpu *cpu)
{
    cpu_setup(cpu);
    apic_setup();
    tsc_sync_answer(cpu);
    cpu->online_since = arch_clock();
    spin_lock(&online_lock);
    cpu->number = cpus_online;
    cpus[cpus_online] = cpu;
    account_cpu_online(cpu);
    sched_adopt_idle(cpu);
    __atomic_store_n(&cpus_online, cpus_online + 1, __ATOMIC_RELEASE);
    spin_unlock(&online_lock);
    sched_idle(cpu);
}
