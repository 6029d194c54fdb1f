/*
 * Threads: the kernel's own and those of tasks. How they wait is in wait.h, who runs when in sched.h.
 *
 * A thread is an object: it lives until it has ended and nobody refers to it any more. Its stack and
 * registers go when it ends.
 *
 * At any moment a thread belongs to one CPU, whose queue lock guards its state:
 *
 *     NEW ------> READY <-----> RUNNING -----> ENDED
 *                   ^            |  |  \
 *                   |  wake      |  |   `--> MOVING   to another CPU; READY there at once
 *                   +-- BLOCKED <-  `------> STOPPED  suspended, on its way to user mode
 *                   `---------------------------'
 */
#ifndef QUIRE_KERNEL_THREAD_H
#define QUIRE_KERNEL_THREAD_H

#include "abi/error.h"
#include "abi/system.h"
#include "kernel/arch/arch.h"
#include "kernel/lib/list.h"
#include "kernel/obj/object.h"
#include "kernel/sched/cpu.h"
#include "kernel/sched/lend.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/timer.h"
#include "kernel/sched/wait.h"

struct account;
struct budget;
struct task;

enum thread_state {
    THREAD_NEW,
    THREAD_READY,
    THREAD_RUNNING,
    THREAD_BLOCKED,
    THREAD_STOPPED,
    THREAD_MOVING,
    THREAD_ENDED,
};

#define CPU_ANY UINT32_MAX

/* How long a thread runs while others of its rank are ready on its CPU, unless it is told otherwise. */
#define THREAD_SLICE_NS 10000000u
#define SLICE_LEAST_NS  100000u
#define SLICE_MOST_NS   10000000000u

#define PRIORITY_DEFAULT 128u
#define PRIORITY_ROOT    192u
#define PRIORITY_HIGHEST 255u

/* What a thread has to see to on its way to user mode. */
#define ATTENTION_KILLED  1u
#define ATTENTION_SUSPEND 2u
#define ATTENTION_BUDGET  4u /* not that: it has a budget, so its turns begin the long way */
#define ATTENTION_DYING   8u /* it has objects to destroy */

struct thread {
    struct object object; /* its account pays for the thread */

    /* Known to assembly. Owning CPU only. */
    uint64_t stack_pointer;

    /* Set once. */
    uint64_t stack_top;
    struct task *task;    /* NULL for a thread of the kernel; holds a reference until the end */
    struct aspace *space; /* the task's; NULL without */
    void *vectors;        /* wide registers while it does not run; NULL for a thread of the kernel */
    uint32_t number;
    uint32_t task_number; /* 0 for a thread of the kernel */
    char name[TASK_NAME];

    /* Owning CPU only. */
    struct arch_thread arch;

    /* Guarded by the queue lock of its CPU. */
    struct cpu *cpu;        /* atomic to read */
    uint32_t state;         /* enum thread_state */
    enum error wake_reason; /* what ended its sleep: ERR_NONE for a waker */
    bool woken;             /* a wake-up came before it blocked */
    bool permit;            /* of thread_park */
    bool parked;            /* it waits in thread_park */
    bool exhausted;         /* its budget is used up */
    uint8_t priority;       /* its own */
    struct run_entry entry; /* with the rank that counts: own, lent, or exhausted */
    struct cpu_mask affinity;
    uint64_t slice;        /* nanoseconds */
    uint64_t slice_left;   /* of the turn that it has begun */
    struct timer timer;    /* of its wait */
    uint16_t lent;         /* the highest rank that is lent to it, 0 for none */
    struct budget *budget; /* NULL until it is given one */
    uint32_t suspensions;
    uint64_t run_time; /* until it last left the CPU */

    /* Guarded by the lock of the list of all threads. */
    struct list all_node;

    uint32_t attention; /* ATTENTION_*; atomic */
    bool leaving;       /* it has been told to end, or ends, and is counted as going; atomic */

    /* Guarded by the lock of the queue that it waits in. */
    struct list wait_node;
    uint64_t wait_mask;
    uint64_t wait_result;
    enum error wait_reason; /* what its waker gave */
    const char *waits_for;  /* in a word; atomic */

    /* Guarded by end_lock. */
    struct spinlock end_lock;
    struct wait_queue joiners;
    struct thread_end end; /* how it ends; kind 0 until that is known */
    bool over;             /* it has ended */
    bool given_back;       /* its stack and registers, too; atomic */

    /* Guarded by the lock of lending. */
    struct lend_node lend;

    /* Guarded by the task's lock. */
    struct list task_node;

    /* Owning CPU only. */
    uint64_t user_entry;
    uint64_t user_stack;
    uint64_t user_argument;
    uint64_t lack;        /* what its last refused charge lacked: abi/account.h */
    uint32_t inject_left; /* its n-th charge or allocation from now fails: debug/inject.h */
    struct object *dying; /* objects whose last reference it dropped, to be destroyed on its way out */
};

OBJECT_WRAPPERS(thread)
void thread_destroy(struct object *object);

/* The thread that runs this code. */
static inline struct thread *thread_current(void)
{
    return arch_this_cpu()->current;
}

/*
 * Create a thread of the kernel that runs start(argument), on this CPU or any (CPU_ANY), with
 * PRIORITY_DEFAULT. It does not run before thread_start, which takes over the reference. ERR_NO_MEMORY. It
 * ends with thread_exit.
 */
enum error thread_create(const char *name, void (*start)(void *), void *argument, uint32_t affinity,
                         struct thread **out) MUST_CHECK;

/* The same for a user thread of a task: it begins at entry with this stack pointer and argument. */
enum error thread_create_user(struct task *task, uint64_t entry, uint64_t stack, uint64_t argument,
                              struct thread **out) MUST_CHECK;

/* Give back what a thread needs to run: of one that was never started, or has ended and left its stack.
 * Nothing is locked. Lets nobody run in between. */
void thread_discard(struct thread *thread);

/* Let a new thread run, on the CPU that suits it best. Takes over a reference, which its end gives back. */
void thread_start(struct thread *thread);

/* End the calling thread. */
_Noreturn void thread_exit(void);

/*
 * Wait until the thread has ended, and its stacks and registers are given back; how it did comes in *end.
 * ERR_TIMED_OUT; ERR_CANCELLED when the caller is killed; ERR_BAD_ARGUMENT for the caller itself.
 */
enum error thread_join(struct thread *thread, uint64_t deadline, struct thread_end *end) MUST_CHECK;

/* --- what may be done to a thread in any state, by anyone; control.c --- */

/* It ends on its way to user mode, and does not wait any more. The reason that is given first counts. */
void thread_end(struct thread *thread, uint32_t kind, uint32_t status);
void thread_kill(struct thread *thread, uint32_t status);

/*
 * It runs no code of user mode any more when this returns, until thread_resume has been called as often. A
 * wait in the kernel goes on. The calling thread stops on its way to user mode. ERR_LIMIT; ERR_DEAD. In two
 * halves: the queue of its CPU is locked in between.
 */
enum error thread_suspend_prepare(struct thread *thread, struct cpu **home) MUST_CHECK;
void thread_suspend_commit(struct thread *thread, struct cpu *home);

/* ERR_BAD_ARGUMENT when it is not suspended. */
enum error thread_resume_prepare(struct thread *thread, struct cpu **home) MUST_CHECK;
void thread_resume_commit(struct thread *thread, struct cpu *home);

/* The same as suspending it for one that has not been started. */
void thread_begin_suspended(struct thread *thread);

/* Takes effect at once, whoever runs where. */
void thread_set_priority(struct thread *thread, uint8_t priority);

/* From its next turn on. */
void thread_set_slice(struct thread *thread, uint64_t nanoseconds);

/*
 * Run only on these CPUs from now on. The calling thread, and one that is ready, moves at once; one that runs
 * elsewhere as soon as an interrupt reaches it. One of them is up.
 */
void thread_use_cpus(struct thread *thread, const struct cpu_mask *mask);

/*
 * Let it run by its priority for no more than `quantum` nanoseconds in each `period`; beyond that it runs
 * only when nothing else would (budget.h). A period of 0 takes the budget away. The first half makes the
 * record of it, once a thread, charged to who paid for the thread: NULL when there is one. ERR_LIMIT,
 * ERR_NO_MEMORY.
 */
enum error thread_budget_prepare(struct thread *thread, struct budget **fresh) MUST_CHECK;
void thread_budget_commit(struct thread *thread, struct budget *fresh, uint64_t period, uint64_t quantum);

/* The calling thread: on this CPU only, which is up, or on any (CPU_ANY). */
void thread_bind(uint32_t number);

/* --- lending, for who makes threads wait for each other; thread_lend.c. Locks of objects may be held --- */

/*
 * `from` waits for `to`: that one runs with the rank of the highest of all that wait for it, whoever they
 * wait through. One who lends already: ERR_EXISTS; a cycle: ERR_BAD_ARGUMENT; ERR_LIMIT when `to` is at the
 * end of a long chain; ERR_DEAD. Nothing is changed then.
 */
enum error thread_lend(struct thread *from, struct thread *to) MUST_CHECK;

/* It waits no more, for whatever reason. The end of a thread does the same, on both sides. */
void thread_lend_end(struct thread *from);

/* It will be gone in a moment: counted, once, among those that leave, until it has been given back. */
static inline void thread_note_leaving(struct thread *thread)
{
    if (!__atomic_exchange_n(&thread->leaving, true, __ATOMIC_RELAXED)) {
        object_note_leaving(arch_this_cpu());
    }
}

/* --- the calling thread --- */

/* Let others of the same rank, which are ready on this CPU, run first. */
void thread_yield(void);

/* Is a preemption point due, or would it say that the thread is killed? */
static inline bool thread_must_give_way(void)
{
    return (__atomic_load_n(&arch_this_cpu()->pending, __ATOMIC_RELAXED) & PENDING_RESCHEDULE) != 0 ||
           (__atomic_load_n(&thread_current()->attention, __ATOMIC_RELAXED) & ATTENTION_KILLED) != 0;
}

/* Let interrupts in and others run, in the middle of something long; holds no lock. ERR_CANCELLED when
 * killed. */
enum error thread_preemption_point(void) MUST_CHECK;

/* On the way to user mode when something is pending: switch threads, stop, or end this one. */
void thread_before_user(void);

/* --- figures --- */

/* Threads that there are, idle ones apart; one counts until all that it held is given back. */
uint32_t thread_count(void);

/* When the first thread of all went to user mode; 0 before. */
uint64_t thread_first_user(void);

/* The thread with this number, or the next one; false at the end. */
bool thread_describe(uint64_t *number, struct system_thread *out);

/* Time that the thread has run. Any CPU may ask. */
uint64_t thread_run_time(struct thread *thread);

#endif
