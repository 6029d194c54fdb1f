/*
 * What the kernel keeps for each CPU. One of these lies in each CPU's own area (layout.h), reached through
 * arch_this_cpu(); other CPUs look into it only where a group says so.
 */
#ifndef QUIRE_KERNEL_CPU_H
#define QUIRE_KERNEL_CPU_H

#include "abi/handle.h"
#include "kernel/lib/list.h"
#include "kernel/mm/slack.h"
#include "kernel/sched/spinlock.h"
#include "arch_cpu.h"

#define CPU_MAX 256

struct arch_leaf;
struct aspace;
struct object;
struct slab_hands;
struct thread;

/* Reasons to leave the fast path on the way back to user mode. */
#define PENDING_RESCHEDULE 1u
#define PENDING_KILLED     2u
#define PENDING_DYING      4u /* there are objects to destroy */

/* Objects that a CPU can use at once without a reference: obj/object.h. */
#define CPU_HAZARDS 4

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

    /* Owning CPU only. */
    struct thread *current;
    struct thread *idle;
    struct aspace *space; /* whose tables are loaded; NULL for the kernel's */
    uint64_t timer_armed; /* deadline the hardware is set to, ~0 none */

    /* Atomic: this CPU writes, everyone reads. What it uses without a reference, with interrupts off. */
    struct object *hazards[CPU_HAZARDS];

    /* Atomic: objects that others left for this CPU to destroy. */
    struct object *dying;
    /* Of the heap: mm/slab_state.h says who may write them. Atomic. */
    struct slab_hands *hands;
    uint32_t hands_busy;

    /* Guarded by queue_lock. */
    struct spinlock queue_lock;
    struct list ready;   /* threads, by ready_node; the running one is not in it */
    uint32_t runnable;   /* threads ready or running, the idle thread apart */
    struct list timers;  /* threads, by timer_node, in the order of their deadlines */
    uint64_t slice_end;  /* when the running thread has had its turn */
    uint64_t idle_since; /* 0 when not idle */

    /* Owning CPU writes, anyone reads. */
    uint64_t idle_time;
    uint64_t online_since;
    uint64_t interrupts;
    uint64_t timer_ticks;
    uint64_t switches;
    uint32_t running_task;

    struct slack slack; /* guarded by its lock */

    /* Owning CPU writes, anyone reads: objects made here less those freed here, by type. Their sum is what
     * there is. */
    int64_t objects[OBJECT_TYPES];

    struct arch_cpu arch;
};

/* The CPUs that are up, by number. Set once at boot. */
extern struct cpu *cpus[CPU_MAX];

#endif
