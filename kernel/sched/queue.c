/*
 * Run queues; see queue.h.
 *
 * A queue's lock is held across the switch of stacks and released by the thread that arrives, so nobody can
 * take a thread elsewhere before its registers are saved.
 */
#include "kernel/sched/queue.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/frame_debug.h"
#include "kernel/mm/zeroed.h"
#include "kernel/obj/task.h"

struct cpu *cpus[CPU_MAX];

void queue_init(struct cpu *cpu)
{
    spin_init(&cpu->queue_lock, "run queue", LOCK_RUN_QUEUE);
    list_init(&cpu->ready);
    list_init(&cpu->timers);
    cpu->timer_armed = DEADLINE_NEVER; /* the timer has been switched off before */
}

struct cpu *queue_lock_of(struct thread *thread)
{
    for (;;) {
        struct cpu *cpu = __atomic_load_n(&thread->cpu, __ATOMIC_ACQUIRE);
        spin_lock(&cpu->queue_lock);
        if (__atomic_load_n(&thread->cpu, __ATOMIC_RELAXED) == cpu) {
            return cpu;
        }
        spin_unlock(&cpu->queue_lock);
    }
}

/* --- timers; the queue is locked
 * ---------------------------------------------------------------------------- */

static void timer_insert(struct cpu *cpu, struct thread *thread)
{
    struct list *place = cpu->timers.next;
    while (place != &cpu->timers &&
           LIST_ENTRY(place, struct thread, timer_node)->deadline <= thread->deadline) {
        place = place->next;
    }
    list_insert_before(place, &thread->timer_node);
}

/* Arm this CPU's timer for whatever comes first. */
static void timer_program(struct cpu *cpu)
{
    uint64_t next = DEADLINE_NEVER;
    if (!list_empty(&cpu->timers)) {
        next = LIST_ENTRY(cpu->timers.next, struct thread, timer_node)->deadline;
    }
    if (!list_empty(&cpu->ready) && cpu->current != cpu->idle && cpu->slice_end < next) {
        next = cpu->slice_end;
    }
    arch_timer_set(next);
}

/* --- the queue proper; it is locked
 * -------------------------------------------------------------------------- */

static void enqueue(struct cpu *cpu, struct thread *thread)
{
    thread->state = THREAD_READY;
    __atomic_store_n(&thread->cpu, cpu, __ATOMIC_RELEASE);
    list_append(&cpu->ready, &thread->ready_node);
    __atomic_store_n(&cpu->runnable, cpu->runnable + 1, __ATOMIC_RELAXED);
}

static void dequeue(struct cpu *cpu, struct thread *thread)
{
    list_remove(&thread->ready_node);
    __atomic_store_n(&cpu->runnable, cpu->runnable - 1, __ATOMIC_RELAXED);
}

static bool may_run_on(const struct thread *thread, const struct cpu *cpu)
{
    uint32_t affinity = __atomic_load_n(&thread->affinity, __ATOMIC_RELAXED);
    return affinity == CPU_ANY || affinity == cpu->number;
}

/* This CPU's queue has grown: switch at once from idling, else when the slice ends, for which the timer is
 * set. */
static void look_at_queue(struct cpu *cpu)
{
    if (cpu->current == cpu->idle) {
        __atomic_fetch_or(&cpu->pending, PENDING_RESCHEDULE, __ATOMIC_RELAXED);
    }
    timer_program(cpu);
}

static void notice(struct cpu *cpu)
{
    if (cpu == arch_this_cpu()) {
        look_at_queue(cpu);
    } else {
        arch_cpu_kick(cpu);
    }
}

void thread_kicked(void)
{
    struct cpu *cpu = arch_this_cpu();
    spin_lock(&cpu->queue_lock);
    if (!list_empty(&cpu->ready)) {
        look_at_queue(cpu);
    }
    spin_unlock(&cpu->queue_lock);
}

static uint32_t load_of(const struct cpu *cpu)
{
    return __atomic_load_n(&cpu->runnable, __ATOMIC_RELAXED);
}

/* The CPU with the least to do that the thread may run on; the preferred one among equals. */
static struct cpu *choose_cpu(const struct thread *thread, struct cpu *preferred)
{
    struct cpu *best = may_run_on(thread, preferred) ? preferred : NULL;
    for (unsigned i = 0; i < arch_cpu_count() && (best == NULL || load_of(best) > 0); i++) {
        if (may_run_on(thread, cpus[i]) && (best == NULL || load_of(cpus[i]) < load_of(best))) {
            best = cpus[i];
        }
    }
    return best;
}

void thread_start(struct thread *thread)
{
    struct cpu *cpu = choose_cpu(thread, arch_this_cpu());
    spin_lock(&cpu->queue_lock);
    enqueue(cpu, thread);
    notice(cpu);
    spin_unlock(&cpu->queue_lock);
}

/* --- switching
 * ------------------------------------------------------------------------------------------------ */

static void account_switch(struct cpu *cpu, struct thread *from, struct thread *to)
{
    uint64_t now = arch_clock();
    if (from == cpu->idle) {
        __atomic_store_n(&cpu->idle_time, cpu->idle_time + (now - cpu->idle_since), __ATOMIC_RELAXED);
    }
    __atomic_store_n(&from->run_time, from->run_time + (now - from->run_since), __ATOMIC_RELAXED);
    __atomic_store_n(&from->run_since, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&to->run_since, now, __ATOMIC_RELAXED);
    cpu->idle_since = to == cpu->idle ? now : 0;
    cpu->slice_end = now + THREAD_SLICE_NS;
    cpu->switches++;
    cpu->running_task = to->task != NULL ? to->task->number : 0;
}

/* The thread that ran before has left its stack: free it if it ended, and let the queue go. */
void thread_arrived(struct thread *from)
{
    struct cpu *cpu = arch_this_cpu();
    bool ended = from->state == THREAD_ENDED;
    spin_unlock(&cpu->queue_lock);
    if (ended) {
        thread_discard(from);
    }
}

/* Run `next` instead of the current thread. The queue is locked, and unlocked on return. */
static void switch_to(struct cpu *cpu, struct thread *next)
{
    struct thread *self = cpu->current;
    if (next == self) {
        timer_program(cpu);
        spin_unlock(&cpu->queue_lock);
        return;
    }
    account_switch(cpu, self, next);
    cpu->current = next;
    next->state = THREAD_RUNNING;
    timer_program(cpu);
    if (__atomic_load_n(&next->killed, __ATOMIC_SEQ_CST) != 0) {
        __atomic_fetch_or(&cpu->pending, PENDING_KILLED, __ATOMIC_RELAXED);
    }
    if (next->dying != NULL) {
        __atomic_fetch_or(&cpu->pending, PENDING_DYING, __ATOMIC_RELAXED);
    }
    aspace_load(next->task != NULL ? &next->task->space : NULL);
    thread_arrived(arch_thread_switch(self, next));
}

/* Take a thread that may run here from the longest of the other queues. */
static bool steal(struct cpu *cpu)
{
    struct cpu *victim = NULL;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        if (cpus[i] != cpu && load_of(cpus[i]) > 1 &&
            (victim == NULL || load_of(cpus[i]) > load_of(victim))) {
            victim = cpus[i];
        }
    }
    if (victim == NULL) {
        return false;
    }
    struct thread *found = NULL;
    spin_lock(&victim->queue_lock);
    LIST_FOR_EACH(node, &victim->ready)
    {
        struct thread *thread = LIST_ENTRY(node, struct thread, ready_node);
        if (may_run_on(thread, cpu)) {
            found = thread;
            break;
        }
    }
    if (found != NULL) {
        /* Between the queues it belongs to the new CPU, and whoever looks for it waits for that queue's lock.
         */
        dequeue(victim, found);
        __atomic_store_n(&found->cpu, cpu, __ATOMIC_RELEASE);
    }
    spin_unlock(&victim->queue_lock);
    if (found == NULL) {
        return false;
    }
    spin_lock(&cpu->queue_lock);
    enqueue(cpu, found);
    spin_unlock(&cpu->queue_lock);
    return true;
}

static struct thread *pick(struct cpu *cpu)
{
    if (list_empty(&cpu->ready)) {
        return cpu->idle;
    }
    struct thread *next = LIST_ENTRY(cpu->ready.next, struct thread, ready_node);
    list_remove(&next->ready_node); /* running threads still count as runnable */
    return next;
}

void queue_yield(void)
{
    struct cpu *cpu = arch_this_cpu();
    spin_lock(&cpu->queue_lock);
    __atomic_fetch_and(&cpu->pending, ~PENDING_RESCHEDULE, __ATOMIC_RELAXED);
    struct thread *self = cpu->current;
    if (!may_run_on(self, cpu) && self != cpu->idle) {
        spin_unlock(&cpu->queue_lock);
        thread_set_affinity(self->affinity);
        return;
    }
    if (list_empty(&cpu->ready)) {
        timer_program(cpu);
        spin_unlock(&cpu->queue_lock);
        return;
    }
    if (self != cpu->idle) {
        self->state = THREAD_READY;
        list_append(&cpu->ready, &self->ready_node);
    }
    switch_to(cpu, pick(cpu));
}

enum error queue_block(uint64_t deadline)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread *self = cpu->current;
    ASSERT(cpu->locks_held == 0 && cpu->hazards[0] == NULL);
    spin_lock(&cpu->queue_lock);
    if (self->woken || __atomic_load_n(&self->killed, __ATOMIC_SEQ_CST) != 0) {
        enum error reason = self->woken ? self->wake_reason : ERR_CANCELLED;
        self->woken = false;
        spin_unlock(&cpu->queue_lock);
        return reason;
    }
    self->state = THREAD_BLOCKED;
    self->deadline = deadline;
    __atomic_store_n(&cpu->runnable, cpu->runnable - 1, __ATOMIC_RELAXED);
    if (deadline != DEADLINE_NEVER) {
        timer_insert(cpu, self);
    }
    switch_to(cpu, pick(cpu));
    return self->wake_reason;
}

void queue_leave(enum thread_state state)
{
    struct cpu *cpu = arch_this_cpu();
    spin_lock(&cpu->queue_lock);
    cpu->current->state = state;
    __atomic_store_n(&cpu->runnable, cpu->runnable - 1, __ATOMIC_RELAXED);
    switch_to(cpu, pick(cpu));
}

/* Make a blocked thread ready on the CPU that suits it best. Its queue is locked, and unlocked on return. */
static void wake_locked(struct cpu *home, struct thread *thread, enum error reason)
{
    thread->wake_reason = reason;
    thread->woken = false;
    list_remove(&thread->timer_node);
    struct cpu *cpu = choose_cpu(thread, home);
    if (cpu == home) {
        enqueue(home, thread);
        notice(home);
        spin_unlock(&home->queue_lock);
        return;
    }
    thread->state = THREAD_NEW; /* in no queue: nobody else takes it up meanwhile */
    __atomic_store_n(&thread->cpu, cpu, __ATOMIC_RELEASE);
    spin_unlock(&home->queue_lock);
    spin_lock(&cpu->queue_lock);
    enqueue(cpu, thread);
    notice(cpu);
    spin_unlock(&cpu->queue_lock);
}

void thread_wake(struct thread *thread, enum error reason)
{
    struct cpu *home = queue_lock_of(thread);
    if (thread->state == THREAD_BLOCKED) {
        wake_locked(home, thread, reason);
        return;
    }
    if (!thread->woken) {
        thread->woken = true;
        thread->wake_reason = reason;
    }
    spin_unlock(&home->queue_lock);
}

void queue_notice_kill(struct thread *thread)
{
    if (__atomic_load_n(&thread->cpu, __ATOMIC_ACQUIRE) == NULL) {
        return; /* not started */
    }
    struct cpu *home = queue_lock_of(thread);
    if (thread->state == THREAD_BLOCKED) {
        wake_locked(home, thread, ERR_CANCELLED);
        return;
    }
    if (thread->state == THREAD_RUNNING) {
        __atomic_fetch_or(&home->pending, PENDING_KILLED, __ATOMIC_SEQ_CST);
        if (home != arch_this_cpu()) {
            arch_cpu_kick(home);
        }
    }
    spin_unlock(&home->queue_lock);
}

void thread_set_affinity(uint32_t number)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread *self = cpu->current;
    __atomic_store_n(&self->affinity, number, __ATOMIC_RELAXED);
    if (may_run_on(self, cpu)) {
        return;
    }
    /* Block, and let the other CPU find us woken: the path that moves blocked threads moves this one too. */
    thread_wait_begin();
    spin_lock(&cpu->queue_lock);
    self->state = THREAD_BLOCKED;
    self->deadline = arch_clock();
    __atomic_store_n(&cpu->runnable, cpu->runnable - 1, __ATOMIC_RELAXED);
    timer_insert(cpu, self);
    switch_to(cpu, pick(cpu));
}

void thread_timer_tick(void)
{
    struct cpu *cpu = arch_this_cpu();
    cpu->timer_armed = DEADLINE_NEVER;
    uint64_t now = arch_clock();
    spin_lock(&cpu->queue_lock);
    while (!list_empty(&cpu->timers)) {
        struct thread *thread = LIST_ENTRY(cpu->timers.next, struct thread, timer_node);
        if (thread->deadline > now) {
            break;
        }
        wake_locked(cpu, thread, ERR_TIMED_OUT);
        spin_lock(&cpu->queue_lock);
    }
    if (!list_empty(&cpu->ready) && (cpu->current == cpu->idle || now >= cpu->slice_end)) {
        __atomic_fetch_or(&cpu->pending, PENDING_RESCHEDULE, __ATOMIC_RELAXED);
    }
    timer_program(cpu);
    spin_unlock(&cpu->queue_lock);
}

void thread_adopt_idle(struct cpu *cpu)
{
    static struct thread idle_threads[CPU_MAX];
    struct thread *idle = &idle_threads[cpu->number];
    idle->name = "idle";
    idle->stack_top = cpu->kernel_stack;
    idle->cpu = cpu;
    idle->state = THREAD_RUNNING;
    idle->affinity = cpu->number;
    list_init(&idle->ready_node);
    list_init(&idle->timer_node);
    idle->run_since = cpu->idle_since = arch_clock();
    cpu->idle = cpu->current = idle;
}

static bool nothing_to_do(const struct cpu *cpu)
{
    return __atomic_load_n(&cpu->pending, __ATOMIC_RELAXED) == 0 && list_empty(&cpu->ready);
}

void thread_become_idle(struct cpu *cpu)
{
    for (;;) {
        if ((__atomic_exchange_n(&cpu->pending, 0, __ATOMIC_SEQ_CST) & PENDING_DYING) != 0) {
            objects_bury();
        }
        steal(cpu);
        queue_yield();
        while (nothing_to_do(cpu) && (zeroed_refill() || frame_tidy())) {
            arch_interrupt_window();
        }
        frame_debug_idle();
        if (nothing_to_do(cpu)) {
            arch_idle();
        }
    }
}
