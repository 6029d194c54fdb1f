/*
 * What a CPU does when it has nothing to do; see sched.h.
 */
#include "kernel/sched/sched.h"

#include "kernel/mm/account.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/frame_debug.h"
#include "kernel/mm/tlb.h"
#include "kernel/mm/zeroed.h"
#include "kernel/obj/reaper.h"

void sched_adopt_idle(struct cpu *cpu)
{
    static struct thread of_boot_cpu;
    struct thread *idle = cpu->boot ? &of_boot_cpu : cpu->idle;
    idle->object = (struct object){.references = 1, .type = OBJECT_THREAD, .account = &kernel_account};
    thread_init(idle, "idle", 0);
    idle->entry.rank = RANK_IDLE;
    idle->entry.movable = false;
    idle->affinity = cpu_mask_of(cpu->number);
    idle->stack_top = cpu->kernel_stack;
    idle->cpu = cpu;
    idle->state = THREAD_RUNNING;
    cpu->switched = arch_clock();
    cpu->idle = idle;
    cpu->current = idle;
}

static bool nothing_asked(const struct cpu *cpu)
{
    return __atomic_load_n(&cpu->pending, __ATOMIC_RELAXED) == 0;
}

void sched_idle(struct cpu *cpu)
{
    for (;;) {
        if ((__atomic_fetch_and(&cpu->pending, ~(PENDING_ATTENTION | PENDING_DYING), __ATOMIC_SEQ_CST) &
             PENDING_DYING) != 0) {
            reaper_leave();
        }
        sched_reschedule();
        while (nothing_asked(cpu) && (zeroed_refill() || frame_tidy())) {
            arch_interrupt_window();
        }
        tlb_settle(false);
        frame_debug_idle();
        if (nothing_asked(cpu)) {
            arch_idle();
        }
    }
}
