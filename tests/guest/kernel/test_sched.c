/*
 * The scheduler in the running kernel: who runs where, and when.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/debug/log.h"
#include "kernel/ipc/notification.h"
#include "kernel/mm/account.h"
#include "kernel/sched/sched.h"

#define LOW    100
#define MIDDLE 140
#define HIGH   180
#define MS     1000000u

/* A thread with a priority, on one CPU or all, that adds to `count` until it is told to stop. */
struct worker {
    struct thread *thread;
    void (*body)(struct worker *worker);
    uint64_t count; /* atomic */
    uint64_t cpus;  /* atomic: CPUs on which it was seen */
    uint64_t time;  /* atomic: what the body wants to tell */
    bool stop;      /* atomic */
    bool ended;     /* atomic */
    struct worker *other;
};

static bool told_to_stop(struct worker *worker)
{
    return __atomic_load_n(&worker->stop, __ATOMIC_ACQUIRE);
}

/* As user code would run: interrupts come in, and who is higher takes over. */
static void breathe(void)
{
    enum error error = thread_preemption_point();
    (void)error;
}

static void spin(struct worker *worker)
{
    while (!told_to_stop(worker)) {
        __atomic_fetch_add(&worker->count, 1, __ATOMIC_RELAXED);
        __atomic_fetch_or(&worker->cpus, (uint64_t)1 << arch_this_cpu()->number % 64, __ATOMIC_RELAXED);
        breathe();
    }
}

static void worker_main(void *argument)
{
    struct worker *worker = argument;
    worker->body(worker);
    __atomic_store_n(&worker->ended, true, __ATOMIC_RELEASE);
    thread_exit();
}

static bool worker_make(struct worker *worker, void (*body)(struct worker *), uint8_t priority, uint32_t cpu)
{
    *worker = (struct worker){.body = body};
    if (thread_create("worker", worker_main, worker, cpu, &worker->thread) != ERR_NONE) {
        return false;
    }
    thread_set_priority(worker->thread, priority);
    thread_retain(worker->thread);
    return true;
}

static bool worker_start(struct worker *worker, void (*body)(struct worker *), uint8_t priority, uint32_t cpu)
{
    if (!worker_make(worker, body, priority, cpu)) {
        return false;
    }
    thread_start(worker->thread);
    return true;
}

static bool worker_end(struct worker *worker)
{
    struct thread_end end;
    __atomic_store_n(&worker->stop, true, __ATOMIC_RELEASE);
    bool good = thread_join(worker->thread, arch_clock() + (uint64_t)20000 * MS, &end) == ERR_NONE;
    thread_release(worker->thread);
    return good;
}

static uint64_t count_of(struct worker *worker)
{
    return __atomic_load_n(&worker->count, __ATOMIC_RELAXED);
}

static void sleep_ms(uint64_t ms)
{
    enum error error = wait_until(arch_clock() + ms * MS, 0);
    (void)error;
}

/* Wait for something that others do; false when it does not come. */
static bool comes(const uint64_t *word, uint64_t least)
{
    for (unsigned i = 0; i < 10000; i++) {
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) >= least) {
            return true;
        }
        sleep_ms(1);
    }
    return false;
}

/* The caller's own priority while a test lasts, so that it gets to look. */
static void be(uint8_t priority)
{
    thread_set_priority(thread_current(), priority);
}

SELFTEST(higher_only, "scheduler: on one CPU a lower thread does not run at all while a higher one is ready")
{
    struct worker low, high;
    be(PRIORITY_HIGHEST);
    EXPECT(worker_start(&high, spin, HIGH, 0) && worker_start(&low, spin, LOW, 0));
    EXPECT(comes(&high.count, 1));
    sleep_ms(50);
    uint64_t starved = count_of(&low), fed = count_of(&high);
    thread_set_priority(high.thread, LOW - 1);
    bool runs = comes(&low.count, 1);
    uint64_t high_then = count_of(&high);
    sleep_ms(30);
    bool still = count_of(&high) == high_then;
    EXPECT(worker_end(&low) && worker_end(&high));
    be(PRIORITY_DEFAULT);
    EXPECT(starved == 0 && fed > 0);
    EXPECT(runs && still);
    return NULL;
}

static struct notification *bell;

/* Waits for the bell, and notes how long it took to come here. */
static void answer(struct worker *worker)
{
    uint64_t bits;
    while (notification_wait(bell, 1, DEADLINE_NEVER, &bits) == ERR_NONE && !told_to_stop(worker)) {
        __atomic_store_n(&worker->time,
                         arch_clock() - __atomic_load_n(&worker->other->time, __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
        __atomic_fetch_add(&worker->count, 1, __ATOMIC_RELEASE);
    }
}

/* A lower thread spins on this CPU. One that is bound to it, and higher, is woken, and has to come at once:
 * in the best of some tries, since the host takes time away. The end of a slice would come later. */
static const char *preempts_on(unsigned cpu_number)
{
    struct worker hog, waiter, self = {0};
    uint64_t least = UINT64_MAX;
    EXPECT(worker_make(&waiter, answer, HIGH, cpu_number));
    waiter.other = &self;
    thread_start(waiter.thread);
    EXPECT(worker_start(&hog, spin, LOW, cpu_number) && comes(&hog.count, 1));
    for (uint64_t i = 0; i < 20; i++) {
        sleep_ms(2);
        __atomic_store_n(&self.time, arch_clock(), __ATOMIC_RELAXED);
        notification_signal(bell, 1);
        EXPECT(comes(&waiter.count, i + 1));
        least = waiter.time < least ? waiter.time : least;
    }
    __atomic_store_n(&waiter.stop, true, __ATOMIC_RELEASE);
    notification_signal(bell, 1);
    EXPECT(worker_end(&waiter) && worker_end(&hog));
    EXPECT(least < THREAD_SLICE_NS / 2);
    return NULL;
}

SELFTEST(preempts, "scheduler: a wake-up pre-empts a lower thread at once, on this CPU and on others")
{
    const char *wrong = NULL;
    EXPECT(notification_make(&kernel_account, &bell) == ERR_NONE);
    be(PRIORITY_HIGHEST);
    for (unsigned i = 0; i < arch_cpu_count() && i < 8 && wrong == NULL; i++) {
        wrong = preempts_on(i);
    }
    be(PRIORITY_DEFAULT);
    notification_release(bell);
    return wrong;
}

/* The CPUs are busy with something higher, and two threads that may run on any wait on the last one. Each of
 * the first two CPUs that becomes free takes one of them, or, with two CPUs, the second finds its own. */
SELFTEST(steals, "scheduler: a CPU that has nothing higher any more takes a thread that waits on another one")
{
    static struct worker hogs[8];
    struct worker low[2];
    unsigned count = arch_cpu_count();
    if (count < 2 || count > 8) {
        return NULL;
    }
    be(PRIORITY_HIGHEST);
    for (unsigned i = 0; i < count; i++) {
        EXPECT(worker_start(&hogs[i], spin, HIGH, i) && comes(&hogs[i].count, 1));
    }
    struct cpu_mask all = cpu_mask_all();
    for (unsigned i = 0; i < 2; i++) {
        EXPECT(worker_start(&low[i], spin, LOW, count - 1));
        thread_use_cpus(low[i].thread, &all);
    }
    sleep_ms(20);
    EXPECT(count_of(&low[0]) == 0 && count_of(&low[1]) == 0);
    uint64_t before = __atomic_load_n(&cpus[0]->steals, __ATOMIC_RELAXED);
    EXPECT(worker_end(&hogs[0]));
    for (unsigned i = 0; i < 10000 && count_of(&low[0]) + count_of(&low[1]) == 0; i++) {
        sleep_ms(1);
    }
    uint64_t first =
        __atomic_load_n(&low[0].cpus, __ATOMIC_RELAXED) | __atomic_load_n(&low[1].cpus, __ATOMIC_RELAXED);
    uint64_t steals = __atomic_load_n(&cpus[0]->steals, __ATOMIC_RELAXED) - before;
    EXPECT(worker_end(&hogs[1]));
    EXPECT(comes(&low[0].count, 1) && comes(&low[1].count, 1));
    uint64_t both =
        __atomic_load_n(&low[0].cpus, __ATOMIC_RELAXED) | __atomic_load_n(&low[1].cpus, __ATOMIC_RELAXED);
    for (unsigned i = 2; i < count; i++) {
        EXPECT(worker_end(&hogs[i]));
    }
    EXPECT(worker_end(&low[0]) && worker_end(&low[1]));
    be(PRIORITY_DEFAULT);
    EXPECT(first == 1 && steals > 0);
    EXPECT(both == 3);
    return NULL;
}

SELFTEST(idle_first, "scheduler: as many threads as CPUs run on all of them")
{
    static struct worker workers[CPU_MAX];
    unsigned count = arch_cpu_count() < 16 ? arch_cpu_count() : 16;
    uint64_t cpus_seen = 0;
    for (unsigned i = 0; i < count; i++) {
        EXPECT(worker_start(&workers[i], spin, LOW, CPU_ANY));
    }
    for (unsigned i = 0; i < count; i++) {
        EXPECT(comes(&workers[i].count, 1));
    }
    sleep_ms(100);
    for (unsigned i = 0; i < count; i++) {
        EXPECT(worker_end(&workers[i]));
        cpus_seen |= workers[i].cpus;
    }
    EXPECT(arch_cpu_count() > 16 || cpus_seen == ((uint64_t)1 << count) - 1);
    return NULL;
}

SELFTEST(moves_running,
         "scheduler: a thread that runs is moved when its CPUs change, and stays where it may be")
{
    struct worker worker;
    EXPECT(worker_start(&worker, spin, LOW, 0) && comes(&worker.count, 1));
    for (unsigned i = 0; i < 40; i++) {
        unsigned target = i % arch_cpu_count();
        struct cpu_mask mask = cpu_mask_of(target);
        thread_use_cpus(worker.thread, &mask);
        __atomic_store_n(&worker.cpus, 0, __ATOMIC_RELAXED);
        uint64_t bit = (uint64_t)1 << target % 64;
        while ((__atomic_load_n(&worker.cpus, __ATOMIC_RELAXED) & bit) == 0) {
            sleep_ms(1);
        }
        __atomic_store_n(&worker.cpus, 0, __ATOMIC_RELAXED);
        EXPECT(comes(&worker.count, count_of(&worker) + 5));
        EXPECT(__atomic_load_n(&worker.cpus, __ATOMIC_RELAXED) == bit);
    }
    EXPECT(worker_end(&worker));
    return NULL;
}

SELFTEST(fair_share, "scheduler: three threads that only compute share two CPUs evenly")
{
    struct worker workers[3];
    struct cpu_mask two = {{3}};
    if (arch_cpu_count() < 2) {
        return NULL;
    }
    be(PRIORITY_HIGHEST);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(worker_make(&workers[i], spin, MIDDLE, CPU_ANY));
        thread_use_cpus(workers[i].thread, &two);
        thread_start(workers[i].thread);
    }
    /* Time that the host takes from a CPU counts as its thread's. That evens out; a lack of balance does not.
     */
    uint64_t least = 0, most = 1;
    for (unsigned tries = 0; tries < 20 && 2 * most >= 3 * least; tries++) {
        sleep_ms(1500);
        least = UINT64_MAX, most = 0;
        for (unsigned i = 0; i < 3; i++) {
            uint64_t time = thread_run_time(workers[i].thread);
            least = time < least ? time : least;
            most = time > most ? time : most;
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(worker_end(&workers[i]));
    }
    be(PRIORITY_DEFAULT);
    EXPECT(2 * most < 3 * least); /* without balance one would have twice as much as the others */
    return NULL;
}

/* Takes a while by its own CPU time, then says so. */
static void serve(struct worker *worker)
{
    while (thread_run_time(thread_current()) < 5 * MS) {
        breathe();
    }
    __atomic_store_n(&worker->count, 1, __ATOMIC_RELEASE);
}

SELFTEST(lending,
         "scheduler: who is waited for by a higher thread runs before what lies between, through others too")
{
    struct worker server, between, hog, first;
    be(PRIORITY_HIGHEST);
    EXPECT(worker_make(&server, serve, LOW, 0) && worker_make(&between, serve, LOW + 1, 0));
    EXPECT(worker_start(&hog, spin, MIDDLE, 0) && comes(&hog.count, 1));
    thread_start(server.thread);
    sleep_ms(30);
    bool starved = count_of(&server) == 0;
    /* `first`, which is high and does not run, waits for `between`, and that one for the server. */
    EXPECT(worker_make(&first, spin, HIGH, 0));
    EXPECT(thread_lend(between.thread, server.thread) == ERR_NONE);
    EXPECT(thread_lend(between.thread, server.thread) == ERR_EXISTS);
    EXPECT(thread_lend(server.thread, between.thread) == ERR_BAD_ARGUMENT);
    EXPECT(server.thread->entry.rank == rank_of_priority(LOW + 1));
    EXPECT(thread_lend(first.thread, between.thread) == ERR_NONE);
    EXPECT(server.thread->entry.rank == rank_of_priority(HIGH));
    bool served = comes(&server.count, 1);
    thread_start(first.thread);
    thread_start(between.thread);
    thread_lend_end(between.thread);
    thread_lend_end(first.thread);
    bool undone = between.thread->entry.rank == rank_of_priority(LOW + 1);
    EXPECT(worker_end(&first) && worker_end(&hog) && worker_end(&between));
    EXPECT(worker_end(&server));
    be(PRIORITY_DEFAULT);
    EXPECT(starved && served && undone);
    return NULL;
}

SELFTEST(lending_ends, "scheduler: the end of a thread takes back what it lends, and what is lent to it")
{
    struct worker low, other, high;
    be(PRIORITY_HIGHEST);
    EXPECT(worker_make(&low, spin, LOW, 0) && worker_make(&other, spin, LOW, 0) &&
           worker_make(&high, spin, HIGH, 0));
    EXPECT(thread_lend(high.thread, low.thread) == ERR_NONE &&
           thread_lend(low.thread, other.thread) == ERR_NONE);
    EXPECT(other.thread->entry.rank == rank_of_priority(HIGH));
    thread_start(low.thread);
    EXPECT(worker_end(&low));
    bool undone = other.thread->entry.rank == rank_of_priority(LOW);
    bool dead = thread_lend(high.thread, other.thread) == ERR_NONE;
    thread_start(high.thread);
    EXPECT(worker_end(&high));
    undone = undone && other.thread->entry.rank == rank_of_priority(LOW);
    thread_start(other.thread);
    EXPECT(worker_end(&other));
    be(PRIORITY_DEFAULT);
    EXPECT(undone && dead);
    return NULL;
}

static enum error set_budget(struct thread *thread, uint64_t period, uint64_t quantum)
{
    struct budget *fresh;
    enum error error = thread_budget_prepare(thread, &fresh);
    if (error == ERR_NONE) {
        thread_budget_commit(thread, fresh, period, quantum);
    }
    return error;
}

SELFTEST(budget,
         "scheduler: a budget leaves the rest of the time to lower threads, and all of it to nobody else")
{
    struct worker high, low;
    be(PRIORITY_HIGHEST);
    EXPECT(worker_make(&high, spin, HIGH, 0));
    EXPECT(set_budget(high.thread, 20 * MS, 5 * MS) == ERR_NONE);
    thread_start(high.thread);
    EXPECT(comes(&high.count, 1));
    uint64_t start = arch_clock();
    sleep_ms(200);
    uint64_t alone = thread_run_time(high.thread), alone_of = arch_clock() - start;
    /* From here on: time that the host takes away while the higher one runs is its own, and is made up for.
     */
    uint64_t high_before = thread_run_time(high.thread);
    EXPECT(worker_start(&low, spin, LOW, 0));
    sleep_ms(600);
    uint64_t high_time = thread_run_time(high.thread) - high_before;
    uint64_t low_time = thread_run_time(low.thread);
    EXPECT(set_budget(high.thread, 0, 0) == ERR_NONE);
    sleep_ms(30);
    uint64_t low_then = count_of(&low);
    sleep_ms(50);
    bool starves = count_of(&low) == low_then;
    EXPECT(worker_end(&high) && worker_end(&low));
    be(PRIORITY_DEFAULT);
    EXPECT(alone > alone_of / 2); /* nothing else would run: it does, budget or not */
    if (high_time >= low_time || high_time <= low_time / 10) { /* a third, if nobody disturbs */
        log_warn("budget: %lu ms of the higher thread, %lu ms of the lower one", high_time / MS,
                 low_time / MS);
        return "a third of the lower thread's time";
    }
    EXPECT(starves);
    return NULL;
}

static void park(struct worker *worker)
{
    while (!told_to_stop(worker)) {
        if (thread_park(DEADLINE_NEVER) == ERR_NONE) {
            __atomic_fetch_add(&worker->count, 1, __ATOMIC_RELEASE);
        }
    }
}

SELFTEST(permits, "waiting: a permit is given once, before the wait or in it, and taken once")
{
    struct worker worker;
    EXPECT(thread_park(arch_clock()) == ERR_TIMED_OUT);
    EXPECT(thread_park(arch_clock() + 2 * MS) == ERR_TIMED_OUT);
    thread_unpark(thread_current());
    thread_unpark(thread_current());
    EXPECT(thread_park(DEADLINE_NEVER) == ERR_NONE);
    EXPECT(thread_park(arch_clock()) == ERR_TIMED_OUT);
    EXPECT(worker_start(&worker, park, MIDDLE, CPU_ANY));
    for (uint64_t i = 0; i < 500; i++) {
        thread_unpark(worker.thread);
        EXPECT(comes(&worker.count, i + 1));
        EXPECT(count_of(&worker) == i + 1);
    }
    __atomic_store_n(&worker.stop, true, __ATOMIC_RELEASE);
    thread_unpark(worker.thread);
    EXPECT(worker_end(&worker));
    return NULL;
}

/* Interrupts of every CPU while nothing but this thread, asleep, is there. */
SELFTEST(tickless, "time: idle CPUs take no interrupts, and one that runs a lone thread none either")
{
    static uint64_t before[CPU_MAX];
    struct worker worker;
    if (arch_cpu_count() < 2) {
        return NULL;
    }
    unsigned busy = arch_cpu_count() - 1;
    thread_bind(0);
    EXPECT(worker_start(&worker, spin, MIDDLE, busy) && comes(&worker.count, 1));
    sleep_ms(100); /* what is left over from before */
    for (unsigned i = 1; i < arch_cpu_count(); i++) {
        before[i] = __atomic_load_n(&cpus[i]->interrupts, __ATOMIC_RELAXED);
    }
    sleep_ms(2000);
    uint64_t worst = 0, lone = __atomic_load_n(&cpus[busy]->interrupts, __ATOMIC_RELAXED) - before[busy];
    for (unsigned i = 1; i < busy; i++) {
        uint64_t taken = __atomic_load_n(&cpus[i]->interrupts, __ATOMIC_RELAXED) - before[i];
        worst = taken > worst ? taken : worst;
    }
    thread_bind(CPU_ANY);
    EXPECT(worker_end(&worker));
    EXPECT(worst == 0);
    EXPECT(lone == 0);
    return NULL;
}
