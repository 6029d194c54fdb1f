/*
 * Timers; see timer.h.
 */
#include "kernel/sched/timer.h"

#include "kernel/arch/arch.h"
#include "kernel/sched/sched.h"

/* Timers that one tick fires before it lets other interrupts in. */
#define FIRE_MOST 32

void timer_start(struct cpu *cpu, struct timer *timer, uint64_t deadline, uint64_t slack)
{
    timer->deadline = deadline;
    timer->node.key = slack < DEADLINE_NEVER - 1 - deadline ? deadline + slack : DEADLINE_NEVER - 1;
    leftist_insert(&cpu->timers, &timer->node);
}

void timer_stop(struct cpu *cpu, struct timer *timer)
{
    if (leftist_inside(&timer->node)) {
        leftist_remove(&cpu->timers, &timer->node);
    }
}

bool timer_run(struct cpu *cpu, uint64_t now)
{
    for (unsigned i = 0; i < FIRE_MOST; i++) {
        struct leftist *node = cpu->timers.root;
        if (node == NULL) {
            return true;
        }
        struct timer *timer = LIST_ENTRY(node, struct timer, node);
        if (timer->deadline > now) {
            return true;
        }
        leftist_remove(&cpu->timers, node);
        timer->fire(cpu, timer);
    }
    return false;
}

void timer_program(struct cpu *cpu)
{
    uint64_t next = cpu->timers.root != NULL ? cpu->timers.root->key : DEADLINE_NEVER;
    const struct thread *current = cpu->current;
    if (cpu->queue.counts[current->entry.rank] != 0 && cpu->slice_end < next) {
        next = cpu->slice_end;
    }
    if (current->budget != NULL && cpu->budget_end < next) {
        next = cpu->budget_end;
    }
    if (next < cpu->timer_armed || (current == cpu->idle && next != cpu->timer_armed)) {
        arch_timer_set(next);
    }
}
