/*
 * Timers: each CPU has a heap of them, and one hardware timer that is armed for whatever comes first of a
 * timer, the end of a slice while others of the same rank are ready, and the end of a budget; with none of
 * these it is off.
 *
 * A timer may have slack: it fires not before its deadline and, as far as the timer decides, not later than
 * deadline plus slack, together with others whose time has come by then. The hardware is never set back to a
 * later time while the CPU is busy; a tick that finds nothing to do sets it anew. All is guarded by the queue
 * lock of the CPU.
 */
#ifndef QUIRE_KERNEL_TIMER_H
#define QUIRE_KERNEL_TIMER_H

#include "kernel/lib/leftist.h"

struct cpu;

#define DEADLINE_NEVER UINT64_MAX

struct timer {
    struct leftist node; /* key: deadline plus slack */
    uint64_t deadline;
    /* The queue is locked, and so it is on return; it may be let go of in between. The timer is out of the
     * heap. */
    void (*fire)(struct cpu *cpu, struct timer *timer);
};

static inline void timer_init(struct timer *timer, void (*fire)(struct cpu *cpu, struct timer *timer))
{
    leftist_init(&timer->node);
    timer->fire = fire;
}

/* Of this CPU, whose queue is locked. The deadline is not DEADLINE_NEVER. */
void timer_start(struct cpu *cpu, struct timer *timer, uint64_t deadline, uint64_t slack);

/* Take it out of the heap of this CPU, whose queue is locked, if it is in it. */
void timer_stop(struct cpu *cpu, struct timer *timer);

/* Fire what is due; false when there may be more, for the next tick, which comes at once. */
bool timer_run(struct cpu *cpu, uint64_t now);

/* Arm this CPU's hardware timer, or switch it off when nothing is to come and the CPU idles. */
void timer_program(struct cpu *cpu);

#endif
