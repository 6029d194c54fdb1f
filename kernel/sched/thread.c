/*
 * The life of a thread; see thread.h.
 */
#include "kernel/sched/thread.h"

#include "kernel/debug/panic.h"
#include "kernel/debug/trace.h"
#include "kernel/mm/charged.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/stacks.h"
#include "kernel/obj/object.h"
#include "kernel/obj/task.h"
#include "kernel/sched/sched.h"
#include "lib/text.h"

static struct spinlock all_lock = SPINLOCK("list of threads", LOCK_THREAD_LIST);

/* Guarded by all_lock. All threads but the idle ones, in the order of their numbers. */
static struct list all_threads = {&all_threads, &all_threads};
static uint32_t next_number;

static uint32_t alive; /* atomic */

void thread_destroy(struct object *object)
{
    struct thread *thread = (struct thread *)object;
    spin_lock(&all_lock);
    list_remove(&thread->all_node);
    spin_unlock(&all_lock);
    thread_budget_free(thread);
    object_free(object);
}

static void wait_timed_out(struct cpu *cpu, struct timer *timer)
{
    sched_wake_locked(cpu, LIST_ENTRY(timer, struct thread, timer), ERR_TIMED_OUT);
    sched_lock(cpu);
}

void thread_init(struct thread *thread, const char *name, uint8_t priority)
{
    for (unsigned i = 0; name[i] != 0 && i + 1 < sizeof(thread->name); i++) {
        thread->name[i] = name[i];
    }
    list_init(&thread->all_node);
    thread->priority = priority;
    thread->entry.rank = rank_of_priority(priority);
    thread->slice = THREAD_SLICE_NS;
    thread->slice_left = THREAD_SLICE_NS;
    thread->affinity = cpu_mask_all();
    thread->entry.movable = arch_cpu_count() > 1;
    thread->cpu = arch_this_cpu();
    lend_init(&thread->lend, thread->entry.rank);
    timer_init(&thread->timer, wait_timed_out);
    spin_init(&thread->end_lock, "end of a thread", LOCK_NOTIFICATION);
    wait_queue_init(&thread->joiners);
    list_init(&thread->wait_node);
    list_init(&thread->task_node);
}

#define STACK_FRAMES (STACK_SIZE / PAGE_SIZE)

/* The stack of a thread is charged as long as the thread has it; where it comes from, nobody pays for it. */
static enum error stack_take(struct account *account, uint64_t *top)
{
    enum error error = account_charge(account, RESOURCE_FRAMES, STACK_FRAMES);
    if (error != ERR_NONE) {
        return error;
    }
    error = stack_alloc(top);
    if (error != ERR_NONE) {
        account_refund(account, RESOURCE_FRAMES, STACK_FRAMES);
    }
    return error;
}

static enum error thread_make(struct account *account, const char *name, struct thread **out)
{
    struct object *object;
    enum error error = object_create(OBJECT_THREAD, account, &object);
    if (error != ERR_NONE) {
        return error;
    }
    struct thread *thread = (struct thread *)object;
    error = stack_take(account, &thread->stack_top);
    if (error != ERR_NONE) {
        object_free(object);
        return error;
    }
    thread_init(thread, name, PRIORITY_DEFAULT);
    spin_lock(&all_lock);
    thread->number = ++next_number;
    list_append(&all_threads, &thread->all_node);
    spin_unlock(&all_lock);
    __atomic_fetch_add(&alive, 1, __ATOMIC_RELAXED);
    *out = thread;
    return ERR_NONE;
}

enum error thread_create(const char *name, void (*start)(void *), void *argument, uint32_t affinity,
                         struct thread **out)
{
    enum error error = thread_make(&kernel_account, name, out);
    if (error == ERR_NONE) {
        arch_thread_prepare(*out, start, argument);
        if (affinity != CPU_ANY) {
            (*out)->affinity = cpu_mask_of(affinity);
            (*out)->entry.movable = false;
        }
    }
    return error;
}

static uint64_t first_user; /* atomic */

uint64_t thread_first_user(void)
{
    return __atomic_load_n(&first_user, __ATOMIC_RELAXED);
}

static void user_begin(void *argument)
{
    struct thread *thread = argument;
    thread_before_user();
    if (thread_first_user() == 0) {
        __atomic_store_n(&first_user, arch_clock(), __ATOMIC_RELAXED);
    }
    arch_enter_user(thread->user_entry, thread->user_stack, thread->user_argument);
}

enum error thread_create_user(struct task *task, uint64_t entry, uint64_t stack, uint64_t argument,
                              struct thread **out)
{
    struct thread *thread;
    enum error error = thread_make(task->account, task->name, &thread);
    if (error != ERR_NONE) {
        return error;
    }
    error = arch_thread_user_init(thread);
    if (error != ERR_NONE) {
        thread_discard(thread);
        return error;
    }
    thread->user_entry = entry;
    thread->user_stack = stack;
    thread->user_argument = argument;
    thread->task = task;
    thread->space = &task->space;
    thread->task_number = task->number;
    task_retain(task);
    arch_thread_prepare(thread, user_begin, thread);
    *out = thread;
    return ERR_NONE;
}

/* What a thread needs to run goes back; the record of it stays as long as somebody refers to it. */
void thread_discard(struct thread *thread)
{
    struct task *task = thread->task;
    arch_thread_user_free(thread);
    stack_free(thread->stack_top);
    account_refund(thread->object.account, RESOURCE_FRAMES, STACK_FRAMES);
    thread->task = NULL;
    if (task != NULL) {
        task_release(task);
    }
    __atomic_fetch_sub(&alive, 1, __ATOMIC_RELEASE);
    /* Now: who has waited for it counts nothing of it any more. */
    __atomic_store_n(&thread->given_back, true, __ATOMIC_RELEASE);
    thread_release(thread);
}

uint32_t thread_count(void)
{
    return __atomic_load_n(&alive, __ATOMIC_ACQUIRE);
}

void thread_start(struct thread *thread)
{
    uint64_t name;
    memcpy(&name, thread->name, sizeof(name));
    trace(TRACE_THREAD, 0, thread->number | (uint64_t)thread->task_number << 32, name);
    sched_place_new(thread);
}

void thread_exit(void)
{
    struct thread *self = thread_current();
    thread_note_leaving(self); /* before anybody hears of its end */
    self->space =
        NULL; /* before the task hears of it: its last thread waits until no CPU has the space loaded */
    aspace_load(NULL);
    if (self->task != NULL) {
        task_thread_ended(self->task, self);
    }
    thread_lend_leave(self);
    objects_bury(); /* which may let interrupts in: before the budget's timer goes for good */
    thread_budget_leave(self);
    spin_lock(&self->end_lock);
    if (self->end.kind == 0) {
        self->end.kind = END_EXIT;
    }
    self->over = true;
    wait_wake_all(&self->joiners, ERR_NONE);
    spin_unlock(&self->end_lock);
    sched_leave();
}

enum error thread_join(struct thread *thread, uint64_t deadline, struct thread_end *end)
{
    enum error error = ERR_NONE;
    if (thread == thread_current()) {
        return ERR_BAD_ARGUMENT;
    }
    spin_lock(&thread->end_lock);
    if (thread->over) {
        spin_unlock(&thread->end_lock);
    } else {
        error = wait_on(&thread->joiners, &thread->end_lock, "a thread's end", deadline, 0);
    }
    /* It leaves its CPU just now, with interrupts off: on this CPU before this, on another one at the same
     * time. */
    while (error == ERR_NONE && !__atomic_load_n(&thread->given_back, __ATOMIC_ACQUIRE)) {
        arch_spin_wait();
    }
    *end = thread->end; /* once it is over it does not change */
    return error;
}

static uint64_t run_time_locked(const struct cpu *cpu, const struct thread *thread)
{
    return thread->run_time + (cpu->current == thread ? arch_clock() - cpu->switched : 0);
}

static void describe(struct thread *thread, struct system_thread *out)
{
    struct cpu *cpu = sched_lock_of(thread);
    const char *waits_for = __atomic_load_n(&thread->waits_for, __ATOMIC_RELAXED);
    uint16_t rank = thread->entry.rank;
    *out = (struct system_thread){
        .number = thread->number,
        .task = thread->task_number,
        .cpu = cpu->number,
        .state = thread->state,
        .priority = thread->priority,
        .counted = rank > RANK_EXHAUSTED ? rank - rank_of_priority(0) : UINT32_MAX,
        .cpu_time = run_time_locked(cpu, thread),
    };
    sched_unlock(cpu);
    text_format(out->waits_for, sizeof(out->waits_for), "%s", waits_for != NULL ? waits_for : "");
    memcpy(out->name, thread->name, sizeof(out->name));
}

bool thread_describe(uint64_t *number, struct system_thread *out)
{
    bool found = false;
    spin_lock(&all_lock);
    LIST_FOR_EACH(node, &all_threads)
    {
        struct thread *thread = LIST_ENTRY(node, struct thread, all_node);
        if (thread->number >= *number) {
            describe(thread, out);
            *number = thread->number;
            found = true;
            break;
        }
    }
    spin_unlock(&all_lock);
    return found;
}

uint64_t thread_run_time(struct thread *thread)
{
    struct cpu *cpu = sched_lock_of(thread);
    uint64_t time = run_time_locked(cpu, thread);
    sched_unlock(cpu);
    return time;
}
