/*
 * Threads, waiting and time in the running kernel.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/ipc/notification.h"
#include "kernel/mm/account.h"
#include "kernel/obj/reaper.h"

static uint64_t seen[CPU_MAX];

static const char *note_cpu(unsigned number)
{
    (void)number;
    for (unsigned i = 0; i < 20; i++) {
        __atomic_fetch_add(&seen[arch_this_cpu()->number], 1, __ATOMIC_RELAXED);
        thread_yield();
    }
    return NULL;
}

SELFTEST(affinity, "threads: a thread bound to a CPU runs there and nowhere else, on every CPU")
{
    const char *wrong = test_on_all_cpus(3, note_cpu);
    if (wrong != NULL) {
        return wrong;
    }
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        EXPECT(seen[i] == 60);
        seen[i] = 0;
    }
    return NULL;
}

static const char *wander(unsigned number)
{
    for (unsigned i = 0; i < 50; i++) {
        unsigned target = (number + i) % arch_cpu_count();
        thread_bind(target);
        EXPECT(arch_this_cpu()->number == target);
    }
    return NULL;
}

SELFTEST(migration, "threads: changing the CPU takes effect before the call returns")
{
    return test_on_all_cpus(2, wander);
}

SELFTEST(sleep, "time: a sleep of 20 ms is never shorter, and not much longer on an idle machine")
{
    for (unsigned i = 0; i < 5; i++) {
        uint64_t start = arch_clock();
        EXPECT(wait_until(start + 20000000, 0) == ERR_NONE);
        uint64_t slept = arch_clock() - start;
        EXPECT(slept >= 20000000);
        EXPECT(slept < 500000000);
    }
    return NULL;
}

static uint64_t last_clock; /* atomic */

/* Each CPU in turn advances the clock that all share: none may read a time before one read earlier elsewhere.
 */
static const char *clock_race(unsigned number)
{
    (void)number;
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t before = __atomic_load_n(&last_clock, __ATOMIC_SEQ_CST);
        uint64_t now = arch_clock();
        EXPECT(now + 1000 >= before); /* a microsecond for counters that do not start in step */
        __atomic_compare_exchange_n(&last_clock, &before, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

SELFTEST(clock_smp, "time: the clock never goes back, between CPUs either, by more than a microsecond")
{
    last_clock = 0;
    return test_on_all_cpus(1, clock_race);
}

#define ROUNDS 300

static struct notification *ball;

/* Two threads a CPU: players 2n and 2n+1 pass a bit of their own back and forth. */
static const char *play(unsigned number)
{
    unsigned pair = number / 2 % 32;
    bool first = number % 2 == 0;
    uint64_t mine = (uint64_t)1 << (2 * pair + !first), other = (uint64_t)1 << (2 * pair + first);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t bits;
        if (first) {
            notification_signal(ball, other);
        }
        EXPECT(notification_wait(ball, mine, arch_clock() + 20000000000u, &bits) == ERR_NONE);
        EXPECT(bits == mine);
        if (!first) {
            notification_signal(ball, other);
        }
    }
    return NULL;
}

SELFTEST(ping_pong, "notifications: pairs of threads on all CPUs lose no wake-up in thousands of exchanges")
{
    EXPECT(notification_make(&kernel_account, &ball) == ERR_NONE);
    const char *wrong = arch_cpu_count() <= 32 ? test_on_all_cpus(2, play) : NULL;
    notification_release(ball);
    return wrong;
}

SELFTEST(timeout,
         "notifications: a wait ends at its deadline with nothing taken, and a bit set later is still there")
{
    struct notification *n;
    uint64_t bits = 1;
    EXPECT(notification_make(&kernel_account, &n) == ERR_NONE);
    EXPECT(notification_wait(n, 4, arch_clock() + 1000000, &bits) == ERR_TIMED_OUT);
    EXPECT(bits == 0);
    notification_signal(n, 6);
    EXPECT(notification_wait(n, 4, DEADLINE_NEVER, &bits) == ERR_NONE && bits == 4);
    EXPECT(notification_wait(n, 7, DEADLINE_NEVER, &bits) == ERR_NONE && bits == 2);
    notification_release(n);
    return NULL;
}

static const char *race_deadline(unsigned number)
{
    struct notification *n;
    uint64_t random = number + 3;
    EXPECT(notification_make(&kernel_account, &n) == ERR_NONE);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t bits = 0;
        enum error error = notification_wait(n, 1, arch_clock() + test_random(&random) % 20000, &bits);
        EXPECT(error == ERR_TIMED_OUT && bits == 0);
        notification_signal(n, 1);
        EXPECT(notification_wait(n, 1, 0, &bits) == ERR_NONE);
    }
    notification_release(n);
    return NULL;
}

SELFTEST(deadlines,
         "notifications: hundreds of short deadlines on every CPU all come, also those already past")
{
    return test_on_all_cpus(4, race_deadline);
}

/* Leaves an object to the reaper, and then its CPU and, by that, itself. */
static void leave_all(void *unused)
{
    (void)unused;
    struct notification *n;
    if (notification_make(&kernel_account, &n) == ERR_NONE) {
        notification_release(n);
    }
    reaper_leave();
    thread_exit();
}

SELFTEST(reaped,
         "reaper: a thread that ends as it makes room for the reaper is destroyed, and what it left too")
{
    uint64_t threads = object_count(OBJECT_THREAD), notifications = object_count(OBJECT_NOTIFICATION);
    for (unsigned i = 0; i < 20; i++) {
        struct thread *thread;
        EXPECT(thread_create("leaver", leave_all, NULL, arch_this_cpu()->number, &thread) == ERR_NONE);
        thread_start(thread);
        uint64_t deadline = arch_clock() + 5000000000u;
        do {
            EXPECT(wait_until(arch_clock() + 1000000, 0) == ERR_NONE);
        } while (arch_clock() < deadline && objects_going() != 0);
        EXPECT(objects_going() == 0);
        EXPECT(object_count(OBJECT_THREAD) == threads);
        EXPECT(object_count(OBJECT_NOTIFICATION) == notifications);
    }
    return NULL;
}

/* Waits, and waits again, until it is told to end. */
static struct notification *sitter_bell;

static void sit(void *unused)
{
    (void)unused;
    uint64_t bits;
    do {
        if (notification_wait(sitter_bell, 3, DEADLINE_NEVER, &bits) != ERR_NONE) {
            break;
        }
    } while ((bits & 2) == 0);
    thread_exit();
}

/* Ends in such a way that the sitter comes next on its CPU. */
static void end_before_the_sitter(void *unused)
{
    (void)unused;
    notification_signal(sitter_bell, 1);
    thread_exit();
}

SELFTEST(not_kept,
         "reaper: a thread of the kernel that waits keeps none that ended before it from being destroyed")
{
    EXPECT(notification_make(&kernel_account, &sitter_bell) == ERR_NONE);
    uint64_t threads = object_count(OBJECT_THREAD);
    struct thread *sitter, *ender;
    EXPECT(thread_create("sitter", sit, NULL, arch_this_cpu()->number, &sitter) == ERR_NONE);
    thread_start(sitter);
    bool kept = false;
    for (unsigned i = 0; i < 20 && !kept; i++) {
        EXPECT(thread_create("ender", end_before_the_sitter, NULL, arch_this_cpu()->number, &ender) ==
               ERR_NONE);
        thread_start(ender);
        uint64_t deadline = arch_clock() + 5000000000u;
        do {
            EXPECT(wait_until(arch_clock() + 1000000, 0) == ERR_NONE);
            kept = object_count(OBJECT_THREAD) != threads + 1;
        } while (kept && arch_clock() < deadline);
    }
    notification_signal(sitter_bell, 2);
    for (unsigned i = 0; i < 5000 && object_count(OBJECT_THREAD) != threads; i++) {
        EXPECT(wait_until(arch_clock() + 1000000, 0) == ERR_NONE);
    }
    notification_release(sitter_bell);
    EXPECT(!kept);
    return NULL;
}
