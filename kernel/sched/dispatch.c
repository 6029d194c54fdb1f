/*
 * Who runs on this CPU: switching, yielding, sleeping, and the ends of turns; see sched.h.
 */
#include "kernel/sched/sched.h"

#include "arch_switch.h"
#include "kernel/debug/panic.h"
#include "kernel/debug/trace.h"
#include "kernel/mm/aspace.h"
#include "kernel/obj/reaper.h"
#include "kernel/obj/task.h"
#include "kernel/sched/steps.h"

struct cpu *cpus[CPU_MAX];

void sched_init(struct cpu *cpu)
{
    spin_init(&cpu->queue_lock, "run queue", LOCK_RUN_QUEUE);
    run_queue_init(&cpu->queue);
    cpu->timer_armed = DEADLINE_NEVER; /* the timer has been switched off before */
}

/* --- switching; the queue is locked --- */

static __attribute__((noinline)) void after_switch(struct thread *from, uint32_t after)
{
    if ((after & AFTER_PLACE) != 0) {
        sched_place_moving(from);
    }
    if ((after & AFTER_PULL) != 0) {
        sched_pull(arch_this_cpu());
    }
    if ((after & AFTER_FREE) != 0) {
        thread_discard(from);
        object_note_gone(arch_this_cpu());
        if (arch_this_cpu()->current->task == NULL) {
            reaper_leave(); /* it never goes out to user mode, and may wait for long */
        }
    }
}

/* The thread that ran before has left its stack: let the queue go, then see to what is left. */
static inline void finish_switch(struct thread *from)
{
    struct cpu *cpu = arch_this_cpu();
    uint32_t after = cpu->after;
    if (__builtin_expect(after != 0, 0)) {
        cpu->after = 0;
        sched_unlock(cpu);
        after_switch(from, after);
        return;
    }
    sched_unlock(cpu);
}

void thread_arrived(struct thread *from)
{
    finish_switch(from);
}

/* Would something come before the hardware timer does? `timed`: a timer may have been started. */
static inline bool timer_is_late(const struct cpu *cpu, const struct thread *current, bool timed)
{
    const struct leftist *first = timed ? cpu->timers.root : NULL;
    return (first != NULL && first->key < cpu->timer_armed) ||
           (cpu->slice_end < cpu->timer_armed && cpu->queue.counts[current->entry.rank] != 0);
}

/* What is seldom to be seen to when a thread begins to run. */
static __attribute__((noinline)) void begin_with_attention(struct cpu *cpu, struct thread *next, uint64_t now)
{
    if ((__atomic_load_n(&next->attention, __ATOMIC_RELAXED) & ~ATTENTION_BUDGET) != 0) {
        __atomic_fetch_or(&cpu->pending, PENDING_ATTENTION, __ATOMIC_RELAXED);
    }
    if (next->budget != NULL) {
        sched_budget_begin(cpu, next, now);
        timer_program(cpu);
    }
}

/* What is to be told to other CPUs, and asked of them. */
static inline void tell_others(struct cpu *cpu, const struct thread *self, const struct thread *next)
{
    if (__builtin_expect(arch_cpu_count() > 1, 0)) {
        cpu->after |= next->entry.rank < self->entry.rank ? AFTER_PULL : 0;
        sched_publish_to_others(cpu);
    }
}

static __attribute__((noinline)) void trace_switch(const struct thread *self, const struct thread *next)
{
    trace_record(TRACE_SWITCH, next->entry.rank, next->number | (uint64_t)next->task_number << 32,
                 self->number | (uint64_t)self->entry.rank << 32 | (uint64_t)self->state << 48 |
                     (uint64_t)self->entry.movable << 63);
}

/* There may be something higher on other CPUs. */
static inline uint32_t pull_after(void)
{
    return arch_cpu_count() > 1 ? AFTER_PULL : 0;
}

/* What a thread has yet to destroy it takes along: the CPU's mark is seen by whoever runs next. */
static inline void keep_dying(struct thread *self)
{
    if (self->dying != NULL) {
        __atomic_fetch_or(&self->attention, ATTENTION_DYING, __ATOMIC_RELAXED);
    }
}

/*
 * Run `next` instead of `self`, which is another one and whose state has been set. Unlocks. `plain`: nothing
 * is pending, and it is not the idle thread that follows. `timed`: a timer may have been started.
 */
static inline __attribute__((always_inline)) void
switch_to(struct cpu *cpu, struct thread *self, struct thread *next, uint64_t now, bool plain, bool timed)
{
    if (__builtin_expect(self->budget != NULL, 0)) {
        sched_budget_pause(self, now);
    }
    self->run_time += now - cpu->switched;
    cpu->switched = now;
    cpu->current = next;
    next->state = THREAD_RUNNING;
    cpu->slice_end = now + next->slice_left;
    cpu->switches++;
    cpu->steps.stretch++;
    cpu->steps.began = 0;
    if (!plain && cpu->pending != 0) {
        uint32_t before = __atomic_fetch_and(&cpu->pending, ~PENDING_RESCHEDULE, __ATOMIC_SEQ_CST);
        cpu->after |= (before & PENDING_RESCHEDULE) != 0 ? pull_after() : 0; /* perhaps that was asked */
        keep_dying(self);
    }
    if (__builtin_expect(trace_on, 0)) {
        trace_switch(self, next);
    }
    tell_others(cpu, self, next);
    if (timer_is_late(cpu, next, timed) || (!plain && next == cpu->idle)) {
        timer_program(cpu);
    }
    if (__builtin_expect(__atomic_load_n(&next->attention, __ATOMIC_SEQ_CST) != 0, 0)) {
        begin_with_attention(cpu, next, now);
    }
    if (next->space != cpu->space) {
        aspace_load(next->space);
    }
    finish_switch(arch_thread_switch(cpu, self, next));
}

static inline struct thread *take_next(struct cpu *cpu)
{
    return run_queue_top(&cpu->queue) != 0 ? thread_of_entry(run_queue_take(&cpu->queue)) : cpu->idle;
}

void sched_switch_away(struct cpu *cpu)
{
    switch_to(cpu, cpu->current, take_next(cpu), arch_clock(), false, true);
}

void sched_block(struct cpu *cpu, enum thread_state state, uint64_t deadline, uint64_t slack)
{
    struct thread *self = cpu->current;
    self->state = state;
    self->slice_left = self->slice;
    if (deadline != DEADLINE_NEVER) {
        timer_start(cpu, &self->timer, deadline, slack);
    }
    sched_switch_away(cpu);
}

/* May it run next? Nothing higher is ready, and others of its rank wait no longer than for one turn. */
static inline bool comes_first(const struct cpu *cpu, const struct thread *thread, uint64_t now)
{
    uint32_t top = run_queue_top(&cpu->queue);
    return thread->entry.rank > top || (thread->entry.rank == top && now < cpu->slice_end);
}

/* Is this thread parked here, the current one without a permit, and nothing else in want of this CPU? */
static inline bool may_hand_over(const struct cpu *cpu, const struct thread *self,
                                 const struct thread *thread, uint64_t now)
{
    return thread->cpu == cpu && thread->state == THREAD_BLOCKED && thread->parked && !self->permit &&
           cpu->pending == 0 && comes_first(cpu, thread, now) &&
           (__atomic_load_n(&self->attention, __ATOMIC_SEQ_CST) & ~ATTENTION_BUDGET) == 0 &&
           thread_may_run_on(thread, cpu);
}

bool sched_hand_over(struct thread *thread, uint64_t deadline, enum error *reason)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread *self = cpu->current;
    sched_lock(cpu);
    uint64_t now = arch_clock();
    if (!may_hand_over(cpu, self, thread, now) || deadline <= now) {
        sched_unlock(cpu);
        return false;
    }
    timer_stop(cpu, &thread->timer);
    hazard_clear(&cpu->hazards[0]); /* what is parked lives */
    thread->wake_reason = ERR_NONE;
    thread->parked = false;
    self->parked = true;
    self->state = THREAD_BLOCKED;
    self->slice_left = self->slice;
    if (thread->entry.rank == self->entry.rank && now < cpu->slice_end) {
        thread->slice_left =
            cpu->slice_end - now; /* the turn is handed over too, for the sake of third ones */
    }
    if (deadline != DEADLINE_NEVER) {
        timer_start(cpu, &self->timer, deadline, 0);
    }
    switch_to(cpu, self, thread, now, true, true);
    *reason = self->wake_reason;
    return true;
}

void sched_leave(void)
{
    struct cpu *cpu = arch_this_cpu();
    sched_lock(cpu);
    cpu->current->state = THREAD_ENDED;
    cpu->after |= AFTER_FREE;
    sched_switch_away(cpu);
    panic("a thread that has ended runs again");
}

/* --- somebody asked for a look --- */

void sched_request(struct cpu *cpu)
{
    uint32_t before = __atomic_fetch_or(&cpu->pending, PENDING_RESCHEDULE, __ATOMIC_SEQ_CST);
    if ((before & PENDING_RESCHEDULE) == 0 && cpu != arch_this_cpu()) {
        arch_cpu_kick(cpu);
    }
}

/* The current thread goes to another CPU: to this one, or whichever suits it (NULL). */
static void move_away(struct cpu *cpu, struct thread *self, struct cpu *target)
{
    self->state = THREAD_MOVING;
    cpu->move_to = target;
    cpu->after |= AFTER_PLACE;
    sched_switch_away(cpu);
}

/* Something higher is ready here. The turn of this thread is not over. */
static void give_way(struct cpu *cpu, struct thread *self, uint64_t now)
{
    self->slice_left = cpu->slice_end > now ? cpu->slice_end - now : self->slice;
    if (self->entry.movable && sched_better_place(self, cpu)) {
        move_away(cpu, self, NULL);
        return;
    }
    self->state = THREAD_READY;
    run_queue_prepend(&cpu->queue, &self->entry);
    switch_to(cpu, self, thread_of_entry(run_queue_take(&cpu->queue)), now, false, true);
}

/* Let the next one of the same rank run; there is one, and nothing higher. */
static inline __attribute__((always_inline)) void rotate(struct cpu *cpu, struct thread *self, uint64_t now)
{
    self->slice_left = self->slice;
    self->state = THREAD_READY;
    switch_to(cpu, self, thread_of_entry(run_queue_rotate(&cpu->queue, &self->entry)), now, true, false);
}

void thread_yield(void)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread *self = cpu->current;
    sched_lock(cpu);
    if (cpu->queue.counts[self->entry.rank] == 0) { /* also in the idle thread */
        sched_unlock(cpu);
        return;
    }
    if (__builtin_expect(cpu->pending != 0, 0)) { /* something higher may be ready */
        self->slice_left = self->slice;
        self->state = THREAD_READY;
        run_queue_append(&cpu->queue, &self->entry);
        sched_switch_away(cpu);
    } else {
        rotate(cpu, self, arch_clock());
    }
}

/* The turn of this thread is over. */
static void end_turn(struct cpu *cpu, struct thread *self, uint64_t now)
{
    self->slice_left = self->slice;
    keep_dying(self);
    struct cpu *target = self->entry.movable ? sched_should_move(cpu, self, now) : NULL;
    if (target != NULL) {
        move_away(cpu, self, target);
    } else {
        rotate(cpu, self, now);
    }
}

void sched_reschedule(void)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread *self = cpu->current;
    sched_lock(cpu);
    __atomic_fetch_and(&cpu->pending, ~PENDING_RESCHEDULE, __ATOMIC_SEQ_CST);
    cpu->after |= pull_after(); /* somebody may have asked for that alone: also when there is a switch */
    uint32_t top = run_queue_top(&cpu->queue), rank = self->entry.rank;
    uint64_t now = arch_clock();
    if (self != cpu->idle && !thread_may_run_on(self, cpu)) {
        self->slice_left = self->slice;
        move_away(cpu, self, NULL);
    } else if (self == cpu->idle && top != 0) {
        sched_switch_away(cpu);
    } else if (top > rank) {
        give_way(cpu, self, now);
    } else if (top == rank && top != 0 && now >= cpu->slice_end) {
        end_turn(cpu, self, now);
    } else {
        cpu->after &= ~AFTER_PULL;
        timer_program(cpu);
        sched_unlock(cpu);
        sched_pull(cpu);
    }
}

void sched_kicked(void)
{
    struct cpu *cpu = arch_this_cpu();
    __atomic_store_n(&cpu->kicks, cpu->kicks + 1, __ATOMIC_RELEASE);
    __atomic_fetch_or(&cpu->pending, PENDING_RESCHEDULE, __ATOMIC_RELAXED);
}

void sched_timer_tick(void)
{
    struct cpu *cpu = arch_this_cpu();
    cpu->timer_armed = DEADLINE_NEVER;
    uint64_t now = arch_clock();
    sched_lock(cpu);
    timer_run(cpu, now);
    if (cpu->current->budget != NULL) {
        sched_budget_check(cpu, now);
    }
    uint32_t top = run_queue_top(&cpu->queue), rank = cpu->current->entry.rank;
    if (top > rank || (top == rank && top != 0 && now >= cpu->slice_end)) {
        __atomic_fetch_or(&cpu->pending, PENDING_RESCHEDULE, __ATOMIC_RELAXED);
    }
    timer_program(cpu);
    sched_unlock(cpu);
}

void thread_before_user(void)
{
    struct cpu *cpu;
    struct thread *self = thread_current();
    bool again;
    do {
        cpu = arch_this_cpu();
        uint32_t pending =
            __atomic_fetch_and(&cpu->pending, ~(PENDING_ATTENTION | PENDING_DYING), __ATOMIC_SEQ_CST);
        uint32_t attention = __atomic_fetch_and(&self->attention, ~ATTENTION_DYING, __ATOMIC_SEQ_CST);
        if ((pending & PENDING_DYING) != 0 || (attention & ATTENTION_DYING) != 0) {
            objects_bury();
        }
        if ((attention & ATTENTION_KILLED) != 0) {
            thread_exit();
        }
        if ((attention & ATTENTION_SUSPEND) != 0) {
            thread_stop_here();
        } else if ((pending & PENDING_RESCHEDULE) != 0) {
            sched_reschedule();
        }
        cpu = arch_this_cpu();
        again = __atomic_load_n(&cpu->pending, __ATOMIC_RELAXED) != 0 || (attention & ATTENTION_SUSPEND) != 0;
    } while (again); /* after a suspension in any case: it may have been a kill that ended it */
}

enum error thread_preemption_point(void)
{
    ASSERT(spin_ranks_held() == 0 && arch_this_cpu()->hazards[0] == NULL);
    step_over();
    arch_interrupt_window();
    if ((__atomic_load_n(&arch_this_cpu()->pending, __ATOMIC_RELAXED) & PENDING_RESCHEDULE) != 0) {
        sched_reschedule();
    }
    step_begin();
    uint32_t attention = __atomic_load_n(&thread_current()->attention, __ATOMIC_RELAXED);
    return (attention & ATTENTION_KILLED) != 0 ? ERR_CANCELLED : ERR_NONE;
}
