/*
 * How well free memory keeps its shape: after work that leaves much of memory held in single frames, how many
 * 2 MiB blocks are really free, in per cent of what the free frames could make at best. Two CPUs take turns,
 * in one thread, so that the result is the same in every run. Beside it the textbook baseline on the same
 * work.
 *
 *   churn_50, churn_90   hold 50 (90) % at random; 100 rounds of giving each of a random tenth of it back and
 *                        taking another at once
 *   processes            processes of 64 KiB to 16 MiB fill memory, 64 growing at a time; then they end and
 * others come, at 90 % full, until 20 times the memory was taken processes_half       then half of them end
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/baseline/buddy.h"
#include "kernel/mm/frame.h"
#include "tests/host/frame_host.h"
#include "tests/host/random.h"

#define FRAMES    (4 * GIB / PAGE_SIZE)
#define CPUS      2
#define ROUNDS    100
#define PROCESSES 16384
#define GROWING   64 /* processes that grow at the same time */
#define STEP      16 /* a process gets up to so many frames at a time */
#define SIZES     9  /* and in all 16 times a power of two below 2^SIZES */
#define TURNOVER  20

#define WORKS 4
static const char *const names[WORKS] = {"churn_50", "churn_90", "processes", "processes_half"};

static bool ours;
static uint64_t *held;
static struct random dice;

static void *map_zeroed(uint64_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static uint64_t take(void)
{
    uint64_t first;
    pfn_t frame;
    if (ours ? frame_alloc(0, FRAME_USER_ANONYMOUS, &frame) != ERR_NONE : !baseline_alloc(0, &first)) {
        fprintf(stderr, "bench-packing: a request was refused while memory was free\n");
        exit(1);
    }
    return ours ? frame.value : first;
}

static void give(uint64_t first)
{
    if (!ours)
        baseline_free(first, 0);
    else if (frame_free(pfn(first), 0) != ERR_NONE)
        abort();
}

static void start(void)
{
    struct memory_range ram = {pfn(0), {FRAMES}};
    dice = (struct random){1};
    if (!ours)
        baseline_init(FRAMES, map_zeroed(baseline_bytes(FRAMES)));
    else if (frame_init(&ram, 1, map_zeroed(frame_metadata_bytes(&ram, 1)), CPUS) != ERR_NONE)
        abort();
}

/* Free 2 MiB blocks in per cent of the most that the free frames could make. */
static double packing(void)
{
    uint64_t blocks = 0, free = 0;
    struct frame_counts counts;
    frame_count(&counts);
    for (unsigned order = 0; order < BASELINE_ORDERS; order++) {
        uint64_t count = ours ? counts.free_blocks[order] : baseline_blocks(order);
        free += count << order;
        blocks += order >= 9 ? count << (order - 9) : 0;
    }
    return 100.0 * (double)blocks / (double)(free / 512);
}

static double churn(unsigned percent)
{
    start();
    uint64_t count = FRAMES * percent / 100;
    for (uint64_t i = 0; i < FRAMES; i++) {
        frame_host_enter(i / 64 % CPUS);
        held[i] = take();
    }
    for (uint64_t i = FRAMES; i > 1; i--) {
        uint64_t k = random_below(&dice, i), frame = held[i - 1];
        held[i - 1] = held[k];
        held[k] = frame;
    }
    for (uint64_t i = count; i < FRAMES; i++)
        give(held[i]);
    for (uint64_t i = 0; i < ROUNDS * (count / 10); i++) {
        uint64_t slot = i % (count / 10), k = slot + random_below(&dice, count - slot), frame = held[k];
        held[k] = held[slot];
        frame_host_enter(i % CPUS);
        give(frame);
        held[slot] = take();
    }
    return packing();
}

#define LARGEST ((16u << (SIZES - 1)) + 16)

/* A process has `count` frames and wants `size`; they are in a part of the slots that is its own. */
struct process {
    uint64_t count, size;
};

struct machine {
    struct process process[PROCESSES];
    unsigned alive[PROCESSES], alive_count; /* numbers of processes; the rest of the array are those unused */
    unsigned growing[GROWING];              /* the ones that do not have all they want */
    uint64_t in_use, taken;
    uint64_t *slots; /* PROCESSES x LARGEST */
};

static void end_process(struct machine *machine)
{
    unsigned k = (unsigned)random_below(&dice, machine->alive_count), n = machine->alive[k];
    for (unsigned g = 0; g < GROWING; g++)
        if (machine->growing[g] == n)
            return;
    frame_host_enter(n % CPUS);
    for (uint64_t i = 0; i < machine->process[n].count; i++)
        give(machine->slots[(uint64_t)n * LARGEST + i]);
    machine->in_use -= machine->process[n].count;
    machine->alive[k] = machine->alive[--machine->alive_count];
    machine->alive[machine->alive_count] = n;
}

static unsigned new_process(struct machine *machine)
{
    if (machine->alive_count == PROCESSES)
        abort();
    unsigned n = machine->alive[machine->alive_count++];
    machine->process[n] = (struct process){0, (16u << random_below(&dice, SIZES)) + random_below(&dice, 16)};
    return n;
}

/* One of the growing processes gets some frames; when it has all it wants, a new one takes its place. */
static void grow(struct machine *machine)
{
    unsigned g = (unsigned)random_below(&dice, GROWING), n = machine->growing[g];
    struct process *process = &machine->process[n];
    uint64_t step = 1 + random_below(&dice, STEP);
    frame_host_enter(n % CPUS);
    for (; step > 0 && process->count < process->size; step--, machine->in_use++, machine->taken++)
        machine->slots[(uint64_t)n * LARGEST + process->count++] = take();
    if (process->count == process->size)
        machine->growing[g] = new_process(machine);
}

static double processes(double *after_half)
{
    static struct machine machine;
    start();
    machine = (struct machine){.slots = map_zeroed(8ull * PROCESSES * LARGEST)};
    for (unsigned n = 0; n < PROCESSES; n++)
        machine.alive[n] = n;
    for (unsigned g = 0; g < GROWING; g++)
        machine.growing[g] = new_process(&machine);
    while (machine.in_use < FRAMES - STEP)
        grow(&machine);
    while (machine.taken < TURNOVER * FRAMES || machine.in_use < FRAMES * 9 / 10) {
        do
            end_process(&machine);
        while (machine.in_use > FRAMES * 9 / 10);
        while (machine.in_use < FRAMES * 9 / 10)
            grow(&machine);
    }
    double result = packing();
    for (unsigned left = machine.alive_count / 2; machine.alive_count > left;)
        end_process(&machine);
    *after_half = packing();
    munmap(machine.slots, 8ull * PROCESSES * LARGEST);
    return result;
}

static void print(const char *name, double value, double baseline, double goal)
{
    printf("frames.packing.%s.baseline %.1f %% - ok\n", name, baseline);
    printf("frames.packing.%s %.1f %% %.0f %s\n", name, value, goal, value >= goal ? "ok" : "MISSED");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const double goals[WORKS] = {99, 90, 95, 20};
    double result[2][WORKS] = {{0}};
    bool all = argc < 2;
    held = map_zeroed(FRAMES * sizeof *held);
    for (unsigned who = 0; who < 2; who++) {
        ours = who == 1;
        if (all || strcmp(argv[1], "churn") == 0) {
            result[who][0] = churn(50);
            result[who][1] = churn(90);
        }
        if (all || strcmp(argv[1], "processes") == 0)
            result[who][2] = processes(&result[who][3]);
    }
    for (unsigned work = 0; work < WORKS; work++)
        print(names[work], result[1][work], result[0][work], goals[work]);
    return 0;
}
