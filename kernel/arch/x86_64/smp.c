/*
 * The other cores; see smp.h.
 */
#include "kernel/arch/x86_64/smp.h"

#include "arch_tlb.h"
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/offsets.h"
#include "kernel/arch/paging.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/debug/panic.h"
#include "kernel/debug/trace.h"
#include "kernel/mm/frame_platform.h"
#include "kernel/mm/tlb.h"
#include "kernel/sched/cpu.h"
#include "lib/text.h"

/* Time stamps to wait for cores that the loader promised: between 0.2 s and 1 s on any machine of today. */
#define ARRIVAL_LIMIT 1000000000u

/* What a waiting core looks at, and its stack for the NMI that wakes it. Laid out for entry.S. */
struct start_slot {
    uint64_t root;
    uint64_t stack;
    uint64_t cpu;
    uint32_t go; /* atomic */
    uint32_t apic_id;
    uint8_t stack_area[224];
};

_Static_assert(sizeof(struct start_slot) == 1 << START_SLOT_SHIFT, "offsets.h");
_Static_assert(offsetof(struct start_slot, root) == START_SLOT_ROOT, "offsets.h");
_Static_assert(offsetof(struct start_slot, stack) == START_SLOT_STACK, "offsets.h");
_Static_assert(offsetof(struct start_slot, cpu) == START_SLOT_CPU, "offsets.h");
_Static_assert(offsetof(struct start_slot, go) == START_SLOT_GO, "offsets.h");
_Static_assert(offsetof(struct start_slot, apic_id) == START_SLOT_ID, "offsets.h");

struct start_slot start_slots[START_SLOTS] __attribute__((aligned(64)));
uint32_t start_arrivals;

unsigned smp_wait_for_cores(unsigned expected)
{
    uint64_t start = tsc_read();
    while (__atomic_load_n(&start_arrivals, __ATOMIC_ACQUIRE) + 1 < expected &&
           tsc_read() - start < ARRIVAL_LIMIT) {
        cpu_pause();
    }
    uint32_t came = __atomic_fetch_or(&start_arrivals, ARRIVALS_CLOSED, __ATOMIC_ACQ_REL);
    return (came < START_SLOTS ? came : START_SLOTS) + 1;
}

uint32_t smp_arrival_id(unsigned arrival)
{
    return start_slots[arrival].apic_id;
}

void smp_release(unsigned arrival, struct cpu *cpu)
{
    struct start_slot *slot = &start_slots[arrival];
    slot->root = arch_kernel_root().value;
    slot->stack = cpu->kernel_stack;
    slot->cpu = (uint64_t)(uintptr_t)cpu;
    __atomic_store_n(&slot->go, 1, __ATOMIC_RELEASE);
    smp_wake(arrival);
}

void smp_wake(unsigned arrival)
{
    apic_send_nmi(start_slots[arrival].apic_id);
}

void arch_tlb_interrupt(const struct cpu *cpu)
{
    trace(TRACE_SEND, VECTOR_FLUSH, cpu->number, 0);
    apic_send(cpu->apic_id, VECTOR_FLUSH);
}

void frame_platform_barrier(void)
{
    tlb_barrier();
}

void arch_spin_wait(void)
{
    cpu_pause();
    tlb_serve();
}

void arch_cpu_kick(struct cpu *cpu)
{
    trace(TRACE_SEND, VECTOR_KICK, cpu->number, 0);
    apic_send(cpu->apic_id, VECTOR_KICK);
}

void smp_stop_here(void)
{
    __atomic_store_n(&arch_this_cpu()->arch.stopped, 1, __ATOMIC_RELEASE);
    arch_halt();
}

void arch_stop_others(void)
{
    struct cpu *self = arch_this_cpu();
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        if (cpus[i] != self) {
            apic_send_nmi(cpus[i]->apic_id);
        }
    }
    uint64_t start = tsc_read();
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        while (cpus[i] != self && __atomic_load_n(&cpus[i]->arch.stopped, __ATOMIC_ACQUIRE) == 0 &&
               tsc_read() - start < ARRIVAL_LIMIT) {
            cpu_pause();
        }
    }
}
