/*
 * Creating, ending, blocking and waking threads; see thread.h. Who runs next is decided in queue.c.
 */
#include "kernel/sched/thread.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/charged.h"
#include "kernel/mm/stacks.h"
#include "kernel/obj/object.h"
#include "kernel/obj/task.h"
#include "kernel/sched/queue.h"

static struct slab_cache threads = SLAB_CACHE_OF("thread", struct thread);

static uint32_t next_number; /* atomic */
static uint32_t alive;       /* atomic */

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

static enum error thread_make(struct account *account, const char *name, uint32_t affinity,
                              struct thread **out)
{
    void *memory;
    enum error error = charged_slab_alloc_zeroed(account, &threads, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    struct thread *thread = memory;
    error = stack_take(account, &thread->stack_top);
    if (error != ERR_NONE) {
        charged_slab_free(account, &threads, thread);
        return error;
    }
    thread->account = account;
    thread->name = name;
    thread->affinity = affinity;
    thread->deadline = DEADLINE_NEVER;
    thread->number = __atomic_add_fetch(&next_number, 1, __ATOMIC_RELAXED);
    list_init(&thread->ready_node);
    list_init(&thread->timer_node);
    list_init(&thread->wait_node);
    list_init(&thread->task_node);
    __atomic_fetch_add(&alive, 1, __ATOMIC_RELAXED);
    *out = thread;
    return ERR_NONE;
}

enum error thread_create(const char *name, void (*start)(void *), void *argument, uint32_t affinity,
                         struct thread **out)
{
    enum error error = thread_make(&kernel_account, name, affinity, out);
    if (error == ERR_NONE) {
        arch_thread_prepare(*out, start, argument);
    }
    return error;
}

static void user_begin(void *argument)
{
    struct thread *thread = argument;
    thread_before_user();
    arch_enter_user(thread->user_entry, thread->user_stack, thread->user_argument);
}

enum error thread_create_user(struct task *task, uint64_t entry, uint64_t stack, uint64_t argument,
                              struct thread **out)
{
    struct thread *thread;
    enum error error = thread_make(task->account, task->name, CPU_ANY, &thread);
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
    task_retain(task);
    arch_thread_prepare(thread, user_begin, thread);
    *out = thread;
    return ERR_NONE;
}

void thread_discard(struct thread *thread)
{
    arch_thread_user_free(thread);
    stack_free(thread->stack_top);
    account_refund(thread->account, RESOURCE_FRAMES, STACK_FRAMES);
    if (thread->task != NULL) {
        task_release(thread->task);
    }
    charged_slab_free(thread->account, &threads, thread);
    __atomic_fetch_sub(&alive, 1, __ATOMIC_RELEASE);
}

uint32_t thread_count(void)
{
    return __atomic_load_n(&alive, __ATOMIC_ACQUIRE);
}

void thread_exit(void)
{
    struct thread *self = thread_current();
    if (self->task != NULL) {
        task_thread_ended(self->task, self);
    }
    objects_bury();
    queue_leave(THREAD_ENDED);
    panic("a thread that has ended runs again");
}

void thread_yield(void)
{
    queue_yield();
}

void thread_wait_begin(void)
{
    struct thread *self = thread_current();
    struct cpu *cpu = queue_lock_of(self);
    self->woken = false;
    spin_unlock(&cpu->queue_lock);
}

enum error thread_block(uint64_t deadline)
{
    return queue_block(deadline);
}

void thread_kill(struct thread *thread)
{
    __atomic_store_n(&thread->killed, 1, __ATOMIC_SEQ_CST);
    queue_notice_kill(thread);
}

enum error thread_preemption_point(void)
{
    ASSERT(arch_this_cpu()->locks_held == 0 && arch_this_cpu()->hazards[0] == NULL);
    arch_interrupt_window();
    struct thread *self = thread_current();
    if ((__atomic_load_n(&arch_this_cpu()->pending, __ATOMIC_RELAXED) & PENDING_RESCHEDULE) != 0) {
        queue_yield();
    }
    return __atomic_load_n(&self->killed, __ATOMIC_RELAXED) != 0 ? ERR_CANCELLED : ERR_NONE;
}

void thread_before_user(void)
{
    struct thread *self = thread_current();
    do {
        uint32_t pending = __atomic_exchange_n(&arch_this_cpu()->pending, 0, __ATOMIC_SEQ_CST);
        if ((pending & PENDING_DYING) != 0) {
            objects_bury();
        }
        if ((pending & PENDING_RESCHEDULE) != 0) {
            queue_yield();
        }
        if (__atomic_load_n(&self->killed, __ATOMIC_SEQ_CST) != 0) {
            thread_exit();
        }
    } while (__atomic_load_n(&arch_this_cpu()->pending, __ATOMIC_RELAXED) != 0);
}

uint64_t thread_run_time(const struct thread *thread)
{
    uint64_t since = __atomic_load_n(&thread->run_since, __ATOMIC_RELAXED);
    uint64_t time = __atomic_load_n(&thread->run_time, __ATOMIC_RELAXED);
    return since != 0 ? time + (arch_clock() - since) : time;
}
