/*
 * Where a thread runs: choosing a CPU, and moving from one to another; see sched.h.
 */
#include "kernel/sched/sched.h"

#include "kernel/debug/panic.h"
#include "kernel/debug/trace.h"

/* Turns of one rank are compared with those on other CPUs so often; and then a difference of one is evened by
 * taking turns in being the ones that share. */
#define BALANCE_NS 100000000u

/* Ready threads that a CPU looks at in another queue before it gives up. */
#define PULL_LOOKS 16

uint16_t cpu_busy_rank[CPU_MAX];
uint16_t cpu_movable_rank[CPU_MAX];

void sched_publish_to_others(struct cpu *cpu)
{
    uint32_t top = run_queue_top(&cpu->queue), running = cpu->current->entry.rank;
    uint16_t busy = (uint16_t)(top > running ? top : running);
    uint16_t movable = (uint16_t)run_queue_movable_top(&cpu->queue);
    if (cpu_busy_rank[cpu->number] != busy) {
        __atomic_store_n(&cpu_busy_rank[cpu->number], busy, __ATOMIC_SEQ_CST);
    }
    if (cpu_movable_rank[cpu->number] != movable) {
        __atomic_store_n(&cpu_movable_rank[cpu->number], movable, __ATOMIC_SEQ_CST);
    }
}

static uint32_t busy_rank(unsigned number)
{
    return __atomic_load_n(&cpu_busy_rank[number], __ATOMIC_SEQ_CST);
}

/* The CPU with the lowest rank below this one's that the thread may run on, `near` among equals; NULL. */
static struct cpu *lowest_cpu(const struct thread *thread, const struct cpu *near)
{
    uint32_t lowest = thread->entry.rank;
    struct cpu *best = NULL;
    unsigned count = arch_cpu_count();
    for (unsigned i = 0, number = near->number; i < count && lowest > RANK_IDLE; i++) {
        uint32_t rank = busy_rank(number);
        if (rank < lowest && cpu_mask_has(&thread->affinity, number)) {
            lowest = rank;
            best = cpus[number];
        }
        number = number + 1 < count ? number + 1 : 0;
    }
    return best;
}

/* The CPU with the fewest ready threads that the thread may run on, `near` among equals. */
static struct cpu *least_loaded(const struct thread *thread, struct cpu *near)
{
    struct cpu *best = thread_may_run_on(thread, near) ? near : NULL;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        if (cpu_mask_has(&thread->affinity, i) &&
            (best == NULL || __atomic_load_n(&cpus[i]->queue.count, __ATOMIC_RELAXED) <
                                 __atomic_load_n(&best->queue.count, __ATOMIC_RELAXED))) {
            best = cpus[i];
        }
    }
    ASSERT(best != NULL);
    return best;
}

static struct cpu *choose(const struct thread *thread, struct cpu *home)
{
    if (arch_cpu_count() == 1) {
        return home;
    }
    struct cpu *lowest = lowest_cpu(thread, home);
    if (lowest != NULL) {
        return lowest;
    }
    return thread_may_run_on(thread, home) ? home : least_loaded(thread, home);
}

bool sched_better_place(const struct thread *thread, const struct cpu *than)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        if (busy_rank(i) < thread->entry.rank && cpu_mask_has(&thread->affinity, i) && cpus[i] != than) {
            return true;
        }
    }
    return false;
}

/* This thread waits behind others of its rank or higher: when a CPU has come to run something lower since it
 * was chosen, that one is to pull. */
static void offer(const struct thread *thread)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    struct cpu *cpu = lowest_cpu(thread, cpus[0]);
    if (cpu != NULL) {
        sched_request(cpu);
    }
}

/* Put the thread into the queue, which is locked, and see to it that it runs when it should. Unlocks. */
static void enqueue(struct cpu *cpu, struct thread *thread)
{
    uint32_t rank = thread->entry.rank, running = cpu->current->entry.rank;
    thread->state = THREAD_READY;
    run_queue_append(&cpu->queue, &thread->entry);
    trace(TRACE_READY, 0, thread->number | (uint64_t)cpu->number << 32,
          rank | (thread->entry.movable ? 1u << 16 : 0) | trace_cpus(thread));
    sched_publish(cpu);
    bool offered = rank <= running && thread->entry.movable && arch_cpu_count() > 1;
    if (rank > running) {
        sched_request(cpu);
    } else if (rank == running && cpu->queue.counts[rank] == 1) {
        /* From now on turns have an end. */
        if (cpu == arch_this_cpu()) {
            timer_program(cpu);
        } else {
            sched_request(cpu);
        }
    }
    if (offered) {
        offer(thread);
    }
    sched_unlock(cpu);
}

/* The thread is in no queue. `home` is locked, `cpu` is where it shall go. Unlocks. */
static void settle(struct cpu *home, struct cpu *cpu, struct thread *thread)
{
    while (cpu != home) {
        thread->state = THREAD_MOVING;
        __atomic_store_n(&thread->cpu, cpu, __ATOMIC_RELEASE);
        sched_unlock(home);
        sched_lock(cpu);
        home = cpu;
        if (!thread_may_run_on(thread, cpu)) { /* that has changed meanwhile */
            cpu = choose(thread, home);
        }
    }
    enqueue(home, thread);
}

void sched_make_ready(struct cpu *home, struct thread *thread)
{
    settle(home, choose(thread, home), thread);
}

void sched_wake_locked(struct cpu *home, struct thread *thread, enum error reason)
{
    thread->wake_reason = reason;
    thread->parked = false;
    timer_stop(home, &thread->timer);
    settle(home, choose(thread, home), thread);
}

void sched_place_new(struct thread *thread)
{
    struct cpu *home = sched_lock_of(thread);
    struct cpu *cpu = lowest_cpu(thread, home);
    if (cpu == NULL) {
        cpu = least_loaded(thread, home);
    }
    settle(home, cpu, thread);
}

void sched_place_moving(struct thread *thread)
{
    struct cpu *target = arch_this_cpu()->move_to;
    struct cpu *home = sched_lock_of(thread);
    if (target != NULL && thread_may_run_on(thread, target)) {
        settle(home, target, thread);
    } else {
        sched_make_ready(home, thread);
    }
}

struct cpu *sched_should_move(struct cpu *cpu, struct thread *thread, uint64_t now)
{
    uint32_t rank = thread->entry.rank, fewest = UINT32_MAX;
    struct cpu *target = NULL;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        uint32_t count = __atomic_load_n(&cpus[i]->queue.counts[rank], __ATOMIC_RELAXED) + 1;
        if (cpus[i] != cpu && busy_rank(i) == rank && cpu_mask_has(&thread->affinity, i) && count < fewest) {
            fewest = count;
            target = cpus[i];
        }
    }
    uint32_t here = cpu->queue.counts[rank] + 1;
    bool due = now >= cpu->balance_due;
    if (due) {
        cpu->balance_due = now + BALANCE_NS;
    }
    if (target == NULL || here < fewest + (due ? 1 : 2)) {
        return NULL;
    }
    return target;
}

void sched_reconsider(struct cpu *home, struct thread *thread, uint16_t rank)
{
    bool movable = arch_cpu_count() > 1 && cpu_mask_several(&thread->affinity);
    bool same = rank == thread->entry.rank && movable == thread->entry.movable;
    trace(TRACE_RANK, 0, thread->number, rank | trace_cpus(thread));
    if (thread->state == THREAD_READY && !(same && thread_may_run_on(thread, home))) {
        run_queue_remove(&home->queue, &thread->entry);
        trace(TRACE_UNREADY, 0, thread->number | (uint64_t)home->number << 32, 0);
        thread->entry.rank = rank;
        thread->entry.movable = movable;
        sched_publish(home);
        sched_make_ready(home, thread);
        return;
    }
    bool lower = rank < thread->entry.rank;
    thread->entry.rank = rank;
    thread->entry.movable = movable;
    if (thread->state == THREAD_RUNNING) {
        sched_publish(home);
        if (lower || !thread_may_run_on(thread, home)) {
            sched_request(home);
        }
    }
    sched_unlock(home);
}

/* --- pulling --- */

static bool fits_cpu(const struct run_entry *entry, const void *cpu)
{
    return thread_may_run_on(LIST_ENTRY(entry, const struct thread, entry), cpu);
}

/* The CPU, of those not tried yet, with the highest that may move and is above this rank; NULL. */
static struct cpu *richest(const struct cpu *cpu, uint32_t above, const struct cpu_mask *tried)
{
    struct cpu *best = NULL;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        uint32_t rank = __atomic_load_n(&cpu_movable_rank[i], __ATOMIC_SEQ_CST);
        if (rank > above && cpus[i] != cpu && !cpu_mask_has(tried, i)) {
            above = rank;
            best = cpus[i];
        }
    }
    return best;
}

/* Take out of another queue what is above this rank and may run here; it belongs here then. NULL. */
static struct thread *pull_from(struct cpu *victim, struct cpu *cpu, uint32_t above)
{
    struct thread *found = NULL;
    sched_lock(victim);
    struct run_entry *entry = run_queue_find_movable(&victim->queue, above, PULL_LOOKS, fits_cpu, cpu);
    if (entry != NULL) {
        found = thread_of_entry(entry);
        run_queue_remove(&victim->queue, entry);
        trace(TRACE_UNREADY, 0, found->number | (uint64_t)victim->number << 32, 0);
        found->state = THREAD_MOVING;
        __atomic_store_n(&found->cpu, cpu, __ATOMIC_RELEASE);
        sched_publish(victim);
    }
    sched_unlock(victim);
    return found;
}

bool sched_pull(struct cpu *cpu)
{
    struct cpu_mask tried = {0};
    if (arch_cpu_count() == 1) {
        return false;
    }
    uint32_t above = busy_rank(cpu->number);
    for (;;) {
        struct cpu *victim = richest(cpu, above, &tried);
        if (victim == NULL) {
            return false;
        }
        struct thread *found = pull_from(victim, cpu, above);
        if (found != NULL) {
            cpu->steals++;
            sched_lock(cpu);
            settle(cpu, thread_may_run_on(found, cpu) ? cpu : choose(found, cpu), found);
            return true;
        }
        tried.words[victim->number / 64] |= (uint64_t)1 << victim->number % 64;
    }
}
