/*
 * threads N: N threads, spread over the CPUs, add to one counter together. The total tells whether any
 * addition was lost, and the list where they ran.
 */
#include <stdatomic.h>

#include "syscalls.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/heap.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/libq/thread.h"

#define ADDITIONS 100000u

static _Atomic uint64_t counter;

struct worker {
    struct thread thread;
    uint64_t wish; /* the CPU that it asks for */
    enum error placed;
};

static void work(void *argument)
{
    struct worker *worker = argument;
    worker->placed = sys_thread_affinity(worker->wish);
    for (unsigned i = 0; i < ADDITIONS; i++) {
        atomic_fetch_add(&counter, 1);
    }
}

/* How many CPUs there are: the first number on which a thread cannot be put. */
static uint64_t cpu_count(void)
{
    uint64_t count = 0;
    while (sys_thread_affinity(count) == ERR_NONE) {
        count++;
    }
    sys_thread_affinity(~0ull);
    return count;
}

static void start_all(struct worker *workers, uint64_t count, uint64_t cpus)
{
    for (uint64_t i = 0; i < count; i++) {
        workers[i].wish = i % cpus;
        enum error error = thread_create(&workers[i].thread, work, &workers[i]);
        if (error != ERR_NONE) {
            program_fail("thread %lu of %lu: %s", i + 1, count, error_text(error));
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        program_fail("expected: threads N");
    }
    uint64_t count = program_number("N", argv[1], 1, THREADS_MOST);
    uint64_t cpus = cpu_count();
    struct worker *workers = heap_allocate(count * sizeof *workers);
    if (workers == NULL || cpus == 0) {
        program_fail("no memory for %lu threads on %lu CPUs", count, cpus);
    }
    start_all(workers, count, cpus);
    uint64_t misplaced = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (thread_join(&workers[i].thread, DEADLINE_NEVER) != ERR_NONE || workers[i].placed != ERR_NONE) {
            misplaced++;
        }
    }
    uint64_t expected = count * ADDITIONS;
    print("%lu threads on %lu CPUs counted to %lu, expected %lu; %lu could not run where they wished\n",
          count, count < cpus ? count : cpus, counter, expected, misplaced);
    return counter == expected && misplaced == 0 ? 0 : 1;
}
