/* What going from one thread to another costs, both in one task on one CPU. */
#include <stdatomic.h>

#include "abi/handle.h"
#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/libq/bundle_map.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/process.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/libq/thread.h"

#define TRIES 1000

static _Atomic bool stop;
static _Atomic uint64_t turns; /* of the second thread */

static struct thread *start(void (*function)(void *argument), void *argument)
{
    static struct thread thread;
    enum error error = thread_create(&thread, function, argument);
    if (error != ERR_NONE) {
        program_fail("cpus: no second thread: %s", error_text(error));
    }
    return &thread;
}

static void join(struct thread *thread)
{
    enum error error = thread_join(thread, DEADLINE_NEVER);
    if (error != ERR_NONE) {
        program_fail("cpus: the second thread does not end: %s", error_text(error));
    }
}

static void yield_until_stopped(void *argument)
{
    (void)argument;
    while (!stop) {
        turns++;
        sys_thread_yield();
    }
}

/* To the other thread, which yields at once, and back: two switches. Fails when the other one did not run. */
static bool yield_twice(void *context)
{
    (void)context;
    uint64_t before = turns;
    return sys_thread_yield() == ERR_NONE && turns != before;
}

struct pair {
    uint32_t there;
    uint32_t back;
};

static void answer(void *argument)
{
    struct pair *pair = argument;
    uint64_t bits;
    while (sys_notification_wait(pair->there, 1, DEADLINE_NEVER, &bits) == ERR_NONE && !stop) {
        sys_notification_signal(pair->back, 1);
    }
}

static bool round_trip(void *context)
{
    const struct pair *pair = context;
    uint64_t bits;
    return sys_notification_signal(pair->there, 1) == ERR_NONE &&
           sys_notification_wait(pair->back, 1, DEADLINE_NEVER, &bits) == ERR_NONE;
}

static void measure_yield(const char *name)
{
    stop = false;
    struct thread *thread = start(yield_until_stopped, NULL);
    while (turns == 0) {
        sys_thread_yield();
    }
    measure_row(name, &(struct measure){.operation = yield_twice, .tries = TRIES, .batch = 2});
    stop = true;
    join(thread);
}

static void measure_round_trip(void)
{
    struct pair pair;
    stop = false;
    if (sys_notification_create(0, &pair.there) != ERR_NONE ||
        sys_notification_create(0, &pair.back) != ERR_NONE) {
        program_fail("cpus: no memory for notifications");
    }
    struct thread *thread = start(answer, &pair);
    measure_row("cpus.notification-round-trip",
                &(struct measure){.operation = round_trip, .context = &pair, .tries = TRIES});
    stop = true;
    sys_notification_signal(pair.there, 1);
    join(thread);
    sys_handle_close(pair.there);
    sys_handle_close(pair.back);
}

/* Permits: each thread gives the other one its own and waits. */
struct partners {
    uint32_t first;
    uint32_t second;
    uint64_t deadline;
};

static void answer_permit(void *argument)
{
    const struct partners *partners = argument;
    while (sys_thread_exchange(partners->first, DEADLINE_NEVER) == ERR_NONE && !stop) {
    }
}

/* The same with a timer, that is set and cancelled. */
static bool exchange_in_time(void *context)
{
    const struct partners *partners = context;
    return sys_thread_exchange(partners->second, partners->deadline) == ERR_NONE;
}

static bool exchange(void *context)
{
    return sys_thread_exchange(((const struct partners *)context)->second, DEADLINE_NEVER) == ERR_NONE;
}

static struct measured take_exchange(const char *row, measure_step *operation)
{
    struct partners partners = {.deadline = clock_after(3600 * SECOND)};
    stop = false;
    if (sys_thread_self(&partners.first) != ERR_NONE) {
        program_fail("cpus: no handle to its own thread");
    }
    struct thread *thread = start(answer_permit, &partners);
    partners.second = thread->handle;
    if (sys_thread_park(DEADLINE_NEVER) != ERR_NONE) {
        program_fail("cpus: the second thread does not answer");
    }
    struct measured cost =
        measure_take(row, &(struct measure){.operation = operation, .context = &partners, .tries = TRIES});
    stop = true;
    sys_thread_unpark(thread->handle);
    join(thread);
    sys_handle_close(partners.first);
    return cost;
}

static void measure_exchange(void)
{
    struct measured plain = take_exchange("cpus.block-wake-round-trip", exchange);
    struct measured timed = take_exchange("cpus.timer-set-cancel", exchange_in_time);
    if (timed.hundredths < plain.hundredths) {
        program_fail("cpus.timer-set-cancel: a timer costs less than nothing");
    }
    timed.hundredths -= plain.hundredths;
    measure_print("cpus.block-wake-round-trip", &plain);
    measure_print("cpus.timer-set-cancel", &timed);
}

/* Threads that are ready and never run, since they are lower: what do they cost the others? */
static void never(void *argument)
{
    (void)argument;
}

#define READY      10000u
#define READY_SIZE 4096u

static void measure_yield_in_crowd(void)
{
    uint32_t memory;
    uint64_t where;
    if (sys_memory_create(0, READY_SIZE, 0, &memory) != ERR_NONE ||
        sys_memory_map(startup->self, memory, 0, 0, READY_SIZE, ACCESS_READ | ACCESS_WRITE, &where) !=
            ERR_NONE) {
        program_fail("cpus: no memory for a stack");
    }
    uint32_t task;
    if (sys_task_create(0, "crowd", 5, &task) != ERR_NONE || sys_task_ceiling(task, 100) != ERR_NONE) {
        program_fail("cpus: no task for a crowd");
    }
    for (unsigned i = 0; i < READY; i++) {
        uint64_t number;
        if (sys_thread_start(task, (uint64_t)never, where + READY_SIZE, 0, &number) != ERR_NONE) {
            program_fail("cpus: no thread %u of a crowd", i);
        }
    }
    measure_yield("cpus.thread-yield-10000-ready");
    sys_task_kill(task, 0);
    sys_handle_close(task);
    sys_memory_unmap(startup->self, where, 0);
    sys_handle_close(memory);
}

/* One that sleeps a little again and again, lower than the one that measures. */
static void doze(void *argument)
{
    (void)argument;
    while (!stop) {
        clock_sleep(100 * MICROSECOND);
    }
}

/* Read the clock over and over: the longest time between two readings, of many, is what an interrupt takes.
   In ticks. */
static uint64_t longest_gap(void)
{
    uint64_t longest = 0;
    uint64_t last = __builtin_ia32_rdtsc();
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t now = __builtin_ia32_rdtsc();
        longest = now - last > longest ? now - last : longest;
        last = now;
    }
    return longest;
}

/* The timer's interrupt while the caller runs: it makes a lower thread ready, and the caller goes on. */
static void measure_interrupt(void)
{
    struct thread *thread;
    uint64_t least = ~0ull;
    stop = false;
    thread = start(doze, NULL);
    for (unsigned i = 0; i < 20; i++) {
        clock_sleep(MILLISECOND); /* it dozes off meanwhile */
        sys_thread_priority(thread->handle, 100);
        uint64_t gap = longest_gap();
        least = gap < least ? gap : least;
        sys_thread_priority(thread->handle, 128);
    }
    measure_print("cpus.timer-interrupt", &(struct measured){.hundredths = least * 100 / MEASURE_TICKS});
    stop = true;
    join(thread);
}

static bool read_clock(void *context)
{
    *(uint64_t *)context = clock_now();
    return true;
}

static void do_nothing(void *argument)
{
    (void)argument;
}

static bool live(void *context)
{
    (void)context;
    join(start(do_nothing, NULL));
    return true;
}

/* The same between two tasks: a copy of this program, which does nothing but yield, on a page that both see.
 */
static bool yield_to_task(void *context)
{
    volatile uint64_t *their_turns = context;
    uint64_t before = *their_turns;
    return sys_thread_yield() == ERR_NONE && *their_turns != before;
}

void yield_for_ever(void)
{
    volatile uint64_t *mine = (volatile uint64_t *)BENCH_SHARED_AT;
    for (;;) {
        ++*mine;
        sys_thread_yield();
    }
}

static void measure_yield_to_task(void)
{
    uint32_t memory;
    uint64_t here;
    uint64_t there;
    struct process process;
    static const char *const argv[] = {"bench", "yield"};
    struct bundle bundle;
    struct bundle_member program;
    if (sys_memory_create(0, 4096, 0, &memory) != ERR_NONE || bundle_map(&bundle) != ERR_NONE ||
        bundle_find(&bundle, "bin/bench", 9, &program) != ERR_NONE) {
        program_fail("cpus: no program for a second task");
    }
    struct process_request request = {
        .name = argv[0], .image = program.data, .image_bytes = program.size, .argc = 2, .argv = argv};
    if (process_create(&request, &process) != ERR_NONE ||
        sys_memory_map(startup->self, memory, 0, 0, 4096, ACCESS_READ, &here) != ERR_NONE ||
        sys_memory_map(process.task, memory, 0, BENCH_SHARED_AT, 4096, ACCESS_READ | ACCESS_WRITE, &there) !=
            ERR_NONE ||
        process_start(&process) != ERR_NONE) {
        program_fail("cpus: no second task");
    }
    while (*(volatile uint64_t *)here == 0) {
        sys_thread_yield();
    }
    measure_row(
        "cpus.task-yield",
        &(struct measure){.operation = yield_to_task, .context = (void *)here, .tries = TRIES, .batch = 2});
    process_discard(&process);
    sys_memory_unmap(startup->self, here, 0);
    sys_handle_close(memory);
}

/* On a machine of two CPUs: what it costs to wake a thread on the other one, which idles. */
static void park_for_ever(void *argument)
{
    uint8_t cpus[32] = {2};
    sys_thread_cpus(*(uint32_t *)argument, cpus, sizeof cpus);
    while (!stop) {
        if (sys_thread_park(DEADLINE_NEVER) == ERR_NONE) {
            turns++;
        }
    }
}

/* It parks, and its CPU goes to sleep. */
static bool let_it_park(void *context)
{
    (void)context;
    return clock_sleep(MILLISECOND) == ERR_NONE;
}

static bool unpark(void *context)
{
    return sys_thread_unpark(*(uint32_t *)context) == ERR_NONE;
}

void area_wake(void)
{
    static uint32_t handle;
    if (sys_thread_affinity(1) != ERR_NONE || sys_thread_affinity(0) != ERR_NONE) {
        program_fail("wake: expected a machine with two CPUs");
    }
    stop = false;
    struct thread *thread = start(park_for_ever, &handle);
    handle = thread->handle;
    measure_row(
        "cpus.wake-other-cpu",
        &(struct measure){.operation = unpark, .before = let_it_park, .context = &handle, .tries = 200});
    stop = true;
    sys_thread_unpark(handle);
    join(thread);
}

/* Kernel entry to the first instruction of user mode, without the time in which it waited for hardware
 * clocks. */
void area_entry(void)
{
    struct system_boot boot;
    if (system_record(TOPIC_BOOT, 0, &boot, sizeof boot) != ERR_NONE) {
        program_fail("cpus: the kernel does not tell of its boot");
    }
    uint64_t took = boot.first_user - boot.waited; /* one tick each */
    measure_print("cpus.entry-to-user", &(struct measured){.hundredths = took * 100 / MEASURE_TICKS});
}

void area_cpus(void)
{
    measure_yield_to_task();
    measure_yield("cpus.thread-yield");
    measure_round_trip();
    measure_exchange();
    measure_yield_in_crowd();
    uint64_t now;
    measure_row("cpus.clock-read-user",
                &(struct measure){.operation = read_clock, .context = &now, .tries = TRIES});
    measure_interrupt();
    measure_row("cpus.thread-create-run-join", &(struct measure){.operation = live, .tries = 200});
}
