/*
 * What may be done to a thread in any state; see thread.h.
 */
#include "kernel/sched/sched.h"

#include "kernel/debug/panic.h"

#define SUSPENSIONS_MOST 1000000u

/* Its attention is asked for: let it look, wherever it runs. The queue is locked. */
static void call_upon(struct cpu *home, const struct thread *thread)
{
    if (thread->state == THREAD_RUNNING) {
        __atomic_fetch_or(&home->pending, PENDING_ATTENTION, __ATOMIC_SEQ_CST);
        if (home != arch_this_cpu()) {
            arch_cpu_kick(home);
        }
    }
}

void thread_end(struct thread *thread, uint32_t kind, uint32_t status)
{
    spin_lock(&thread->end_lock);
    if (thread->end.kind == 0) {
        thread->end = (struct thread_end){kind, status};
    }
    spin_unlock(&thread->end_lock);
    thread_note_leaving(thread);
    __atomic_fetch_or(&thread->attention, ATTENTION_KILLED, __ATOMIC_SEQ_CST);
    struct cpu *home = sched_lock_of(thread);
    if (thread->state == THREAD_BLOCKED || thread->state == THREAD_STOPPED) {
        sched_wake_locked(home, thread, ERR_CANCELLED);
        return;
    }
    call_upon(home, thread);
    sched_unlock(home);
}

void thread_kill(struct thread *thread, uint32_t status)
{
    thread_end(thread, END_KILLED, status);
}

/*
 * Until the CPU has taken an interrupt after the thread was called upon, or runs something else. Interrupts
 * are let in, since that CPU may wait in the same way for this one.
 */
static void wait_until_out(struct thread *thread, struct cpu *cpu, uint64_t kicks)
{
    while (__atomic_load_n(&cpu->kicks, __ATOMIC_ACQUIRE) == kicks &&
           __atomic_load_n(&cpu->current, __ATOMIC_ACQUIRE) == thread) {
        arch_interrupt_window();
        arch_spin_wait();
    }
}

enum error thread_suspend_prepare(struct thread *thread, struct cpu **home)
{
    *home = sched_lock_of(thread);
    if (thread->state == THREAD_ENDED || thread->suspensions == SUSPENSIONS_MOST) {
        enum error error = thread->state == THREAD_ENDED ? ERR_DEAD : ERR_LIMIT;
        sched_unlock(*home);
        return error;
    }
    return ERR_NONE;
}

void thread_suspend_commit(struct thread *thread, struct cpu *home)
{
    thread->suspensions++;
    __atomic_fetch_or(&thread->attention, ATTENTION_SUSPEND, __ATOMIC_SEQ_CST);
    bool elsewhere = thread->state == THREAD_RUNNING && home != arch_this_cpu();
    uint64_t kicks = __atomic_load_n(&home->kicks, __ATOMIC_ACQUIRE);
    call_upon(home, thread);
    sched_unlock(home);
    if (elsewhere) {
        wait_until_out(thread, home, kicks);
    }
}

void thread_begin_suspended(struct thread *thread)
{
    ASSERT(thread->state == THREAD_NEW && thread->suspensions == 0);
    thread->suspensions = 1;
    __atomic_fetch_or(&thread->attention, ATTENTION_SUSPEND, __ATOMIC_RELAXED);
}

enum error thread_resume_prepare(struct thread *thread, struct cpu **home)
{
    *home = sched_lock_of(thread);
    if (thread->suspensions == 0) {
        sched_unlock(*home);
        return ERR_BAD_ARGUMENT;
    }
    return ERR_NONE;
}

void thread_resume_commit(struct thread *thread, struct cpu *home)
{
    if (--thread->suspensions == 0) {
        __atomic_fetch_and(&thread->attention, ~ATTENTION_SUSPEND, __ATOMIC_SEQ_CST);
        if (thread->state == THREAD_STOPPED) {
            sched_make_ready(home, thread);
            return;
        }
    }
    sched_unlock(home);
}

void thread_stop_here(void)
{
    struct cpu *cpu = arch_this_cpu();
    struct thread *self = cpu->current;
    sched_lock(cpu);
    if (self->suspensions == 0 ||
        (__atomic_load_n(&self->attention, __ATOMIC_SEQ_CST) & ATTENTION_KILLED) != 0) {
        sched_unlock(cpu);
        return;
    }
    sched_block(cpu, THREAD_STOPPED, DEADLINE_NEVER, 0);
}

void thread_set_priority(struct thread *thread, uint8_t priority)
{
    struct cpu *home = sched_lock_of(thread);
    thread->priority = priority;
    sched_unlock(home);
    thread_update_rank(thread);
    if (thread == thread_current()) {
        sched_reschedule();
    }
}

void thread_set_slice(struct thread *thread, uint64_t nanoseconds)
{
    struct cpu *home = sched_lock_of(thread);
    thread->slice = nanoseconds;
    thread->slice_left = nanoseconds;
    sched_unlock(home);
}

void thread_use_cpus(struct thread *thread, const struct cpu_mask *mask)
{
    struct cpu *home = sched_lock_of(thread);
    thread->affinity = *mask;
    sched_reconsider(home, thread, thread_rank(thread));
    if (thread == thread_current()) {
        sched_reschedule();
    }
}

void thread_bind(uint32_t number)
{
    struct cpu_mask mask = number == CPU_ANY ? cpu_mask_all() : cpu_mask_of(number);
    ASSERT(cpu_mask_any(&mask, arch_cpu_count()));
    thread_use_cpus(thread_current(), &mask);
}
