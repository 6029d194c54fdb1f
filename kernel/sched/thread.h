/*
 * Threads: the kernel's own and those of tasks. A thread belongs to one CPU's queue at a time.
 *
 * Waiting. A thread that waits on an object enters the object's list of waiters under the object's lock, then
 * calls thread_block. Whoever has what it waits for takes it out of the list under the same lock and calls
 * thread_wake. The deadline and a kill wake it too; it then finds itself still in the list and leaves it,
 * under the lock. So a wake-up is never lost and never comes late: after the thread has taken the object's
 * lock once more, nobody remembers it. thread_wait_begin forgets a wake-up that came before.
 */
#ifndef QUIRE_KERNEL_THREAD_H
#define QUIRE_KERNEL_THREAD_H

#include "abi/error.h"
#include "kernel/arch/arch.h"
#include "kernel/lib/list.h"
#include "kernel/sched/cpu.h"

struct account;
struct object;
struct task;

enum thread_state {
    THREAD_NEW,
    THREAD_READY,
    THREAD_RUNNING,
    THREAD_BLOCKED,
    THREAD_ENDED,
};

#define DEADLINE_NEVER UINT64_MAX
#define CPU_ANY        UINT32_MAX

/* How long a thread runs while others of its CPU are ready. */
#define THREAD_SLICE_NS 10000000u

struct thread {
    /* Known to assembly. Owning CPU only. */
    uint64_t stack_pointer;

    /* Set once. */
    uint64_t stack_top;
    struct task *task;       /* NULL for a thread of the kernel; holds a reference */
    struct account *account; /* that paid for it */
    void *vectors;           /* wide registers while it does not run; NULL for a thread of the kernel */
    uint32_t number;
    const char *name;

    /* Owning CPU only. */
    struct arch_thread arch;

    /* Guarded by the queue lock of its CPU. */
    struct cpu *cpu; /* atomic to read */
    enum thread_state state;
    bool woken;             /* a wake-up came before it blocked */
    enum error wake_reason; /* what thread_block returns */
    uint64_t deadline;
    struct list ready_node;
    struct list timer_node;

    /* Atomic. */
    uint32_t killed;
    uint32_t affinity; /* CPU number or CPU_ANY */

    /* Guarded by the lock of the object it waits for. */
    struct list wait_node;
    uint64_t wait_mask;
    uint64_t wait_result;

    /* Guarded by the task's lock. */
    struct list task_node;

    /* Owning CPU only. */
    uint64_t run_time;
    uint64_t run_since;
    uint64_t user_entry;
    uint64_t user_stack;
    uint64_t user_argument;
    uint64_t lack;        /* what its last refused charge lacked: abi/account.h */
    uint32_t inject_left; /* its n-th charge or allocation from now fails: debug/inject.h */
    struct object *dying; /* objects whose last reference it dropped, to be destroyed on its way out */
};

/* The thread that runs this code. */
static inline struct thread *thread_current(void)
{
    return arch_this_cpu()->current;
}

/*
 * Create a thread of the kernel that runs start(argument), on this CPU or any (CPU_ANY). It does not run
 * before thread_start. ERR_NO_MEMORY. It ends with thread_exit.
 */
enum error thread_create(const char *name, void (*start)(void *), void *argument, uint32_t affinity,
                         struct thread **out) MUST_CHECK;

/* The same for a user thread of a task: it begins at entry with this stack pointer and argument. */
enum error thread_create_user(struct task *task, uint64_t entry, uint64_t stack, uint64_t argument,
                              struct thread **out) MUST_CHECK;

/* Give up a thread that was never started. */
void thread_discard(struct thread *thread);

/* Put a new thread into the queue of the CPU with the least to do among those it may run on. */
void thread_start(struct thread *thread);

/* End the calling thread. */
_Noreturn void thread_exit(void);

/* Let the next ready thread of this CPU run, if there is one. */
void thread_yield(void);

/* Before entering an object's list of waiters. */
void thread_wait_begin(void);

/*
 * Wait for thread_wake; returns its reason, ERR_TIMED_OUT when the deadline passes first, or ERR_CANCELLED
 * when the thread is killed. Holds no lock.
 */
enum error thread_block(uint64_t deadline) MUST_CHECK;

/* Wake a thread that waits or is about to. May be called with the lock of the object that it waits for. */
void thread_wake(struct thread *thread, enum error reason);

/* Mark a thread as killed and see to it that it notices, wherever it is. */
void thread_kill(struct thread *thread);

/* Let interrupts in and others run, in the middle of something long; holds no lock. ERR_CANCELLED when
 * killed. */
enum error thread_preemption_point(void) MUST_CHECK;

/* Run only on this CPU from now on (CPU_ANY for all); the calling thread moves at once. */
void thread_set_affinity(uint32_t number);

/* On the way to user mode when something is pending: destroy objects, switch threads, or end this one. */
void thread_before_user(void);

/* From the assembly, first thing in a new thread: finish the switch. */
void thread_arrived(struct thread *from);

/* The interrupt of arch_cpu_kick: another CPU has put a thread into this one's queue, or killed the one that
 * runs. */
void thread_kicked(void);

/* The timer interrupt of this CPU. */
void thread_timer_tick(void);

/* Make the code that runs on this CPU, on its first stack, its idle thread. */
void thread_adopt_idle(struct cpu *cpu);

/* What the idle thread does for good. */
_Noreturn void thread_become_idle(struct cpu *cpu);

/* Threads that there are, idle ones apart; one counts until all that it held is given back. */
uint32_t thread_count(void);

/* Time that the thread has run, and the number of its CPU. Any CPU may ask; the value may be a little old. */
uint64_t thread_run_time(const struct thread *thread);

#endif
