/*
 * Exceptions and interrupts in C: who gets which, and what a fault of user code leads to.
 */
#include "kernel/arch/x86_64/trap.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/apic.h"
#include "kernel/arch/x86_64/machine_check.h"
#include "kernel/arch/x86_64/offsets.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/arch/x86_64/smp.h"
#include "kernel/arch/x86_64/watchdog.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/debug/trace.h"
#include "kernel/mm/frame_table.h"
#include "kernel/mm/tlb.h"
#include "kernel/obj/task.h"
#include "kernel/sched/sched.h"

extern const char user_copy_start[], user_copy_end[], user_copy_fault[];
extern const char clear_open[], clear_end[];

static void (*device_handlers[256])(void);

bool (*trap_hook)(struct trap_frame *frame);

/* SDM vol. 3A table 6-1. */
const char *trap_name(uint64_t vector)
{
    static const char *const names[VECTOR_EXCEPTIONS] = {
        "divide error",        "debug exception",    "non-maskable interrupt",
        "breakpoint",          "overflow",           "bound range exceeded",
        "invalid instruction", "no coprocessor",     "double fault",
        "exception 9",         "invalid TSS",        "segment not present",
        "stack fault",         "general protection", "page fault",
        "exception 15",        "x87 error",          "alignment check",
        "machine check",       "SIMD error",         "virtualization exception",
        "control protection",
    };
    if (vector >= VECTOR_EXCEPTIONS) {
        return "interrupt";
    }
    return names[vector] != NULL ? names[vector] : "reserved exception";
}

void trap_set_handler(unsigned vector, void (*handler)(void))
{
    device_handlers[vector] = handler;
}

static bool in_user_copy(const struct trap_frame *frame)
{
    uint64_t start = (uint64_t)(uintptr_t)user_copy_start;
    uint64_t end = (uint64_t)(uintptr_t)user_copy_end;
    return frame->rip >= start && frame->rip < end;
}

bool trap_recover_user_copy(struct trap_frame *frame)
{
    bool inside = in_user_copy(frame);
    bool memory = frame->vector == VECTOR_PAGE_FAULT || frame->vector == 12 || frame->vector == 13 ||
                  frame->vector == VECTOR_MACHINE_CHECK;
    if (!inside || !memory) {
        return false;
    }
    frame->rip = (uint64_t)(uintptr_t)user_copy_fault;
    frame->rflags &= ~(uint64_t)RFLAGS_AC;
    return true;
}

/* Kept out of the way of page faults, which end well nearly always. */
#define SELDOM_CALLED __attribute__((noinline, cold))

/* What aspace_fault has found, for the log. */
static const char *reason_for(enum error error)
{
    return error == ERR_BAD_ADDRESS ? "nothing is mapped there"
           : error == ERR_NO_RIGHT  ? "mapped without that access"
           : error == ERR_LIMIT     ? "the account has no more memory"
           : error == ERR_NO_MEMORY ? "there is no more memory"
                                    : "the page cannot be had";
}

/* SDM vol. 3A 4.7. */
#define FAULT_PRESENT 1u
#define FAULT_WRITE   2u
#define FAULT_USER    4u
#define FAULT_EXECUTE 16u
#define FAULT_PLAIN   (FAULT_PRESENT | FAULT_WRITE | FAULT_USER | FAULT_EXECUTE)

/* A fault at an address of user space, in user mode or in a copy: make the page be there. */
static inline enum error make_present(const struct trap_frame *frame, uint64_t address)
{
    static const uint8_t wanted[FAULT_PLAIN + 1] = {
        [0] = ACCESS_READ,
        [FAULT_PRESENT] = ACCESS_READ,
        [FAULT_USER] = ACCESS_READ,
        [FAULT_USER | FAULT_PRESENT] = ACCESS_READ,
        [FAULT_WRITE] = ACCESS_WRITE,
        [FAULT_WRITE | FAULT_PRESENT] = ACCESS_WRITE,
        [FAULT_WRITE | FAULT_USER] = ACCESS_WRITE,
        [FAULT_WRITE | FAULT_USER | FAULT_PRESENT] = ACCESS_WRITE,
        [FAULT_EXECUTE... FAULT_PLAIN] = ACCESS_EXECUTE,
    };
    struct task *task = thread_current()->task;
    if (__builtin_expect(task == NULL || (frame->code & ~(uint64_t)FAULT_PLAIN) != 0, 0)) {
        return ERR_BAD_ADDRESS; /* a reserved bit, for one */
    }
    arch_this_cpu()->faults.by_code[frame->code]++;
    return aspace_fault(&task->space, address, wanted[frame->code]);
}

static SELDOM_CALLED void user_fault(const struct trap_frame *frame, uint64_t address, const char *reason)
{
    struct task_fault fault = {
        .vector = (uint32_t)frame->vector,
        .code = frame->code,
        .address = address,
        .instruction = frame->rip,
        .stack = frame->rsp,
        .name = trap_name(frame->vector),
        .reason = reason,
        .own_stack = frame->vector != VECTOR_MACHINE_CHECK,
    };
    task_fault(thread_current()->task, &fault);
}

static void exception(struct trap_frame *frame)
{
    if (trap_hook != NULL && trap_hook(frame)) {
        return;
    }
    if (frame->vector == VECTOR_NMI) {
        if (panic_in_progress()) {
            smp_stop_here();
        }
        if (watchdog_nmi(frame)) {
            return;
        }
        if (arch_this_cpu()->current != NULL) { /* else it is the one that woke this core, once more */
            arch_this_cpu()->arch.nmi_count++;  /* locks may be held: told at the next interrupt */
        }
        return;
    }
    if (frame->vector == VECTOR_MACHINE_CHECK) {
        if (machine_check_handle(frame)) {
            user_fault(frame, 0, NULL); /* it was in user mode, where this CPU holds no lock */
        }
        return;
    }
    if (frame->vector == VECTOR_DOUBLE_FAULT) {
        panic_trap(frame);
    }
    if (trap_from_user(frame)) {
        user_fault(frame, 0, NULL);
        return;
    }
    if (!trap_recover_user_copy(frame)) {
        panic_trap(frame);
    }
}

/* In the kernel: a table of its own that grows by being touched, or a copy. */
static bool kernel_page_fault(const struct trap_frame *frame, uint64_t address)
{
    if (frame_table_touch(address)) {
        return true;
    }
    return in_user_copy(frame) && address < USER_HIGHEST && make_present(frame, address) == ERR_NONE;
}

static void page_fault_in_kernel(struct trap_frame *frame)
{
    uint64_t address = cr2_read(); /* now: others may run before it is dealt with */
    if (trap_hook != NULL && trap_hook(frame)) {
        return;
    }
    if (!kernel_page_fault(frame, address) && !trap_recover_user_copy(frame)) {
        panic_trap(frame);
    }
}

static SELDOM_CALLED void page_fault_failed(const struct trap_frame *frame, uint64_t address,
                                            enum error error)
{
    arch_this_cpu()->faults.refused++;
    if (error != ERR_CANCELLED) {
        user_fault(frame, address, reason_for(error));
    }
}

/* The same in user mode, where it is frequent. */
static inline void page_fault_in_user(const struct trap_frame *frame)
{
    uint64_t address = cr2_read();
    trace(TRACE_FAULT, (uint16_t)frame->vector, frame->rip, address);
    enum error error = make_present(frame, address);
    if (__builtin_expect(error != ERR_NONE, 0)) {
        page_fault_failed(frame, address, error);
    }
}

static void interrupt(const struct trap_frame *frame)
{
    struct cpu *cpu = arch_this_cpu();
    cpu->interrupts++;
    if (cpu->arch.nmi_count != cpu->arch.nmi_told) {
        cpu->arch.nmi_told = cpu->arch.nmi_count;
        log_warn("cpu %u: %u non-maskable interrupts so far", cpu->number, cpu->arch.nmi_told);
    }
    if (cpu->arch.bad_count > 0) {
        machine_check_retire();
    }
    switch (frame->vector) {
    case VECTOR_TIMER:
        cpu->timer_ticks++;
        apic_end_of_interrupt();
        sched_timer_tick();
        return;
    case VECTOR_KICK:
        apic_end_of_interrupt();
        sched_kicked();
        return;
    case VECTOR_FLUSH:
        apic_end_of_interrupt();
        tlb_serve();
        return;
    case VECTOR_SPURIOUS: /* not in service: no end of interrupt (SDM vol. 3A 10.9) */
        return;
    default:
        if (device_handlers[frame->vector] != NULL) {
            device_handlers[frame->vector]();
        } else {
            log_warn("cpu %u: interrupt on vector %lu, which nobody uses", cpu->number, frame->vector);
        }
        apic_end_of_interrupt();
    }
}

/* Memory was being cleared: that goes on later, if something else is to run now. */
static void leave_clearing(struct trap_frame *frame)
{
    if (frame->rip == (uint64_t)(uintptr_t)clear_open && thread_must_give_way()) {
        frame->rip = (uint64_t)(uintptr_t)clear_end;
    }
}

/* The stack of its own that this address is in, as the number in a gate; 0: none. */
static unsigned own_stack(uint64_t address)
{
    const struct tss *tss = &arch_this_cpu()->arch.tss;
    for (unsigned i = 1; i <= IST_COUNT; i++) {
        if (address <= tss->ist[i - 1] && address > tss->ist[i - 1] - INTERRUPT_STACK_SIZE) {
            return i;
        }
    }
    return 0;
}

/*
 * Was the handler of an NMI interrupted, by what is handled now, or by what that has interrupted? At the top
 * of each stack lies what the processor pushed: ss, and before it the interrupted rsp.
 */
static bool interrupted_nmi(const struct trap_frame *frame)
{
    uint64_t stack = trap_from_user(frame) ? 0 : frame->rsp;
    for (unsigned i = own_stack(stack), most = IST_COUNT; i != 0 && most > 0; i = own_stack(stack), most--) {
        if (i == IST_NMI) {
            return true;
        }
        stack = ((const uint64_t *)(uintptr_t)arch_this_cpu()->arch.tss.ist[i - 1])[-2];
    }
    return false;
}

/* All but page faults in user mode. */
static __attribute__((noinline)) bool dispatch_any(struct trap_frame *frame)
{
    bool nested = frame->vector == VECTOR_NMI || frame->vector == VECTOR_MACHINE_CHECK;
    if (frame->vector >= VECTOR_EXCEPTIONS) {
        trace(TRACE_INTERRUPT, 0, frame->vector, frame->rip);
        interrupt(frame);
        leave_clearing(frame);
        trace(TRACE_INTERRUPT_END, 0, frame->vector, 0);
    } else {
        if (!nested) {
            trace(TRACE_FAULT, (uint16_t)frame->vector, frame->rip, cr2_read());
        }
        if (frame->vector == VECTOR_PAGE_FAULT) {
            page_fault_in_kernel(frame);
        } else {
            exception(frame);
        }
    }
    if (trap_from_user(frame) && !nested && arch_this_cpu()->pending != 0) {
        thread_before_user();
    }
    return interrupted_nmi(frame);
}

bool trap_dispatch(struct trap_frame *frame)
{
    if (__builtin_expect(frame->vector != VECTOR_PAGE_FAULT || !trap_from_user(frame), 0)) {
        return dispatch_any(frame);
    }
    page_fault_in_user(frame);
    if (__builtin_expect(arch_this_cpu()->pending != 0, 0)) {
        thread_before_user();
    }
    return false; /* no handler of an NMI was interrupted by a user */
}
