/*
 * How well free memory keeps its shape: after work that leaves much of memory held in single frames, how many
 * 2 MiB blocks are really free, in per cent of what the free frames could make at best. Two CPUs take turns, in
 * one thread, so that the result is the same in every run. Beside it the textbook baseline on the same work.
 *
 *   churn_50, churn_90   hold 50 (90) % at random, 100 rounds of re-allocating a tenth of it, one after the other
 *   processes            processes of 64 KiB to 64 MiB grow together, and end, at 90 % full, for 20 times memory
 *   processes_half       then half of them end
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
#define PROCESSES 4096
#define GROWING   16
#define TURNOVER  20

static bool ours;
static uint64_t *held;
static struct random dice;

static void *map_zeroed(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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
        uint64_t k = random_below(&dice, count);
        frame_host_enter(i % CPUS);
        give(held[k]);
        held[k] = take();
    }
    return packing();
}

/* A process holds `count` frames from held[first] on, and will hold `size`. */
struct process {
    uint64_t first, count, size;
};

struct machine {
    struct process process[PROCESSES];
    unsigned count;
    uint64_t in_use, taken;
    uint64_t *slots; /* PROCESSES x the largest process */
};

#define LARGEST (64 * MIB / PAGE_SIZE)

static void end_process(struct machine *machine, unsigned n)
{
    struct process *process = &machine->process[n];
    frame_host_enter(n % CPUS);
    for (uint64_t i = 0; i < process->count; i++)
        give(machine->slots[process->first + i]);
    machine->in_use -= process->count;
    struct process last = machine->process[--machine->count];
    uint64_t first = process->first;
    machine->process[machine->count].first = first;
    *process = last;
}

/* One of the youngest processes, or a new one, gets some frames. */
static void grow(struct machine *machine)
{
    unsigned young = machine->count < GROWING ? machine->count : GROWING;
    unsigned n = machine->count - 1 - (unsigned)random_below(&dice, young ? young : 1);
    if (machine->count == 0 || machine->process[n].count == machine->process[n].size) {
        n = machine->count++;
        machine->process[n].count = 0;
        machine->process[n].size = 16u << random_below(&dice, 11);
    }
    struct process *process = &machine->process[n];
    uint64_t step = 1 + random_below(&dice, 64);
    frame_host_enter(n % CPUS);
    for (; step > 0 && process->count < process->size; step--, machine->in_use++, machine->taken++)
        machine->slots[process->first + process->count++] = take();
}

static double processes(double *after_half)
{
    static struct machine machine;
    start();
    machine = (struct machine){.slots = map_zeroed(PROCESSES * LARGEST * sizeof(uint64_t))};
    for (unsigned n = 0; n < PROCESSES; n++)
        machine.process[n].first = n * LARGEST;
    while (machine.taken < TURNOVER * FRAMES) {
        while (machine.in_use < FRAMES * 9 / 10 - 64 && machine.count < PROCESSES)
            grow(&machine);
        end_process(&machine, (unsigned)random_below(&dice, machine.count));
    }
    while (machine.in_use < FRAMES * 9 / 10 - 64 && machine.count < PROCESSES)
        grow(&machine);
    double result = packing();
    for (unsigned n = machine.count / 2; n > 0; n--)
        end_process(&machine, (unsigned)random_below(&dice, machine.count));
    *after_half = packing();
    munmap(machine.slots, PROCESSES * LARGEST * sizeof(uint64_t));
    return result;
}

static void print(const char *name, double value, double baseline, double goal)
{
    printf("frames.packing.%s.baseline %.1f %% - ok\n", name, baseline);
    printf("frames.packing.%s %.1f %% %.0f %s\n", name, value, goal, value >= goal ? "ok" : "MISSED");
    fflush(stdout);
}

int main(void)
{
    double result[2][4];
    held = map_zeroed(FRAMES * sizeof *held);
    for (unsigned who = 0; who < 2; who++) {
        ours = who == 1;
        result[who][0] = churn(50);
        result[who][1] = churn(90);
        result[who][2] = processes(&result[who][3]);
    }
    print("churn_50", result[1][0], result[0][0], 99);
    print("churn_90", result[1][1], result[0][1], 90);
    print("processes", result[1][2], result[0][2], 95);
    print("processes_half", result[1][3], result[0][3], 20);
    return 0;
}
