/*
 * Locks in the running kernel, on all CPUs.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/sched/rwlock.h"
#include "kernel/sched/spinlock.h"

#define ROUNDS 2000

static struct spinlock spin = SPINLOCK("test", LOCK_TASK);
static struct rwlock rw = RWLOCK("test", LOCK_TASK);

/* Guarded by the lock that is tested. Two words that are equal whenever it is free. */
static volatile uint64_t one, other;
static uint64_t together; /* atomic: readers inside now */
static uint64_t met;      /* atomic: a reader that waited for company and had it */

static void change(void)
{
    one = one + 1;
    arch_spin_wait();
    other = other + 1;
}

static const char *count_under_spin_lock(unsigned number)
{
    (void)number;
    for (unsigned i = 0; i < ROUNDS; i++) {
        spin_lock(&spin);
        EXPECT(one == other);
        change();
        spin_unlock(&spin);
    }
    return NULL;
}

SELFTEST(spin_exclusion, "locks: a spin lock lets one CPU in at a time")
{
    one = other = 0;
    const char *wrong = test_on_all_cpus(1, count_under_spin_lock);
    EXPECT(wrong != NULL || one == (uint64_t)ROUNDS * arch_cpu_count());
    return wrong;
}

static const char *read_and_write(unsigned number)
{
    uint64_t random = number + 1;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t kind = test_random(&random) % 8;
        if (kind > 1) {
            rw_lock_read(&rw);
            EXPECT(one == other && !rw_holds_write(&rw));
            rw_unlock_read(&rw);
            continue;
        }
        rw_lock_write(&rw);
        EXPECT(one == other && rw_holds_write(&rw));
        change();
        uint64_t mine = one;
        if (kind == 0) {
            rw_unlock_write(&rw);
            continue;
        }
        rw_downgrade(&rw);
        EXPECT(one == mine && other == mine && !rw_holds_write(&rw));
        rw_unlock_read(&rw);
    }
    return NULL;
}

SELFTEST(rw_exclusion, "locks: a writer is alone, and one that becomes a reader lets no other in between")
{
    one = other = 0;
    const char *wrong = test_on_all_cpus(1, read_and_write);
    EXPECT(wrong != NULL || rw.state == 0);
    return wrong;
}

/* Every reader waits inside, for a while, until another one is there too. */
static const char *meet(unsigned number)
{
    (void)number;
    rw_lock_read(&rw);
    uint64_t now = __atomic_add_fetch(&together, 1, __ATOMIC_SEQ_CST);
    uint64_t start = arch_clock();
    while (now < 2 && arch_clock() - start < 2000000000u) {
        arch_spin_wait();
        now = __atomic_load_n(&together, __ATOMIC_SEQ_CST);
    }
    __atomic_fetch_add(&met, now >= 2, __ATOMIC_RELAXED);
    rw_unlock_read(&rw);
    return NULL;
}

SELFTEST(rw_sharing, "locks: readers are inside together")
{
    together = met = 0;
    const char *wrong = arch_cpu_count() > 1 ? test_on_all_cpus(1, meet) : NULL;
    EXPECT(wrong != NULL || arch_cpu_count() == 1 || met == arch_cpu_count());
    return wrong;
}

static bool stop_reading; /* atomic */

static const char *crowd_of_readers(unsigned number)
{
    if (number == 0) {
        for (unsigned i = 0; i < 50; i++) {
            rw_lock_write(&rw);
            rw_unlock_write(&rw);
        }
        __atomic_store_n(&stop_reading, true, __ATOMIC_RELEASE);
        return NULL;
    }
    while (!__atomic_load_n(&stop_reading, __ATOMIC_ACQUIRE)) {
        rw_lock_read(&rw);
        arch_spin_wait();
        rw_unlock_read(&rw);
    }
    return NULL;
}

SELFTEST(rw_writer, "locks: a writer gets its turn however many readers there are")
{
    stop_reading = false;
    return test_on_all_cpus(1, crowd_of_readers);
}
