/*
 * Bringing up the other cores; see cores.h.
 */
#include "kernel/arch/x86_64/cores.h"

#include "arch_tlb.h"
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
#include "kernel/mm/tlb.h"
#include "kernel/mm/frame_report.h"
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

/* One that did not answer, with all that it has: the next one gets it. */
static struct cpu *spare;

/* Take away what area_make mapped, up to this many bytes. */
static void area_discard(uint64_t area, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
        pfn_t frame = paddr_to_pfn(arch_translate(arch_kernel_root(), area + at).physical);
        arch_unmap(arch_kernel_root(), area + at, PAGE_SIZE);
        arch_tlb_forget_all(); /* nobody else has looked there */
        frame_release(frame, 0);
    }
}

/* The memory of a struct cpu, zeroed. */
static struct cpu *area_make(unsigned index)
{
    uint64_t area = PER_CPU_BASE + (uint64_t)index * CPU_AREA_SIZE;
    for (uint64_t at = 0; at < sizeof(struct cpu); at += PAGE_SIZE) {
        pfn_t frame;
        enum error error = frame_alloc(0, FRAME_KERNEL, &frame);
        if (error == ERR_NONE) {
            error =
                arch_map(arch_kernel_root(), area + at, pfn_to_paddr(frame), PAGE_SIZE, MAP_READ | MAP_WRITE);
            if (error != ERR_NONE) {
                frame_release(frame, 0);
            }
        }
        if (error != ERR_NONE) {
            area_discard(area, at);
            return NULL;
        }
    }
    struct cpu *cpu = (struct cpu *)(uintptr_t)area;
    memset(cpu, 0, sizeof(*cpu));
    cpu->self = cpu;
    cpu->area = index;
    return cpu;
}

/* What a CPU has beside its area: the record of its idle thread, stacks, windows. All or nothing. */
static enum error furnish(struct cpu *cpu)
{
    cpu->idle = heap_alloc_zeroed(sizeof(struct thread));
    if (cpu->idle == NULL) {
        return ERR_NO_MEMORY;
    }
    enum error error = window_setup(cpu); /* tables of the kernel's half, which stay */
    if (error == ERR_NONE) {
        error = stack_alloc(&cpu->kernel_stack);
    }
    if (error == ERR_NONE) {
        error = interrupt_stacks_make(cpu);
        if (error != ERR_NONE) {
            stack_free(cpu->kernel_stack);
        }
    }
    if (error != ERR_NONE) {
        heap_free(cpu->idle, sizeof(struct thread));
    }
    return error;
}

/* The struct cpu of another core, in its own area, with its stacks and windows; NULL without memory. */
static struct cpu *cpu_make(unsigned area_index, uint32_t id)
{
    struct cpu *cpu = spare;
    spare = NULL;
    if (cpu == NULL) {
        cpu = area_make(area_index);
        if (cpu == NULL) {
            return NULL;
        }
        if (furnish(cpu) != ERR_NONE) {
            area_discard((uint64_t)(uintptr_t)cpu, sizeof(struct cpu));
            return NULL;
        }
        lock_debug_begin(cpu);
        sched_init(cpu);
        heap_admit(cpu);
        cpu_set_kernel_stack(cpu, cpu->kernel_stack);
    }
    cpu->apic_id = id;
    cpu->node = node_of_domain(acpi_domain_of(id));
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

static bool is_up(const struct cpu *cpu)
{
    unsigned last = arch_cpu_count() - 1;
    return cpus[last] == cpu || (last > 0 && cpus[last - 1] == cpu); /* a late one may come after it */
}

/* The core of this struct cpu has been let go, perhaps out of entry.S, where it may have to be woken. Did it
 * get so far in time? */
#define NOT_PARKED UINT32_MAX
static bool wait_till(bool (*far)(const struct cpu *cpu), const struct cpu *cpu, unsigned arrival)
{
    uint64_t start = arch_clock(), wake = start + START_WAKE_NS;
    while (!far(cpu)) {
        uint64_t now = arch_clock();
        if (now > start + START_PATIENCE_NS) {
            return false;
        }
        if (arrival != NOT_PARKED && now > wake) {
            smp_wake(arrival);
            wake += START_WAKE_NS;
        }
        cpu_pause();
    }
    return true;
}

/* See it through until it is up, or late. */
static bool see_up(struct cpu *cpu, unsigned arrival)
{
    if (!wait_till(tsc_sync_has_come, cpu, arrival) || tsc_sync_ask(cpu) == TSC_UNKNOWN) {
        clock_distrust_tsc("a core is late: nobody will compare its time stamp counter");
    }
    bool up = wait_till(is_up, cpu, arrival);
    if (!up) {
        log_warn("cpu: the core with APIC id %u is late; going on without it until it comes", cpu->apic_id);
    }
    trace_add_cpu(cpu);
    return up;
}

/* How the start of the others goes. */
struct start {
    unsigned most;    /* CPUs in all */
    unsigned started; /* that were let go, the boot processor among them */
    unsigned late;    /* of these */
    unsigned reset;   /* by INIT: what the loader had them do they do no more */
};

/* The cores that wait in entry.S, in the order of their ids. */
static void release_all(unsigned came, struct start *start)
{
    uint64_t last = UINT64_MAX; /* as a signed number below every id */
    while (start->started < came && start->started < start->most) {
        unsigned arrival = next_arrival(came - 1, last);
        if (arrival == UINT32_MAX) {
            log_warn("cpu: two cores report the same APIC id; one of them stays parked");
            return;
        }
        last = smp_arrival_id(arrival);
        struct cpu *cpu = cpu_make(arrival + 1, (uint32_t)last); /* the boot processor has the first area */
        if (cpu == NULL) {
            log_error("cpu: no memory for the core with APIC id %u; it stays parked", (uint32_t)last);
            return;
        }
        smp_release(arrival, cpu);
        start->started++;
        start->late += !see_up(cpu, arrival);
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
static bool wake_core(uint32_t id, unsigned area, struct start *start)
{
    if (id > APIC_ID_HIGHEST && !feature_used(FEATURE_x2apic)) {
        log_warn("cpu: the core with APIC id %u cannot be reached without x2apic; it is left out", id);
        return true;
    }
    struct cpu *cpu = cpu_make(area, id);
    if (cpu == NULL) {
        log_error("cpu: no memory for the core with APIC id %u; it is left out", id);
        return false;
    }
    start->reset++;
    if (!start_core(id, cpu)) {
        log_warn("cpu: the core with APIC id %u does not answer; it is left out", id);
        spare = cpu;
        return true;
    }
    start->started++;
    start->late += !see_up(cpu, NOT_PARKED);
    return true;
}

/* Those in the MADT that did not come by themselves. */
static void wake_missing(unsigned came, struct start *start)
{
    unsigned area = came; /* as many areas are taken, that of the boot processor among them */
    bool prepared = false, memory = true;
    for (unsigned i = 0; i < acpi_machine.processors && memory && start->started < start->most; i++) {
        if (came_by_itself(acpi_machine.processor[i], came)) {
            continue;
        }
        if (!prepared && start_prepare() != ERR_NONE) {
            log_error("cpu: no memory below 1 MiB to start other cores in");
            return;
        }
        prepared = true;
        unsigned before = start->started;
        memory = wake_core(acpi_machine.processor[i], area, start);
        area += start->started - before;
    }
    if (prepared) {
        start_finish(start->late == 0);
    }
}

bool machine_start_cores(unsigned came, unsigned counted, unsigned most)
{
    struct start start = {.most = most < CPU_MAX ? most : CPU_MAX, .started = 1};
    release_all(came, &start);
    bool all_left = start.started == came && start.late == 0;
    wake_missing(came, &start);
    return all_left && came + start.reset >= counted;
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
    __atomic_store_n(&cpus_online, cpus_online + 1, __ATOMIC_SEQ_CST);
    tlb_admit();
    spin_unlock(&online_lock);
    sched_idle(cpu);
}
