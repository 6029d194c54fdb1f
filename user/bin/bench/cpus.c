/* What going from one thread to another costs, both in one task on one CPU. */
#include <stdatomic.h>

#include "syscalls.h"
#include "user/bin/bench/measure.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/program.h"
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

static void measure_yield(void)
{
    stop = false;
    struct thread *thread = start(yield_until_stopped, NULL);
    while (turns == 0) {
        sys_thread_yield();
    }
    measure_row("cpus.thread-yield", &(struct measure){.operation = yield_twice, .tries = TRIES, .batch = 2});
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

void area_cpus(void)
{
    measure_yield();
    measure_round_trip();
}
