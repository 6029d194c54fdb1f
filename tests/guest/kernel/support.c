/*
 * Threads for the tests inside the kernel; see support.h.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/ipc/notification.h"
#include "kernel/mm/account.h"

struct crowd {
    const char *(*body)(unsigned number);
    struct notification *done;
    uint32_t next;     /* atomic */
    uint32_t left;     /* atomic */
    const char *wrong; /* atomic: the first complaint */
};

static void crowd_member(void *argument)
{
    struct crowd *crowd = argument;
    const char *wrong = crowd->body(__atomic_fetch_add(&crowd->next, 1, __ATOMIC_RELAXED));
    if (wrong != NULL) {
        __atomic_store_n(&crowd->wrong, wrong, __ATOMIC_RELAXED);
    }
    if (__atomic_sub_fetch(&crowd->left, 1, __ATOMIC_ACQ_REL) == 0) {
        notification_signal(crowd->done, 1);
    }
    thread_exit();
}

const char *test_on_all_cpus(unsigned per_cpu, const char *(*body)(unsigned number))
{
    struct crowd crowd = {.body = body, .left = per_cpu * arch_cpu_count()};
    uint64_t bits;
    uint64_t records_before = object_count(OBJECT_THREAD);
    EXPECT(notification_make(&kernel_account, &crowd.done) == ERR_NONE);
    for (unsigned i = 0; i < per_cpu * arch_cpu_count(); i++) {
        struct thread *thread;
        EXPECT(thread_create("test", crowd_member, &crowd, i % arch_cpu_count(), &thread) == ERR_NONE);
        thread_start(thread);
    }
    EXPECT(notification_wait(crowd.done, 1, DEADLINE_NEVER, &bits) == ERR_NONE);
    /* They have returned, but are being given back: by this thread, or by other CPUs and the reaper. */
    objects_bury();
    while (object_count(OBJECT_THREAD) > records_before) {
        EXPECT(wait_until(arch_clock() + 100000, 0) == ERR_NONE);
        objects_bury();
    }
    notification_release(crowd.done);
    objects_bury();
    return __atomic_load_n(&crowd.wrong, __ATOMIC_RELAXED);
}

static uint32_t gathered; /* atomic */

static const char *gather(unsigned number)
{
    (void)number;
    uint32_t round = __atomic_fetch_add(&gathered, 1, __ATOMIC_RELAXED) / (2 * arch_cpu_count());
    while (__atomic_load_n(&gathered, __ATOMIC_RELAXED) < (round + 1) * 2 * arch_cpu_count()) {
        thread_yield();
        EXPECT(thread_preemption_point() == ERR_NONE);
    }
    return NULL;
}

const char *test_make_stacks(void)
{
    return test_on_all_cpus(2, gather);
}
