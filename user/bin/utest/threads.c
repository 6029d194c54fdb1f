/* Threads: where they start, where they run, how they end. */
#include <cpuid.h>
#include <stdatomic.h>

#include "abi/system.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/utest/test.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"
#include "user/libq/system.h"
#include "user/libq/thread.h"

#define CROWD 64

static bool impossible_starts_are_refused(void)
{
    static const uint64_t outside[] = {0xffff800000000000ull, 0x0000800000000000ull, ~0ull, USER_HIGHEST};
    const uint64_t good = (uint64_t)impossible_starts_are_refused & ~(PAGE_SIZE - 1);
    uint64_t number;
    uint32_t task;
    CHECK_OK(sys_task_create(0, "refused", 7, &task));
    for (unsigned i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        CHECK_ERROR(sys_thread_start(task, outside[i], good, 0, &number), ERR_BAD_ADDRESS);
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK_ERROR(sys_thread_start(task, good, outside[i], 0, &number), ERR_BAD_ADDRESS);
    }
    CHECK_OK(sys_task_kill(task, 0));
    CHECK_OK(sys_handle_close(task));
    return true;
}

static void set_flag(void *argument)
{
    atomic_store((_Atomic uint64_t *)argument, 1);
}

static bool a_thread_gets_its_argument_and_ends_alone(void)
{
    for (unsigned round = 0; round < 50; round++) {
        struct thread thread;
        _Atomic uint64_t flag = 0;
        CHECK_OK(thread_create(&thread, set_flag, &flag));
        CHECK_OK(thread_join(&thread, clock_after(10 * SECOND)));
        CHECK_EQUAL(flag, 1);
    }
    return true;
}

static void count_up(void *argument)
{
    for (unsigned i = 0; i < 10000; i++) {
        atomic_fetch_add((_Atomic uint64_t *)argument, 1);
    }
}

static bool a_crowd_of_threads_all_run_to_their_end(void)
{
    static struct thread threads[CROWD];
    _Atomic uint64_t sum = 0;
    for (unsigned i = 0; i < CROWD; i++) {
        CHECK_OK(thread_create(&threads[i], count_up, &sum));
    }
    for (unsigned i = 0; i < CROWD; i++) {
        CHECK_OK(thread_join(&threads[i], clock_after(20 * SECOND)));
    }
    CHECK_EQUAL(sum, CROWD * 10000);
    return true;
}

/* The APIC id of the CPU that runs this: Intel SDM vol. 2A, CPUID leaves 0x0b and 0x01. */
static uint32_t apic_id(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d;
    if (__get_cpuid_count(0x0b, 0, &a, &b, &c, &d) && b != 0) {
        return d;
    }
    __get_cpuid(1, &a, &b, &c, &d);
    return b >> 24;
}

static bool a_thread_runs_on_the_cpu_that_it_chose(void)
{
    struct system_cpu cpu;
    uint64_t online = 0;
    for (uint64_t i = 0; system_record(TOPIC_CPUS, i, &cpu, sizeof cpu) == ERR_NONE; i++) {
        if (cpu.flags & CPU_ONLINE) {
            CHECK_OK(sys_thread_affinity(cpu.number));
            CHECK_EQUAL(apic_id(), cpu.apic_id);
            CHECK_OK(sys_thread_sleep(clock_after(2 * MILLISECOND)));
            CHECK_EQUAL(apic_id(), cpu.apic_id);
            online++;
        }
    }
    CHECK(online > 0);
    CHECK_OK(sys_thread_affinity(~0ull));
    return true;
}

static bool a_cpu_that_is_not_there_is_refused(void)
{
    struct system_boot boot;
    CHECK_OK(system_record(TOPIC_BOOT, 0, &boot, sizeof boot));
    uint64_t beyond = boot.cpus_expected > boot.cpus_online ? boot.cpus_expected : boot.cpus_online;
    CHECK_ERROR(sys_thread_affinity(beyond), ERR_NOT_FOUND);
    CHECK_ERROR(sys_thread_affinity(0xffffffff), ERR_NOT_FOUND);
    CHECK_ERROR(sys_thread_affinity(1ull << 32), ERR_NOT_FOUND);
    CHECK_ERROR(sys_thread_affinity(~0ull - 1), ERR_NOT_FOUND);
    return true;
}

struct turns {
    _Atomic uint64_t mine;
    _Atomic uint64_t stop;
};

static void spin_and_count(void *argument)
{
    struct turns *turns = argument;
    sys_thread_affinity(0);
    while (!atomic_load(&turns->stop)) {
        atomic_fetch_add(&turns->mine, 1);
    }
}

/* Both spin without a call: only the timer can give each its share. */
static bool threads_on_one_cpu_share_it_without_being_asked(void)
{
    static struct turns turns[2];
    struct thread threads[2];
    for (unsigned i = 0; i < 2; i++) {
        turns[i] = (struct turns){0};
        CHECK_OK(thread_create(&threads[i], spin_and_count, &turns[i]));
    }
    CHECK_OK(sys_thread_sleep(clock_after(400 * MILLISECOND)));
    for (unsigned i = 0; i < 2; i++) {
        atomic_store(&turns[i].stop, 1);
    }
    for (unsigned i = 0; i < 2; i++) {
        CHECK_OK(thread_join(&threads[i], clock_after(10 * SECOND)));
    }
    CHECK(turns[0].mine > 0 && turns[1].mine > 0);
    CHECK(turns[0].mine < 4 * turns[1].mine && turns[1].mine < 4 * turns[0].mine);
    return true;
}

struct baton {
    _Atomic uint64_t turn;
    _Atomic uint64_t rounds;
};

static void pass_baton(void *argument)
{
    struct baton *baton = argument;
    sys_thread_affinity(0);
    while (baton->rounds < 1000) {
        while (baton->turn != 1 && baton->rounds < 1000) {
            sys_thread_yield();
        }
        baton->turn = 0;
    }
}

static bool yield_lets_the_other_thread_run(void)
{
    static struct baton baton;
    struct thread thread;
    baton = (struct baton){0};
    CHECK_OK(sys_thread_affinity(0));
    CHECK_OK(thread_create(&thread, pass_baton, &baton));
    uint64_t deadline = clock_after(10 * SECOND);
    while (baton.rounds < 1000 && clock_now() < deadline) {
        baton.turn = 1;
        while (baton.turn == 1 && clock_now() < deadline) {
            sys_thread_yield();
        }
        baton.rounds++;
    }
    CHECK_OK(thread_join(&thread, clock_after(10 * SECOND)));
    CHECK_OK(sys_thread_affinity(~0ull));
    CHECK_EQUAL(baton.rounds, 1000);
    CHECK(clock_now() < deadline);
    return true;
}

static const struct test tests[] = {
    TEST(impossible_starts_are_refused),           TEST(a_thread_gets_its_argument_and_ends_alone),
    TEST(a_crowd_of_threads_all_run_to_their_end), TEST(a_thread_runs_on_the_cpu_that_it_chose),
    TEST(a_cpu_that_is_not_there_is_refused),      TEST(threads_on_one_cpu_share_it_without_being_asked),
    TEST(yield_lets_the_other_thread_run),
};
const struct area area_threads = AREA("threads", tests);
