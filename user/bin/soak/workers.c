/* What the workers of soak do; see soak.h. */
#include "abi/handle.h"
#include "lib/units.h"
#include "syscalls.h"
#include "user/bin/soak/soak.h"
#include "user/libq/clock.h"
#include "user/libq/program.h"

/* A machine of many CPUs may be emulated on few: this long nothing takes, if it comes at all. */
#define LONG (60 * SECOND)

/* Above all that it gives others. */
#define SHAKER_PRIORITY 150

static void must(struct worker *worker, enum error error, const char *what)
{
    if (error != ERR_NONE) {
        soak_wrong(worker, what);
    }
}

/* Each signal is answered once: a deadline that comes at the same moment loses none. */
void soak_signals(struct worker *worker)
{
    uint64_t bits;
    struct worker *partner = worker->partner;
    must(worker, sys_notification_signal(partner->notification, 1), "a signal fails");
    uint64_t deadline = clock_after(soak_random(worker, 300) * MICROSECOND);
    enum error error = sys_notification_wait(worker->notification, 1, deadline, &bits);
    if (error == ERR_TIMED_OUT) {
        error = sys_notification_wait(worker->notification, 1, clock_after(LONG), &bits);
    }
    must(worker, error, "a wake-up is lost");
    /* When all is over the partner may leave without an answer, and its last word is none. */
    if (partner->answered != worker->rounds + 1 && !soak_over) {
        soak_wrong(worker, "a signal is answered twice, or not at all");
    }
}

void soak_answers(struct worker *worker)
{
    uint64_t bits;
    enum error error = sys_notification_wait(worker->notification, 1, clock_after(50 * MILLISECOND), &bits);
    if (error == ERR_NONE) {
        worker->answered++;
        must(worker, sys_notification_signal(worker->partner->notification, 1), "an answer fails");
    } else if (error != ERR_TIMED_OUT) {
        soak_wrong(worker, "a wait fails");
    }
}

/* The one with the lower address begins; who gets the permit gives the other one its own. */
void soak_exchanges(struct worker *worker)
{
    if (worker->self == 0) {
        must(worker, sys_thread_self(&worker->self), "no handle to itself");
        while (worker->partner->self == 0 && !soak_over) {
            sys_thread_yield();
        }
        if (worker > worker->partner) {
            must(worker, sys_thread_park(clock_after(LONG)), "the first permit is lost");
        }
    }
    must(worker, sys_thread_exchange(worker->partner->self, clock_after(LONG)), "a permit is lost");
    worker->answered++;
    /* They take turns. The other one may be through and count later, or go on in between. */
    uint64_t mine = worker->answered;
    uint64_t other = worker->partner->answered;
    if (mine > other + 2 || other > mine + 2) {
        soak_wrong(worker, "one side has more permits than the other");
    }
}

void soak_sleeps(struct worker *worker)
{
    uint64_t deadline = clock_after(soak_random(worker, 3000) * MICROSECOND);
    must(worker, sys_thread_sleep_until(deadline, soak_random(worker, 2) * MILLISECOND), "a sleep fails");
    if (clock_now() < deadline) {
        soak_wrong(worker, "a sleep ends early");
    }
}

static void live(void *argument)
{
    uint64_t kind = (uint64_t)argument;
    if (kind % 2 == 0) {
        clock_sleep(kind * 10 * MICROSECOND);
    } else {
        for (uint64_t i = 0; i < kind * 100; i++) {
            __asm__ volatile("");
        }
    }
}

void soak_lives(struct worker *worker)
{
    struct thread threads[4];
    for (unsigned i = 0; i < 4; i++) {
        must(worker, thread_create(&threads[i], live, (void *)soak_random(worker, 40)), "no thread");
    }
    for (unsigned i = 0; i < 4; i++) {
        uint64_t kind = soak_random(worker, 4);
        if (kind == 0) {
            must(worker, sys_thread_kill(threads[i].handle, 1), "a kill fails");
        } else if (kind == 1 && sys_thread_suspend(threads[i].handle) == ERR_NONE) {
            must(worker, sys_thread_resume(threads[i].handle), "a resumption fails");
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        must(worker, thread_join(&threads[i], clock_after(LONG)), "a thread does not end");
    }
}

/* A pattern of this thread's own goes into the registers, others run, and it is still there. */
void soak_computes(struct worker *worker)
{
    uint64_t before[16][2], after[16][2];
    for (unsigned i = 0; i < 16; i++) {
        before[i][0] = soak_random(worker, ~0ull);
        before[i][1] = (uint64_t)worker + i;
    }
    uint64_t turns = 2000 + soak_random(worker, 20000);
    __asm__ volatile(
        "movups (%1), %%xmm0; movups 16(%1), %%xmm1; movups 32(%1), %%xmm2; movups 48(%1), %%xmm3\n\t"
        "movups 64(%1), %%xmm4; movups 80(%1), %%xmm5; movups 96(%1), %%xmm6; movups 112(%1), %%xmm7\n\t"
        "movups 128(%1), %%xmm8; movups 144(%1), %%xmm9; movups 160(%1), %%xmm10\n\t"
        "movups 176(%1), %%xmm11; movups 192(%1), %%xmm12; movups 208(%1), %%xmm13\n\t"
        "movups 224(%1), %%xmm14; movups 240(%1), %%xmm15\n"
        "1:\tdecq %0; jnz 1b\n\t"
        "movups %%xmm0, (%2); movups %%xmm1, 16(%2); movups %%xmm2, 32(%2); movups %%xmm3, 48(%2)\n\t"
        "movups %%xmm4, 64(%2); movups %%xmm5, 80(%2); movups %%xmm6, 96(%2); movups %%xmm7, 112(%2)\n\t"
        "movups %%xmm8, 128(%2); movups %%xmm9, 144(%2); movups %%xmm10, 160(%2)\n\t"
        "movups %%xmm11, 176(%2); movups %%xmm12, 192(%2); movups %%xmm13, 208(%2)\n\t"
        "movups %%xmm14, 224(%2); movups %%xmm15, 240(%2)"
        : "+r"(turns)
        : "r"(before), "r"(after)
        : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
          "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    for (unsigned i = 0; i < 16; i++) {
        if (before[i][0] != after[i][0] || before[i][1] != after[i][1]) {
            soak_wrong(worker, "a vector register has changed");
            return;
        }
    }
}

void soak_maps(struct worker *worker)
{
    uint32_t memory;
    uint64_t where;
    uint64_t bytes = (1 + soak_random(worker, 16)) * PAGE_SIZE;
    if (sys_memory_create(0, bytes, 0, &memory) != ERR_NONE) {
        soak_wrong(worker, "no memory");
        return;
    }
    if (sys_memory_map(startup->self, memory, 0, 0, bytes, ACCESS_READ | ACCESS_WRITE, &where) == ERR_NONE) {
        for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
            volatile uint64_t *word = (volatile uint64_t *)(where + at);
            if (*word != 0) {
                soak_wrong(worker, "new memory is not zero");
            }
            *word = where;
        }
        must(worker, sys_memory_unmap(startup->self, where, 0), "an unmapping fails");
    } else {
        soak_wrong(worker, "a mapping fails");
    }
    sys_handle_close(memory);
}

/* It is above all the others, whatever it does to them, and does nothing to itself: so it goes on. */
void soak_shakes(struct worker *worker)
{
    struct worker *other = &soak_workers[soak_random(worker, soak_count)];
    enum error error;
    if (worker->rounds == 0) {
        must(worker, sys_thread_priority(worker->thread.handle, SHAKER_PRIORITY), "no priority of its own");
    }
    if (other == worker) {
        return;
    }
    uint8_t cpus[32] = {(uint8_t)(1 + soak_random(worker, 255)), (uint8_t)soak_random(worker, 256)};
    cpus[0] |= 1; /* the first CPU is there */
    switch (soak_random(worker, 5)) {
    case 0:
        must(worker, sys_thread_priority(other->thread.handle, 110 + soak_random(worker, 20)), "no priority");
        break;
    case 1:
        must(worker, sys_thread_cpus(other->thread.handle, cpus, sizeof cpus), "no CPUs");
        break;
    case 2:
        must(worker, sys_thread_slice(other->thread.handle, 200000 + soak_random(worker, 20000000)),
             "no slice");
        break;
    case 3:
        must(worker,
             soak_random(worker, 2) == 0
                 ? sys_thread_budget(other->thread.handle, 0, 0)
                 : sys_thread_budget(other->thread.handle, 10 * MILLISECOND, 5 * MILLISECOND),
             "no budget");
        break;
    default:
        error = sys_thread_suspend(other->thread.handle);
        if (error == ERR_NONE) {
            must(worker, sys_thread_resume(other->thread.handle), "no resumption");
        } else if (error != ERR_DEAD || !soak_over) { /* at the end others go first */
            soak_wrong(worker, "no suspension");
        }
    }
    clock_sleep(soak_random(worker, 2000) * MICROSECOND);
}
