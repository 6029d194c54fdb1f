/*
 * What the kernel keeps for each CPU. One of these lies in each CPU's own area (layout.h), reached through
 * arch_this_cpu(); other CPUs look into it only where a group says so.
 */
#ifndef QUIRE_KERNEL_CPU_H
#define QUIRE_KERNEL_CPU_H

#include "abi/handle.h"
#include "kernel/lib/leftist.h"
#include "kernel/lib/list.h"
#include "kernel/mm/slack.h"
#include "kernel/mm/tlb_cpu.h"
#include "kernel/sched/cpu_mask.h"
#include "kernel/sched/lock_types.h"
#include "kernel/sched/run_queue.h"
#include "arch_cpu.h"

struct arch_leaf;
struct aspace;
struct object;
struct slab_hands;
struct thread;
struct trace_ring;

/* Reasons to leave the fast path on the way back to user mode. */
#define PENDING_RESCHEDULE 1u
#define PENDING_ATTENTION  2u /* the thread that runs is killed or suspended, or has objects to destroy */
#define PENDING_DYING      4u /* there are objects to destroy */

/* Objects that a CPU can use at once without a reference: obj/object.h. */
#define CPU_HAZARDS 4

/* What is left to do once a switch of stacks is done. */
#define AFTER_FREE  1u /* the thread that ran before has ended */
#define AFTER_PLACE 2u /* it goes on on another CPU */
#define AFTER_PULL  4u /* this CPU runs something lower now: look for something better elsewhere */

/* What lock=debug keeps for one class of locks. */
struct lock_figures {
    uint64_t taken;
    uint64_t longest; /* nanoseconds that one was held */
    uint32_t site;    /* where that one was taken, as in struct lock_holder */
};

/* What is counted of page faults. Owning CPU writes, anyone reads. */
struct fault_figures {
    uint64_t by_code[32]; /* by the error code of the processor */
    uint64_t refused;     /* that the thread got */
    uint64_t copied;      /* pages, to break copy-on-write */
    uint64_t nodes;       /* nodes of pages that were copied for it */
};

/* What is kept of what goes in steps: steps.h. Owning CPU writes, anyone reads. */
#define STEP_KINDS 11

struct steps {
    uint64_t stretch; /* number of the time since the last preemption point, or since a call began */
    uint64_t began;   /* with lock=debug: when that was; 0: not known */
    struct step {
        uint64_t stretch; /* in which the units were done */
        uint64_t units;
        uint64_t most;    /* units in one stretch */
        uint64_t done;    /* units since the start */
        uint64_t longest; /* ns of a stretch with such units, with lock=debug */
    } kinds[STEP_KINDS];
};

struct cpu {
    /* Known to assembly by offset: kernel/arch/x86_64/offsets.h. Owning CPU only. */
    struct cpu *self;
    uint64_t kernel_stack; /* top of the current thread's stack */
    uint64_t user_stack;   /* scratch of the system call entry */
    uint32_t pending;      /* PENDING_*; atomic, others set bits */
    uint32_t number;       /* set once */
    uint64_t locks_held;   /* bit n: a lock of rank n */

    /* Set once. */
    uint32_t apic_id;
    uint32_t area; /* which of the per-CPU areas is its own: the order in which it came, not its number */
    uint32_t node; /* which memory is near: mm/node.h */
    bool boot;
    struct arch_leaf *windows; /* of mm/window.h, as the three below */
    struct arch_leaf *window_large;
    uint64_t window_area;
    struct trace_ring *trace; /* NULL while there is none; atomic */

    /* Owning CPU only. */
    struct thread *idle;
    struct aspace *space; /* whose tables are loaded; NULL for the kernel's */
    uint64_t timer_armed; /* deadline the hardware is set to, ~0 none */
    uint32_t after;       /* AFTER_* */
    struct cpu *move_to;  /* with AFTER_PLACE: where the thread goes; NULL for wherever suits it */

    /* Atomic: this CPU writes, everyone reads. What it uses without a reference, with interrupts off. */
    struct object *hazards[CPU_HAZARDS];

    /* Atomic: objects that others left for this CPU to destroy. */
    struct object *dying;
    /* Of the heap: mm/slab_state.h says who may write them. Atomic. */
    struct slab_hands *hands;
    uint32_t hands_busy;

    /* Guarded by queue_lock. */
    struct spinlock queue_lock;
    struct thread *current;
    struct leftist_heap timers;
    uint64_t switched;    /* when the current thread began to run */
    uint64_t slice_end;   /* when it has had its turn */
    uint64_t budget_end;  /* when its budget is used up, if it has one */
    uint64_t balance_due; /* when to look again whether others have less to do */
    struct run_queue queue;

    /* Owning CPU writes, anyone reads. */
    uint64_t online_since;
    uint64_t interrupts;
    uint64_t timer_ticks;
    uint64_t kicks;    /* interrupts by arch_cpu_kick */
    uint64_t switches; /* from one thread to another */
    uint64_t steals;   /* threads taken from other CPUs */
    struct lock_figures lock_figures[LOCK_RANKS];

    struct slack slack; /* guarded by its lock */
    struct tlb_cpu tlb;
    struct steps steps;
    struct fault_figures faults;

    /* Owning CPU writes, anyone reads: objects made here less those freed here, by type. Their sum is what
     * there is. */
    int64_t objects[OBJECT_TYPES];
    /* Objects that lost their last reference and threads that began to end, and those that have gone: told
     * here, they may be counted as gone on another CPU. Both only grow; see objects_going. */
    uint64_t leaving;
    uint64_t gone;

    struct arch_cpu arch;
};

/* The CPUs that are up, by number. Set once at boot. */
extern struct cpu *cpus[CPU_MAX];

/* One more on its way out, and one that has gone; interrupts are off. */
static inline void object_note_leaving(struct cpu *cpu)
{
    __atomic_store_n(&cpu->leaving, cpu->leaving + 1, __ATOMIC_RELEASE);
}

static inline void object_note_gone(struct cpu *cpu)
{
    __atomic_store_n(&cpu->gone, cpu->gone + 1, __ATOMIC_RELEASE);
}

#endif
