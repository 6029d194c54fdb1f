/* Commands on what the CPUs do: cpus, ps, locks. */
#include "user/libq/clock.h"
#include "user/libq/print.h"
#include "user/libq/system.h"
#include "user/root/commands.h"

static const char *cpu_state(const struct system_cpu *cpu)
{
    if (!(cpu->flags & CPU_ONLINE)) {
        return "offline";
    }
    return cpu->flags & CPU_BOOT ? "online, boot" : "online";
}

void command_cpus(size_t count, char **words)
{
    (void)count;
    (void)words;
    struct system_cpu cpu;
    print("  cpu  apic  state         busy  threads  task   switches     taken  interrupts     ticks     "
          "kicks\n");
    for (uint64_t i = 0; system_record(TOPIC_CPUS, i, &cpu, sizeof cpu) == ERR_NONE; i++) {
        uint64_t busy = cpu.up_time > cpu.idle_time ? cpu.up_time - cpu.idle_time : 0;
        print("  %3u  %4u  %-12s %4lu %% %8u %5u %10lu %9lu %11lu %9lu %9lu\n", cpu.number, cpu.apic_id,
              cpu_state(&cpu), cpu.up_time > 0 ? busy * 100 / cpu.up_time : 0, cpu.runnable, cpu.task,
              cpu.switches, cpu.steals, cpu.interrupts, cpu.timer_ticks, cpu.kicks);
    }
}

static const char *thread_state(uint32_t state)
{
#define STATE(number, name) [number] = name,
    static const char *const names[] = {THREAD_STATE_LIST(STATE)};
#undef STATE
    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}

static void print_thread(const struct system_thread *thread)
{
    char lent = thread->counted == ~0u ? '-' : thread->counted > thread->priority ? '+' : ' ';
    print("%7u %5u %4u  %-9s %4u%c %6lu.%03lu s  %-16s %s\n", thread->number, thread->task, thread->cpu,
          thread_state(thread->state), thread->priority, lent, thread->cpu_time / SECOND,
          thread->cpu_time % SECOND / MILLISECOND, thread->waits_for, thread->name);
}

void command_ps(size_t count, char **words)
{
    (void)count;
    (void)words;
    struct system_thread thread;
    print(" thread  task  cpu  state     prio     cpu time  waits for        name\n");
    for (uint64_t i = 0; system_record(TOPIC_THREADS, i, &thread, sizeof thread) == ERR_NONE;
         i = thread.number + 1ull) {
        print_thread(&thread);
    }
}

void command_locks(size_t count, char **words)
{
    (void)count;
    (void)words;
    struct system_lock lock;
    print("  rank  class             taken  longest held  there\n");
    for (uint64_t i = 0; system_record(TOPIC_LOCKS, i, &lock, sizeof lock) == ERR_NONE; i++) {
        if (!lock.measured) {
            print("  %4u  %-15s       -             -\n", lock.rank, lock.name);
        } else {
            print("  %4u  %-15s %7lu %10lu us  %s\n", lock.rank, lock.name, lock.taken,
                  lock.longest / MICROSECOND, lock.site);
        }
    }
}
