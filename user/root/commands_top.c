/* The command top: what CPUs and threads have done since the last look, over and over. */
#include "lib/text.h"
#include "syscalls.h"
#include "user/libq/clock.h"
#include "user/libq/print.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/root/commands.h"
#include "user/root/events.h"
#include "user/root/input.h"

#define CPUS_MOST 256u
#define ROWS      16u /* of threads: those that ran the most */
#define KNOWN     512u

/* What was seen last time. Threads are kept by a hash of their number; one that loses its place counts as
 * new. */
static struct look {
    uint64_t time;
    struct {
        uint64_t idle, switches, interrupts;
    } cpu[CPUS_MOST];
    struct {
        uint32_t number;
        uint64_t cpu_time;
    } thread[KNOWN];
} last;

struct row {
    struct system_thread thread;
    uint64_t ran;
};

static void show_cpus(uint64_t elapsed)
{
    struct system_cpu cpu;
    print("  cpu   busy  threads  task  switches/s  interrupts/s\n");
    for (uint64_t i = 0; i < CPUS_MOST && system_record(TOPIC_CPUS, i, &cpu, sizeof cpu) == ERR_NONE; i++) {
        uint64_t idle = cpu.idle_time - last.cpu[i].idle;
        uint64_t busy = idle < elapsed ? elapsed - idle : 0;
        print("  %3u  %3lu %% %8u %5u %11lu %13lu\n", cpu.number, busy * 100 / elapsed, cpu.runnable,
              cpu.task, (cpu.switches - last.cpu[i].switches) * SECOND / elapsed,
              (cpu.interrupts - last.cpu[i].interrupts) * SECOND / elapsed);
        last.cpu[i].idle = cpu.idle_time;
        last.cpu[i].switches = cpu.switches;
        last.cpu[i].interrupts = cpu.interrupts;
    }
}

static uint64_t ran_since_last(const struct system_thread *thread)
{
    uint32_t place = thread->number % KNOWN;
    uint64_t before = last.thread[place].number == thread->number ? last.thread[place].cpu_time : 0;
    last.thread[place].number = thread->number;
    last.thread[place].cpu_time = thread->cpu_time;
    return thread->cpu_time - before;
}

/* Keep the rows that ran the most, the first the most of all. */
static size_t row_insert(struct row *rows, size_t count, const struct row *row)
{
    size_t at = count < ROWS ? count : ROWS - 1;
    if (count == ROWS && rows[at].ran >= row->ran) {
        return count;
    }
    while (at > 0 && rows[at - 1].ran < row->ran) {
        rows[at] = rows[at - 1];
        at--;
    }
    rows[at] = *row;
    return count < ROWS ? count + 1 : count;
}

static void show_threads(uint64_t elapsed)
{
    static struct row rows[ROWS];
    struct row row;
    size_t count = 0;
    for (uint64_t i = 0; system_record(TOPIC_THREADS, i, &row.thread, sizeof row.thread) == ERR_NONE;
         i = row.thread.number + 1ull) {
        row.ran = ran_since_last(&row.thread);
        if (row.ran > 0) {
            count = row_insert(rows, count, &row);
        }
    }
    print(" thread  task  cpu  prio    cpu  name\n");
    for (size_t i = 0; i < count; i++) {
        const struct system_thread *t = &rows[i].thread;
        print("%7u %5u %4u %5u %3lu.%lu %%  %s\n", t->number, t->task, t->cpu, t->priority,
              rows[i].ran * 100 / elapsed, rows[i].ran * 1000 / elapsed % 10, t->name);
    }
}

static void look(void)
{
    uint64_t now = clock_now();
    uint64_t elapsed = now - last.time;
    last.time = now;
    print("\033[H\033[2J");
    show_cpus(elapsed > 0 ? elapsed : 1);
    show_threads(elapsed > 0 ? elapsed : 1);
    print("any key ends it\n");
}

void command_top(size_t count, char **words)
{
    uint64_t seconds = 0;
    if (count == 2 && !text_to_number(words[1], strlen(words[1]), &seconds)) {
        print("top: '%s' is not a number of seconds\n", words[1]);
        return;
    }
    last = (struct look){0};
    uint64_t end = count == 2 ? clock_after(seconds * SECOND) : DEADLINE_NEVER;
    look(); /* since the start */
    while (clock_now() < end) {
        uint64_t next = clock_after(SECOND);
        events_wait_until(EVENT_CONSOLE, next < end ? next : end);
        if (input_waiting()) {
            break;
        }
        look();
    }
    input_drop();
}
