/*
 * soak SECONDS: threads that do all kinds of things to each other at once, each checking what it can. The
 * last line says how much was done and what went wrong; the status is 0 if nothing did.
 */
#include "lib/text.h"
#include "syscalls.h"
#include "user/bin/soak/soak.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/program.h"

#define WORKERS    24
#define TOLD_MOST  20
#define PAUSE_MOST (5 * SECOND) /* of the shaker, which waits for nobody of a lower priority */

struct worker soak_workers[WORKERS];
unsigned soak_count;
_Atomic bool soak_over;
_Atomic uint64_t soak_errors;

void soak_wrong(struct worker *worker, const char *what)
{
    if (atomic_fetch_add(&soak_errors, 1) < TOLD_MOST) {
        print("soak: %s: %s, in round %lu\n", worker->name, what, worker->rounds);
    }
}

/* xorshift64*, G. Marsaglia 2003. */
uint64_t soak_random(struct worker *worker, uint64_t limit)
{
    worker->random ^= worker->random >> 12;
    worker->random ^= worker->random << 25;
    worker->random ^= worker->random >> 27;
    return worker->random * 0x2545f4914f6cdd1du % limit;
}

static void work(void *argument)
{
    struct worker *worker = argument;
    worker->before = clock_now();
    while (!soak_over) {
        worker->body(worker);
        worker->rounds++;
        uint64_t now = clock_now();
        if (now - worker->before > worker->pause) {
            worker->pause = now - worker->before;
        }
        worker->before = now;
    }
    if (worker->partner != NULL) { /* it may wait for the last word */
        sys_notification_signal(worker->partner->notification, 1);
        if (worker->partner->self != 0) {
            sys_thread_unpark(worker->partner->self);
        }
    }
}

static struct worker *add(const char *name, void (*body)(struct worker *worker))
{
    struct worker *worker = &soak_workers[soak_count++];
    worker->name = name;
    worker->body = body;
    worker->random = soak_count * 0x9e3779b97f4a7c15u;
    if (sys_notification_create(0, &worker->notification) != ERR_NONE) {
        program_fail("no memory for its notifications");
    }
    return worker;
}

static void add_pair(const char *one, void (*first)(struct worker *), const char *two,
                     void (*second)(struct worker *))
{
    struct worker *a = add(one, first);
    struct worker *b = add(two, second);
    a->partner = b;
    b->partner = a;
}

static void add_all(void)
{
    for (unsigned i = 0; i < 2; i++) {
        add_pair("signals", soak_signals, "answers", soak_answers);
        add_pair("exchanges", soak_exchanges, "exchanges", soak_exchanges);
        add("sleeps", soak_sleeps);
        add("lives", soak_lives);
        add("computes", soak_computes);
        add("computes", soak_computes);
        add("maps", soak_maps);
    }
    add("sleeps", soak_sleeps);
    add("shakes", soak_shakes);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        program_fail("expected: soak SECONDS");
    }
    uint64_t seconds = program_number("SECONDS", argv[1], 1, 1000000);
    uint64_t end = clock_after(seconds * SECOND);
    uint64_t rounds = 0;
    add_all();
    for (unsigned i = 0; i < soak_count; i++) {
        enum error error = thread_prepare(&soak_workers[i].thread, work, &soak_workers[i]);
        if (error != ERR_NONE) {
            program_fail("no thread for %s: %s", soak_workers[i].name, error_text(error));
        }
    }
    for (unsigned i = 0; i < soak_count; i++) {
        sys_thread_resume(soak_workers[i].thread.handle);
    }
    sys_thread_sleep(end);
    soak_over = true;
    for (unsigned i = 0; i < soak_count; i++) {
        enum error error = thread_join(&soak_workers[i].thread, clock_after(120 * SECOND));
        if (error != ERR_NONE) {
            soak_wrong(&soak_workers[i], "it does not end");
        }
        if (soak_workers[i].rounds < seconds) { /* those of a low priority wait for a shake that lifts them */
            soak_wrong(&soak_workers[i], "it has done too little");
        }
        if (soak_workers[i].body == soak_shakes) {
            print("soak: the longest round of the shaker took %lu ms\n", soak_workers[i].pause / MILLISECOND);
            if (soak_workers[i].pause > PAUSE_MOST) {
                soak_wrong(&soak_workers[i], "it stood still");
            }
        }
        rounds += soak_workers[i].rounds;
    }
    print("soak: %lu rounds, %lu errors\n", rounds, soak_errors);
    return soak_errors == 0 ? 0 : 1;
}
