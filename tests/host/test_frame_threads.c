/*
 * Threads that take and give back at the same time, frames that others gave them, too, up to exhaustion:
 * built under the address sanitizer and, a second time, under the thread sanitizer. Each frame has an owner
 * word that only its holder may touch, so a frame given to two threads shows as a race as well as by its
 * value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "kernel/mm/frame.h"
#include "tests/host/frame_host.h"
#include "tests/host/random.h"

#define THREADS 4
#define FRAMES  (1u << 14)
#define STEPS   60000
#define MAILBOX 64

static uint32_t owner[FRAMES];

/* Blocks on their way from one thread to another. */
static struct {
    pthread_mutex_t lock;
    unsigned count;
    struct {
        uint64_t first;
        unsigned order;
    } block[MAILBOX];
} mail = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "test_frame_threads: %s\n", what);
        exit(1);
    }
}

static void give(uint64_t first, unsigned order, uint32_t from)
{
    for (uint64_t i = first; i < first + (1u << order); i++) {
        check(owner[i] == from, "a frame was given to two threads");
        owner[i] = 0;
    }
    check(frame_free(pfn(first), order) == ERR_NONE, "a held block was not taken back");
}

/* Put a block into the mailbox, or give back one that is there. */
static void exchange(uint64_t first, unsigned order, uint32_t self, bool put)
{
    pthread_mutex_lock(&mail.lock);
    bool sent = put && mail.count < MAILBOX;
    if (sent) {
        mail.block[mail.count].first = first;
        mail.block[mail.count++].order = order;
        for (uint64_t i = first; i < first + (1u << order); i++)
            owner[i] = THREADS + 1;
    } else if (mail.count > 0) {
        mail.count--;
        give(mail.block[mail.count].first, mail.block[mail.count].order, THREADS + 1);
    }
    pthread_mutex_unlock(&mail.lock);
    if (put && !sent)
        give(first, order, self);
}

static void *run(void *argument)
{
    uint32_t self = (uint32_t)(uintptr_t)argument;
    struct random random = {self};
    uint64_t held[512];
    unsigned orders[512], count = 0;
    frame_host_enter(self - 1);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned dice = (unsigned)random_below(&random, 16);
        pfn_t first;
        unsigned order = dice < 12 ? 0 : (unsigned)random_below(&random, 12);
        if (step % 8192 == 0 && self == 1)
            frame_drain();
        if (count < 512 && random_below(&random, 100) < (step / 8192 % 2 ? 40 : 60)) {
            if (frame_alloc(order, FRAME_KERNEL + self % 5, &first) != ERR_NONE)
                continue;
            for (uint64_t i = first.value; i < first.value + (1u << order); i++) {
                check(owner[i] == 0, "a held frame was given out");
                owner[i] = self;
            }
            held[count] = first.value;
            orders[count++] = order;
        } else if (count) {
            unsigned k = (unsigned)random_below(&random, count);
            if (dice < 8)
                exchange(held[k], orders[k], self, true);
            else
                give(held[k], orders[k], self);
            held[k] = held[--count];
            orders[k] = orders[count];
        } else {
            exchange(0, 0, self, false);
        }
    }
    while (count--)
        give(held[count], orders[count], self);
    return NULL;
}

static void threads_never_get_the_same_frame_and_lose_none(void **state)
{
    (void)state;
    struct memory_range ram = {pfn(0), {FRAMES}};
    uint64_t bytes = frame_metadata_bytes(&ram, 1);
    void *metadata = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(metadata != MAP_FAILED && frame_init(&ram, 1, metadata, THREADS) == ERR_NONE, "cannot start");
    pthread_t thread[THREADS];
    for (uintptr_t t = 0; t < THREADS; t++)
        pthread_create(&thread[t], NULL, run, (void *)(t + 1));
    const char *what;
    pfn_t where;
    frame_host_enter(THREADS);
    for (int i = 0; i < 10; i++)
        check(frame_audit(&what, &where), what);
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
    while (mail.count > 0) {
        mail.count--;
        give(mail.block[mail.count].first, mail.block[mail.count].order, THREADS + 1);
    }
    struct frame_counts counts;
    frame_drain();
    frame_count(&counts);
    check(frame_audit(&what, &where), what);
    check(counts.free == FRAMES && counts.damaged == 0, "frames are missing");
    check(counts.free_blocks[14] == 1, "free memory did not merge");
}

#define KEPT   2048u
#define ROUNDS 200

/* All memory there is, kept by somebody who gives it back when he is asked: in pieces, and not at once. */
static struct {
    pthread_mutex_t lock;
    unsigned count;
    pfn_t frame[KEPT];
} keeper = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_barrier_t round_begins, round_ends;
static uint32_t times_asked; /* atomic */

static enum frame_gift give_kept(unsigned asked)
{
    pfn_t frames[KEPT / 16];
    unsigned count = 0;
    (void)asked;
    __atomic_fetch_add(&times_asked, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&keeper.lock);
    while (keeper.count > 0 && count < KEPT / 16)
        frames[count++] = keeper.frame[--keeper.count];
    pthread_mutex_unlock(&keeper.lock);
    sched_yield(); /* others find nothing, and it is not back yet */
    for (unsigned i = 0; i < count; i++)
        check(frame_free(frames[i], 0) == ERR_NONE, "a kept frame was not taken back");
    return count > 0 ? FRAME_GIFT_MADE : FRAME_GIFT_NONE;
}

/* A fair share of everything, which nobody may be refused. */
static void *take_share(void *argument)
{
    static pfn_t share[THREADS][KEPT / THREADS];
    uintptr_t self = (uintptr_t)argument;
    frame_host_enter((unsigned)self);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&round_begins);
        for (unsigned i = 0; i < KEPT / THREADS; i++)
            check(frame_alloc(0, FRAME_USER_ANONYMOUS, &share[self][i]) == ERR_NONE,
                  "refused while memory was free, or being given back");
        pthread_barrier_wait(&round_ends);
        pthread_mutex_lock(&keeper.lock);
        for (unsigned i = 0; i < KEPT / THREADS; i++)
            keeper.frame[keeper.count++] = share[self][i];
        pthread_mutex_unlock(&keeper.lock);
    }
    return NULL;
}

static void nobody_is_refused_what_others_give_back(void **state)
{
    (void)state;
    struct memory_range ram = {pfn(0), {KEPT}};
    uint64_t bytes = frame_metadata_bytes(&ram, 1);
    void *metadata = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(metadata != MAP_FAILED && frame_init(&ram, 1, metadata, THREADS) == ERR_NONE, "cannot start");
    frame_host_enter(0);
    keeper.count = (unsigned)frame_alloc_batch(0, FRAME_USER_ANONYMOUS, keeper.frame, KEPT);
    check(keeper.count == KEPT, "not all memory could be taken");
    frame_ask_before_refusing(give_kept);
    pthread_barrier_init(&round_begins, NULL, THREADS);
    pthread_barrier_init(&round_ends, NULL, THREADS);
    pthread_t thread[THREADS];
    for (uintptr_t t = 0; t < THREADS; t++)
        pthread_create(&thread[t], NULL, take_share, (void *)t);
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
    frame_ask_before_refusing(NULL);
    check(times_asked >= ROUNDS, "nobody had to be asked");
    check(!frame_is_short(), "somebody is still about to be refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_never_get_the_same_frame_and_lose_none),
        cmocka_unit_test(nobody_is_refused_what_others_give_back),
    };
    return cmocka_run_group_tests_name("frame_threads", tests, NULL, NULL);
}
