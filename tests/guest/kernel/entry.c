/*
 * The kernel's side of the test of its entry and exit code (tests/guest/entry.py): with entry=1 in the
 * environment of a test kernel, debug exceptions, NMIs and machine checks are counted, and nothing else comes
 * of them. The driver stops the machine on an instruction, injects one of them, and reads here where it
 * struck. Debug exceptions are made here, by an instruction breakpoint that goes from one address of the
 * driver's list to the next. Without the key nothing happens.
 *
 * What is checked each time: GS leads to this CPU, whatever it was before; the handler of an NMI is not
 * interrupted by another one.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/trap.h"
#include "kernel/init/handover.h"
#include "kernel/sched/cpu.h"

#define ADDRESSES 512

/* SDM vol. 3B 17.2.4: an instruction breakpoint at the address in DR0; the bit that is always set. */
#define DR7_BREAKPOINT 0x402u
#define DR7_NONE       0x400u
#define DR6_NONE       0xffff0ff0u
#define RFLAGS_RF      (1u << 16)

/* SDM vol. 4 table 2-2. With MCIP set the next machine check shuts the processor down. */
#define MSR_MCG_STATUS 0x17a

extern const char trap_nmi[], trap_nmi_end[];

/* Read and written by the driver; one CPU. */
struct entry_test {
    struct cpu *cpu;
    uint64_t count[VECTOR_EXCEPTIONS];  /* how often each vector came */
    uint64_t struck[VECTOR_EXCEPTIONS]; /* and where it did last */
    uint64_t wrong;                     /* what must not be, happened */
    uint64_t addresses[ADDRESSES];      /* for debug exceptions, one after the other, again and again */
    uint64_t given;                     /* how many of them are given; an NMI takes them up */
    uint64_t next;
    uint64_t hits; /* breakpoints that were met */
    uint64_t nmis; /* so many times yet, a breakpoint in the handler of an NMI asks for another NMI */
};
struct entry_test entry_test;

static bool in_nmi(uint64_t address)
{
    return address >= (uint64_t)(uintptr_t)trap_nmi && address < (uint64_t)(uintptr_t)trap_nmi_end;
}

/* Where the driver waits until all addresses have had their turn. */
__attribute__((noinline)) void entry_all_hit(void);
void entry_all_hit(void)
{
    __asm__ volatile("" : : : "memory");
}

/* With the address that comes next; with none when there are none. */
static void arm(const struct entry_test *t)
{
    uint64_t control = t->given > 0 ? DR7_BREAKPOINT : DR7_NONE;
    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr7; mov %2, %%dr6"
                     :
                     : "r"(t->addresses[t->next]), "r"(control), "r"((uint64_t)DR6_NONE));
}

/* Go on with the next address. An NMI that is asked for inside the handler of one has to wait for its end. */
static void breakpoint_met(struct entry_test *t, struct trap_frame *frame)
{
    frame->rflags |= RFLAGS_RF;
    if (t->given > 0) {
        t->wrong += frame->rip != t->addresses[t->next];
        t->hits++;
        t->next = t->next + 1 < t->given ? t->next + 1 : 0;
    }
    arm(t);
    if (in_nmi(frame->rip) && t->nmis > 0) {
        t->nmis--;
        apic_send_nmi(apic_id());
    }
    if (t->next == 0) {
        entry_all_hit();
    }
}

static bool entry_hook(struct trap_frame *frame)
{
    struct entry_test *t = &entry_test;
    if (frame->vector != VECTOR_DEBUG && frame->vector != VECTOR_NMI &&
        frame->vector != VECTOR_MACHINE_CHECK) {
        return false;
    }
    t->count[frame->vector]++;
    t->struck[frame->vector] = frame->rip;
    t->wrong += arch_this_cpu() != t->cpu;
    if (frame->vector == VECTOR_MACHINE_CHECK) {
        msr_write(MSR_MCG_STATUS, 0);
    } else if (frame->vector == VECTOR_NMI) {
        t->wrong += in_nmi(frame->rip);
        arm(t);
    } else if (!trap_from_user(frame)) {
        breakpoint_met(t, frame);
    }
    return true; /* a program that steps goes on stepping */
}

SELFTEST(entry, "entry: nothing is hooked that is not asked for")
{
    EXPECT(trap_hook == NULL);
    if (handover_option_is("entry", "1")) {
        entry_test.cpu = arch_this_cpu();
        trap_hook = entry_hook;
    }
    return NULL;
}
