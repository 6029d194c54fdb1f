/*
 * The page-frame allocator and the textbook baseline on the same work, natively, side by side in one run:
 * rounds of both are interleaved, each figure is the median of its rounds, threads are pinned one to a CPU.
 *
 *   bench-frames             the tables: rows `frames.NAME VALUE UNIT GOAL ok|MISSED`
 *   bench-frames count NAME  the work NAME once, 1 thread, for counting instructions (tools/bench-frames.py)
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <valgrind/callgrind.h>

#include "bench/baseline/buddy.h"
#include "bench/frames.h"
#include "kernel/mm/frame.h"
#include "tests/host/frame_host.h"
#include "tests/host/random.h"

static void __attribute__((noreturn)) worker_fail(const char *why)
{
    fprintf(stderr, "bench-frames: %s\n", why);
    exit(1);
}

/* The time that the calling thread has run, so that other programs disturb little. */
static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t worker_begin(struct worker *worker)
{
    pthread_barrier_wait(&worker->team->barrier);
    return now();
}

static double worker_end(struct worker *worker, uint64_t begin, uint64_t count)
{
    double ns = (double)(now() - begin) / (double)count;
    pthread_barrier_wait(&worker->team->barrier);
    return ns;
}

static void worker_shuffle(struct worker *worker, uint64_t count)
{
    for (uint64_t i = count; i > 1; i--) {
        uint64_t k = random_below(&worker->random, i), held = worker->held[i - 1];
        worker->held[i - 1] = worker->held[k];
        worker->held[k] = held;
    }
    pthread_barrier_wait(&worker->team->barrier);
}

/* What the next thread of the team holds. */
static const uint64_t *worker_other(struct worker *worker)
{
    return worker->team->worker[(worker->number + 1) % worker->team->threads].held;
}

static inline bool take_frames(unsigned order, uint64_t *first)
{
    return frame_alloc(order, FRAME_USER_ANONYMOUS, (pfn_t *)first) == ERR_NONE;
}

static inline void give_frames(uint64_t first, unsigned order)
{
    if (frame_free(pfn(first), order) != ERR_NONE)
        worker_fail("a block was not taken back");
}

#define WORK(name)         ours_##name
#define TAKE(order, first) take_frames(order, first)
#define GIVE(first, order) give_frames(first, order)
#include "bench/frames_work.inc"

#define WORK(name)         baseline_##name
#define TAKE(order, first) baseline_alloc(order, first)
#define GIVE(first, order) baseline_free(first, order)
#include "bench/frames_work.inc"

static void *map_zeroed(uint64_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        worker_fail("no memory for the metadata");
    madvise(memory, bytes, MADV_HUGEPAGE);
    memset(memory, 0, bytes);
    return memory;
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(worker->number, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    frame_host_enter(worker->number);
    if (worker->team->ours)
        ours_run(worker);
    else
        baseline_run(worker);
    return NULL;
}

/* A fresh arena, and the work on it by all threads; returns the nanoseconds that starting took, per frame. */
static double run_team(struct team *team, uint64_t frames)
{
    struct memory_range ram = {pfn(0), {frames}};
    uint64_t bytes = team->ours ? frame_metadata_bytes(&ram, 1) : baseline_bytes(frames);
    void *metadata = map_zeroed(bytes);
    uint64_t begin = now();
    if (!team->ours)
        baseline_init(frames, metadata);
    else if (frame_init(&ram, 1, metadata, team->threads) != ERR_NONE)
        worker_fail("the allocator does not start");
    double start = (double)(now() - begin) / (double)frames;
    pthread_barrier_init(&team->barrier, NULL, team->threads);
    for (unsigned t = 0; t < team->threads; t++)
        pthread_create(&team->worker[t].thread, NULL, worker_main, &team->worker[t]);
    for (unsigned t = 0; t < team->threads; t++)
        pthread_join(team->worker[t].thread, NULL);
    pthread_barrier_destroy(&team->barrier);
    munmap(metadata, bytes);
    return start;
}

static void team_start(struct team *team, bool ours, unsigned threads, uint64_t frames, bool small)
{
    *team = (struct team){.threads = threads, .ours = ours};
    for (unsigned t = 0; t < threads; t++) {
        struct worker *worker = &team->worker[t];
        *worker = (struct worker){.team = team,
                                  .number = t,
                                  .random = {t + 1},
                                  .frames = frames,
                                  .small = small,
                                  .slack = threads > 1 ? 8192 : 0,
                                  .limit = frames,
                                  .held = map_zeroed(frames * sizeof(uint64_t))};
        for (unsigned i = 0; i < MIXED_ORDERS; i++)
            worker->orders[i] = (uint8_t)random_below(&worker->random, 10);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

/* results[who][what][round], mean over the threads */
static double results[2][FIGURES][ROUNDS];

static void collect(const struct team *team, unsigned round, double start)
{
    for (unsigned figure = 0; figure < FIGURES; figure++) {
        double sum = 0;
        for (unsigned t = 0; t < team->threads; t++)
            sum += team->worker[t].ns[figure];
        results[team->ours][figure][round] = sum / team->threads;
    }
    results[team->ours][START][round] = start;
}

struct medians {
    double ns[2][FIGURES]; /* [ours] */
};

static struct medians measure(unsigned threads, uint64_t frames, bool small, unsigned rounds)
{
    static struct team team[2];
    struct medians medians;
    for (unsigned who = 0; who < 2; who++)
        team_start(&team[who], who == 1, threads, frames, small);
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned who = 0; who < 2; who++)
            collect(&team[who], round, run_team(&team[who], frames));
    for (unsigned who = 0; who < 2; who++) {
        for (unsigned figure = 0; figure < FIGURES; figure++)
            medians.ns[who][figure] = median(results[who][figure], rounds);
        for (unsigned t = 0; t < threads; t++)
            munmap(team[who].worker[t].held, frames * sizeof(uint64_t));
    }
    return medians;
}

static void print_row(const char *prefix, const char *name, double value, const char *unit, double goal,
                      bool least)
{
    bool ok = least ? value >= goal : value <= goal;
    printf("frames.%s%s %.3g %s %.3g %s\n", prefix, name, value, unit, goal, ok ? "ok" : "MISSED");
    fflush(stdout);
}

static void print_plain(const char *prefix, const char *name, double value, const char *unit)
{
    printf("frames.%s%s %.3g %s - ok\n", prefix, name, value, unit);
}

static const struct {
    const char *name;
    double ratio;  /* goal: of the baseline, 1 thread */
    double spread; /* goal: 2 threads of 1 thread */
    bool random;   /* measured over the large arena too */
} figures[FIGURES] = {
    [BULK_TAKE] = {"bulk_alloc_0", 0.30, 1.1, false},
    [BULK_GIVE] = {"bulk_free_0", 0.30, 1.1, false},
    [RANDOM_GIVE] = {"random_free_other_0", 0.50, 2.0, true},
    [PAIR_0] = {"pair_0", 0.08, 1.1, false},
    [PAIR_4] = {"pair_4", 0.45, 1.1, false},
    [PAIR_9] = {"pair_9", 0.45, 1.1, false},
    [BULK_TAKE_9] = {"bulk_alloc_9", 0.90, 1.1, false},
    [BULK_GIVE_9] = {"bulk_free_9", 0.90, 1.1, false},
    [EXCHANGE_100] = {"exchange_100", 0.33, 1.1, true},
    [EXCHANGE_90] = {"exchange_90", 0.33, 1.1, true},
    [MIXED] = {"pair_mixed", 0.95, 2.0, false},
    [START] = {"start", 0, 0, true},
};

static void report(const char *prefix, const struct medians *one, const struct medians *two, bool small)
{
    char name[64];
    for (unsigned f = 0; f < FIGURES; f++) {
        if (f == START || (!small && !figures[f].random))
            continue;
        for (unsigned who = 0; who < 2; who++) {
            snprintf(name, sizeof name, "%s.%s", figures[f].name, who ? "ns" : "baseline_ns");
            print_plain(prefix, name, one->ns[who][f], "ns");
        }
        snprintf(name, sizeof name, "%s.ratio", figures[f].name);
        print_row(prefix, name, one->ns[1][f] / one->ns[0][f], "x", figures[f].ratio, false);
        if (two == NULL)
            continue;
        snprintf(name, sizeof name, "%s.baseline_ns_2", figures[f].name);
        print_plain(prefix, name, two->ns[0][f], "ns");
        snprintf(name, sizeof name, "%s.ns_2", figures[f].name);
        print_plain(prefix, name, two->ns[1][f], "ns");
        snprintf(name, sizeof name, "%s.spread", figures[f].name);
        print_row(prefix, name, two->ns[1][f] / one->ns[1][f], "x", figures[f].spread, false);
    }
    print_row(prefix, "start", one->ns[1][START], "ns/frame", 0.3, false);
}

/* One of the workloads for callgrind, which is told to forget what came before, and collects in frame_* only.
 */
static int count_instructions(const char *name)
{
    static struct team team;
    uint64_t frames = GIB / PAGE_SIZE / 4, operations = frames;
    struct memory_range ram = {pfn(0), {frames}};
    team_start(&team, true, 1, frames, true);
    struct worker *worker = &team.worker[0];
    pthread_barrier_init(&team.barrier, NULL, 1);
    frame_host_enter(0);
    if (frame_init(&ram, 1, map_zeroed(frame_metadata_bytes(&ram, 1)), 1) != ERR_NONE)
        worker_fail("the allocator does not start");
    bool exchange = strstr(name, "exchange") != NULL;
    if (strstr(name, "free") || exchange)
        ours_bulk_take(worker, 0, frames);
    if (strstr(name, "random") || exchange)
        worker_shuffle(worker, frames);
    if (strcmp(name, "exchange_90") == 0)
        ours_bulk_give(worker, 0, worker->held + (operations -= frames / 10), frames / 10);
    CALLGRIND_ZERO_STATS;
    if (strcmp(name, "bulk_alloc_0") == 0)
        ours_bulk_take(worker, 0, frames);
    else if (strstr(name, "free"))
        ours_bulk_give(worker, 0, worker->held, frames);
    else if (exchange)
        ours_exchange(worker, operations);
    else if (strcmp(name, "pair_mixed") == 0)
        ours_mixed_pairs(worker, operations);
    else if (strncmp(name, "pair_", 5) == 0)
        ours_pairs(worker, (unsigned)(name[5] - '0'), operations);
    else
        worker_fail("there is no such work to count");
    printf("%lu\n", operations);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "count") == 0)
        return count_instructions(argv[2]);
    uint64_t gib = GIB / PAGE_SIZE;
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : ROUNDS;
    struct medians one = measure(1, 4 * gib, true, rounds), two = measure(2, 4 * gib, true, rounds);
    report("4g.", &one, &two, true);
    one = measure(1, 16 * gib, false, rounds < 3 ? rounds : 3);
    report("16g.", &one, NULL, false);
    return 0;
}
