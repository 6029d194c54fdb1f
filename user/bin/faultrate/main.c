/*
 * faultrate [ROUNDS]: how page faults scale over two CPUs. The same pages are touched for the first time by
 * one thread, by two in one space, and by two in spaces of their own; these take turns, and the medians of
 * all rounds are told, with the ratio of faults in a time to one thread's. What the machine itself gives to
 * two threads is told in the same way: a loop that touches no memory, by one and by two.
 *
 * faultrate child CPU THREADS START WORK: does one of it, from the time START on, and exits with the
 * microseconds it took.
 */
#include <stdatomic.h>

#include "abi/memory.h"
#include "abi/system.h"
#include "lib/text.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/libq/bundle_map.h"
#include "user/libq/clock.h"
#include "user/libq/errors.h"
#include "user/libq/print.h"
#include "user/libq/process.h"
#include "user/libq/program.h"
#include "user/libq/thread.h"

#define PAGES       8192u /* that each thread touches */
#define WARM_UP     16u
#define TURNS       4000u /* of a loop that takes about as long as a fault */
#define ROUNDS_MOST 64u
#define HEAD_START  (40 * MILLISECOND) /* for programs to come up in */

static void must(enum error error, const char *what)
{
    if (error != ERR_NONE) {
        program_fail("%s: %s", what, error_text(error));
    }
}

/* --- the child ---------------------------------------------------------------------------------------------
 */

struct toucher {
    struct thread thread;
    uint64_t cpu, start;
    volatile char *pages; /* NULL: to compute */
    uint64_t end;
};

static __attribute__((noinline)) void work(volatile char *pages, uint64_t count)
{
    for (uint64_t page = 0; page < count; page++) {
        if (pages != NULL) {
            pages[page * PAGE_SIZE] = 1;
        } else {
            for (uint64_t turn = 0; turn < TURNS; turn++) {
                __asm__ volatile("" : "+r"(turn));
            }
        }
    }
}

static void touch(void *argument)
{
    struct toucher *toucher = argument;
    must(sys_thread_affinity(toucher->cpu), "choosing the CPU");
    while (clock_now() < toucher->start) {
    }
    work(toucher->pages, PAGES);
    toucher->end = clock_now();
}

static int child(char **argv)
{
    static struct toucher touchers[2];
    uint64_t cpu = program_number("CPU", argv[2], 0, 1);
    uint64_t count = program_number("THREADS", argv[3], 1, 2);
    uint64_t start = program_number("START", argv[4], 0, ~0ull);
    bool faults = text_equal(argv[5], "faults");
    uint64_t where, bytes = (count * PAGES + WARM_UP) * PAGE_SIZE, end = 0;
    uint32_t memory;
    must(sys_memory_create(0, bytes, 0, &memory), "making the memory");
    must(sys_memory_map(startup->self, memory, 0, 0, bytes, ACCESS_READ | ACCESS_WRITE | MAP_MODE_SMALL,
                        &where),
         "mapping it");
    /* Where two CPUs of the emulator translate the same code at one moment, one may be left with a slow copy.
     */
    work(faults ? (volatile char *)where + count * PAGES * PAGE_SIZE : NULL, WARM_UP);
    for (uint64_t i = 0; i < count; i++) {
        touchers[i].cpu = cpu ^ i;
        touchers[i].start = start;
        touchers[i].pages = faults ? (volatile char *)where + i * PAGES * PAGE_SIZE : NULL;
        must(thread_create(&touchers[i].thread, touch, &touchers[i]), "starting a thread");
    }
    for (uint64_t i = 0; i < count; i++) {
        must(thread_join(&touchers[i].thread, DEADLINE_NEVER), "waiting for a thread");
        end = touchers[i].end > end ? touchers[i].end : end;
    }
    program_exit((uint32_t)((end - start) / MICROSECOND));
}

/* --- the parent --------------------------------------------------------------------------------------------
 */

struct rounds {
    uint64_t times[ROUNDS_MOST];
    uint64_t count;
};

static struct bundle_member image;
static uint32_t ended;
static _Atomic bool stop;

/* Keeps the other CPU from clearing frames for who runs alone, as it would when idle. */
static void spin(void *argument)
{
    (void)argument;
    must(sys_thread_affinity(1), "choosing the CPU");
    while (!atomic_load(&stop)) {
    }
}

static void run(struct process *process, const char *cpu, const char *threads, const char *start,
                const char *work)
{
    const char *argv[] = {"faultrate", "child", cpu, threads, start, work};
    struct process_request request = {.name = "faultrate",
                                      .image = image.data,
                                      .image_bytes = image.size,
                                      .argc = 6,
                                      .argv = argv,
                                      .console = {startup->console, RIGHT_WRITE}};
    must(process_create(&request, process), process->doing);
    must(sys_task_watch(process->task, ended, 1), "watching the child");
    must(process_start(process), "starting the child");
}

static uint64_t time_of(struct process *process)
{
    struct task_status status = {0};
    uint64_t bits;
    for (;;) {
        must(sys_task_status(process->task, &status, sizeof status), "asking for the end of the child");
        if (status.state == TASK_ENDED) {
            break;
        }
        must(sys_notification_wait(ended, 1, DEADLINE_NEVER, &bits), "waiting for the child");
        sys_notification_signal(ended, 1); /* perhaps it was the other one's */
        clock_sleep(MILLISECOND);
    }
    if (status.end != END_EXIT || status.status <= STATUS_SAID) {
        program_fail("a child ended without a time");
    }
    sys_handle_close(process->task);
    return status.status;
}

static void add(struct rounds *rounds, uint64_t time)
{
    rounds->times[rounds->count++] = time;
}

/* One child with this many threads; the time of it. */
static uint64_t one(const char *threads, const char *work)
{
    struct process process;
    char start[24];
    text_format(start, sizeof start, "%lu", clock_now() + HEAD_START);
    run(&process, "0", threads, start, work);
    return time_of(&process);
}

/* One thread alone, while the other CPU is busy. */
static uint64_t alone(const char *work)
{
    struct thread spinner;
    atomic_store(&stop, false);
    must(thread_create(&spinner, spin, NULL), "starting a thread");
    uint64_t time = one("1", work);
    atomic_store(&stop, true);
    must(thread_join(&spinner, DEADLINE_NEVER), "waiting for a thread");
    return time;
}

static uint64_t two_spaces(void)
{
    struct process first, second;
    char start[24];
    text_format(start, sizeof start, "%lu", clock_now() + HEAD_START);
    run(&first, "0", "1", start, "faults");
    run(&second, "1", "1", start, "faults");
    uint64_t a = time_of(&first), b = time_of(&second);
    return a > b ? a : b;
}

/* What is measured, and by whose rate it is told. */
enum kind { ONE_FAULTING, TWO_IN_ONE_SPACE, TWO_IN_TWO_SPACES, ONE_COMPUTING, TWO_COMPUTING, KINDS };

static const struct {
    const char *name, *what;
    enum kind alone;
} kinds[KINDS] = {
    [ONE_FAULTING] = {"one thread", "faults", ONE_FAULTING},
    [TWO_IN_ONE_SPACE] = {"two in one space", "faults", ONE_FAULTING},
    [TWO_IN_TWO_SPACES] = {"two in two spaces", "faults", ONE_FAULTING},
    [ONE_COMPUTING] = {"one computing", "loops", ONE_COMPUTING},
    [TWO_COMPUTING] = {"two computing", "loops", ONE_COMPUTING},
};

static void round_of(struct rounds rounds[KINDS])
{
    add(&rounds[ONE_FAULTING], alone("faults"));
    add(&rounds[TWO_IN_ONE_SPACE], one("2", "faults"));
    add(&rounds[TWO_IN_TWO_SPACES], two_spaces());
    add(&rounds[ONE_COMPUTING], alone("computing"));
    add(&rounds[TWO_COMPUTING], one("2", "computing"));
}

static uint64_t median(struct rounds *rounds)
{
    for (uint64_t i = 1; i < rounds->count; i++) {
        for (uint64_t j = i; j > 0 && rounds->times[j - 1] > rounds->times[j]; j--) {
            uint64_t other = rounds->times[j];
            rounds->times[j] = rounds->times[j - 1];
            rounds->times[j - 1] = other;
        }
    }
    return rounds->times[rounds->count / 2];
}

int main(int argc, char **argv)
{
    static struct rounds rounds[KINDS];
    struct bundle bundle;
    if (argc == 6 && text_equal(argv[1], "child")) {
        return child(argv);
    }
    uint64_t count = argc < 2 ? 9 : program_number("ROUNDS", argv[1], 1, ROUNDS_MOST);
    must(bundle_map(&bundle), "reading the bundle");
    must(bundle_find(&bundle, "bin/faultrate", strlen("bin/faultrate"), &image), "finding bin/faultrate");
    must(sys_notification_create(0, &ended), "making a notification");
    for (uint64_t i = 0; i < count; i++) {
        round_of(rounds);
    }
    for (unsigned i = 0; i < KINDS; i++) {
        uint64_t time = median(&rounds[i]), times = i == kinds[i].alone ? 1 : 2;
        uint64_t ratio = times * 100 * median(&rounds[kinds[i].alone]) / time;
        print("%s: %lu %s in %lu us, %lu.%02lu times one thread's rate\n", kinds[i].name, times * PAGES,
              kinds[i].what, time, ratio / 100, ratio % 100);
    }
    return 0;
}
