/*
 * The scheduler, as its own files and the architecture see it.
 *
 * Each CPU has a run queue and decides alone who runs next: the highest rank in it, round robin inside one
 * rank, a slice for each turn. What keeps the highest of all running, on CPUs that they may run on:
 *
 *   - who becomes ready, or higher, goes to an idle CPU, else to the one that runs the lowest, if that is
 * lower than itself (place.c), and pre-empts at once, by interrupt if that is another CPU;
 *   - who is pre-empted looks for another CPU in the same way;
 *   - a CPU that comes to run something lower than before looks for something higher that waits elsewhere
 *     (place.c), which for an idle CPU is anything.
 *
 * For the last two, each CPU publishes what it runs, and the highest that waits there and may go elsewhere.
 *
 * A queue's lock is held across the switch of stacks and released by the thread that arrives, so nobody can
 * take a thread elsewhere before its registers are saved. No two queues are locked at once: a thread that
 * goes from one to another belongs to the new CPU, in the state THREAD_MOVING, until it is in that queue.
 */
#ifndef QUIRE_KERNEL_SCHED_H
#define QUIRE_KERNEL_SCHED_H

#include "kernel/sched/thread.h"

/* --- boot and the architecture --- */

/* Set up the queue of a CPU that does not run threads yet. */
void sched_init(struct cpu *cpu);

/* Make the code that runs on this CPU, on its first stack, its idle thread. But for the first CPU the record
 * of zeros for it is there, in cpu->idle. */
void sched_adopt_idle(struct cpu *cpu);

/* What the idle thread does for good. */
_Noreturn void sched_idle(struct cpu *cpu);

/* From the assembly, first thing in a new thread: finish the switch. */
void thread_arrived(struct thread *from);

/* The interrupt of arch_cpu_kick: something has changed in this CPU's queue, or for the one that runs. */
void sched_kicked(void);

/* The timer interrupt of this CPU. */
void sched_timer_tick(void);

/* --- what CPUs tell each other; atomic, each CPU's own entries written under its queue lock --- */

/* The highest rank that the CPU runs or has ready, and the highest that is ready and may move; 0 for none. */
extern uint16_t cpu_busy_rank[CPU_MAX];
extern uint16_t cpu_movable_rank[CPU_MAX];

void sched_publish_to_others(struct cpu *cpu);

/* After each change of a queue, before its lock is released. */
static inline void sched_publish(struct cpu *cpu)
{
    if (arch_cpu_count() > 1) {
        sched_publish_to_others(cpu);
    }
}

/* Lock the queue of any CPU. */
static inline void sched_lock(struct cpu *cpu)
{
    spin_lock_ranked(&cpu->queue_lock, LOCK_RUN_QUEUE);
}

static inline void sched_unlock(struct cpu *cpu)
{
    spin_unlock_ranked(&cpu->queue_lock, LOCK_RUN_QUEUE);
}

/* --- between the files; the queue is locked --- */

/* Lock the queue of the CPU that a thread belongs to, which can change until it is locked. */
static inline struct cpu *sched_lock_of(struct thread *thread)
{
    for (;;) {
        struct cpu *cpu = __atomic_load_n(&thread->cpu, __ATOMIC_ACQUIRE);
        sched_lock(cpu);
        if (__builtin_expect(__atomic_load_n(&thread->cpu, __ATOMIC_RELAXED) == cpu, 1)) {
            return cpu;
        }
        sched_unlock(cpu);
    }
}

static inline struct thread *thread_of_entry(struct run_entry *entry)
{
    return LIST_ENTRY(entry, struct thread, entry);
}

static inline bool thread_may_run_on(const struct thread *thread, const struct cpu *cpu)
{
    return cpu_mask_has(&thread->affinity, cpu->number);
}

/* For a trace: the first 32 CPUs that a thread may run on, in the upper half. */
static inline uint64_t trace_cpus(const struct thread *thread)
{
    return thread->affinity.words[0] << 32;
}

/* The rank that counts for a thread, of its priority and all else. */
static inline uint16_t thread_rank(const struct thread *thread)
{
    uint16_t own = thread->exhausted ? RANK_EXHAUSTED : rank_of_priority(thread->priority);
    return thread->lent > own ? thread->lent : own;
}

/* What its rank follows from has changed. Nothing but locks of objects is held. */
void thread_update_rank(struct thread *thread);

/* It has come to its end: it lends to nobody, and nobody to it. */
void thread_lend_leave(struct thread *thread);

/* A record of zeros becomes that of a new thread. */
void thread_init(struct thread *thread, const char *name, uint8_t priority);

/* The calling thread is suspended: stop until that is over. Nothing is locked. */
void thread_stop_here(void);

/* Run the next thread instead of the current one, whose state has changed. Unlocks. */
void sched_switch_away(struct cpu *cpu);

/* Sleep: the current thread becomes BLOCKED, or STOPPED, until somebody makes it ready. Unlocks. */
void sched_block(struct cpu *cpu, enum thread_state state, uint64_t deadline, uint64_t slack);

/*
 * Where nothing stands against it, let a thread that is parked on this CPU run at once, and park the current
 * one: that needs no queue. False when something does. Takes the lock itself.
 */
bool sched_hand_over(struct thread *thread, uint64_t deadline, enum error *reason);

/* Stop running for good. */
_Noreturn void sched_leave(void);

/* Something higher may be ready, or the turn over: look, and switch if so. Takes the lock itself. */
void sched_reschedule(void);

/* Let a thread run that is in no queue, and belongs to `home`; that is locked, and unlocked on return. */
void sched_make_ready(struct cpu *home, struct thread *thread);

/* The same for one that begins, which goes to where the least is to do. Nothing is locked. */
void sched_place_new(struct thread *thread);

/* The current thread's state is THREAD_MOVING, and it has left its stack: see to it. Nothing is locked. */
void sched_place_moving(struct thread *thread);

/* A thread that sleeps, in whatever way, becomes ready; its queue is unlocked on return. */
void sched_wake_locked(struct cpu *home, struct thread *thread, enum error reason);

/* Is there a CPU on which this thread would run at once, other than the one it is on? */
bool sched_better_place(const struct thread *thread, const struct cpu *than);

/* Where a thread at the end of its turn goes, so that all have about as much to do: a CPU, or NULL to stay.
 */
struct cpu *sched_should_move(struct cpu *cpu, struct thread *thread, uint64_t now);

/* The rank that counts has changed, or the CPUs that it may run on. Locked, unlocked on return. */
void sched_reconsider(struct cpu *home, struct thread *thread, uint16_t rank);

/* Take something higher than what runs here from another queue. Nothing is locked. */
bool sched_pull(struct cpu *cpu);

/* --- budgets; thread_budget.c. The queue is locked --- */

/* The current thread begins to run, or stops, at this time. It has a budget. */
void sched_budget_begin(struct cpu *cpu, struct thread *thread, uint64_t now);
void sched_budget_pause(struct thread *thread, uint64_t now);

/* The timer has come: is the current thread's budget used up? */
void sched_budget_check(struct cpu *cpu, uint64_t now);

/* Nothing is locked: the thread ends, or its record goes. */
void thread_budget_leave(struct thread *thread);
void thread_budget_free(struct thread *thread);

/* Make the CPU look at its queue on its way to user mode, or out of idling. */
void sched_request(struct cpu *cpu);

#endif
