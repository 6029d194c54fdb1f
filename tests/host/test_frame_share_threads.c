/*
 * Threads that hold the same frames: each lets go in an order of its own and lets itself be counted more
 * often on the way, and of all of them exactly one is the last. What a holder wrote must be seen by that one,
 * so the marks are plain words: built under the address sanitizer and, a second time, under the thread
 * sanitizer. Meanwhile others split and join blocks of their own, retire frames, and audit.
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

#include "kernel/mm/frame_share.h"
#include "tests/host/frame_host.h"
#include "tests/host/random.h"

#define THREADS 4u
#define FRAMES  (1u << 14)
#define SHARED  1024u
#define ROUNDS  60u
#define TURNS   300u

static pfn_t shared[SHARED];
static uint32_t mark[SHARED][THREADS]; /* the round, by each holder before he lets go */
static uint32_t last[SHARED];          /* how often somebody was the last */
static uint32_t sole;                  /* how often somebody found himself alone before; atomic */
static pthread_barrier_t begins, ends;
static uint32_t done; /* atomic */

static void check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "test_frame_share_threads: %s\n", what);
        exit(1);
    }
}

static void check_books(void)
{
    const char *what;
    pfn_t where;
    check(frame_audit(&what, &where), what);
}

/* Nobody else holds the frame: what all did with it is done, and it can be recorded for this thread. */
static void check_alone(unsigned i, uint32_t round, unsigned self)
{
    for (unsigned t = 0; t < THREADS; t++)
        check(t == self || mark[i][t] == round, "alone, and yet not all had let go");
    check(frame_assign(shared[i], 0, FRAME_USER_ANONYMOUS, 10 + self) == ERR_NONE, "not held");
    check(frame_account_of(shared[i]) == 10 + self, "another account is recorded than the only holder's");
}

static void let_go(unsigned i, uint32_t round, unsigned self, struct random *random)
{
    unsigned more = (unsigned)random_below(random, 3);
    for (unsigned k = 0; k < more; k++)
        check(frame_share(shared[i]), "a holder too many");
    for (unsigned k = 0; k < more; k++)
        check(!frame_drop(shared[i]), "the last, and yet a holder");
    if (!frame_is_shared(shared[i])) {
        check_alone(i, round, self);
        __atomic_fetch_add(&sole, 1, __ATOMIC_RELAXED);
    }
    mark[i][self] = round;
    if (!frame_drop(shared[i]))
        return;
    check_alone(i, round, self);
    last[i]++;
    check(frame_free(shared[i], 0) == ERR_NONE, "a frame was not taken back");
}

/* Each thread takes a part of the frames, for all. */
static void take_part(unsigned self)
{
    for (unsigned i = self; i < SHARED; i += THREADS) {
        check(frame_alloc_for(0, FRAME_USER_ANONYMOUS, 10 + self, &shared[i]) == ERR_NONE, "refused");
        for (unsigned t = 1; t < THREADS; t++)
            check(frame_share(shared[i]), "cannot be shared");
    }
}

static void *hold_together(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;
    struct random random = {self + 1};
    frame_host_enter(self);
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        take_part(self);
        pthread_barrier_wait(&begins);
        unsigned from = (unsigned)random_below(&random, SHARED);
        for (unsigned k = 0; k < SHARED; k++)
            let_go((from + (round % 2 ? k : k * 515)) % SHARED, round, self, &random);
        pthread_barrier_wait(&ends);
        for (unsigned i = self; i < SHARED; i += THREADS)
            check(last[i] == round, "not exactly one was the last");
        pthread_barrier_wait(&begins);
    }
    return NULL;
}

/* Blocks of its own, in pieces and whole, until the others are done. */
static void *split_and_join(void *argument)
{
    unsigned turns = 0, joined = 0;
    frame_host_enter((unsigned)(uintptr_t)argument);
    for (; !__atomic_load_n(&done, __ATOMIC_ACQUIRE) || turns < TURNS; turns++) {
        pfn_t first;
        unsigned order = 9 + turns % 2, part = turns % 3 * 4;
        check(frame_alloc_for(order, turns % 4 ? FRAME_USER_SHARED : FRAME_KERNEL, 5, &first) == ERR_NONE,
              "refused");
        check(frame_split(first, order, part) == ERR_NONE, "not split");
        check(frame_account_of(pfn(first.value + 300)) == 5, "a part has lost its account");
        /* One of its frames can have been retired: then it stays in pieces. */
        bool whole = turns % 5 && frame_join(first, order, part) == ERR_NONE;
        joined += whole;
        unsigned size = whole ? order : part;
        for (uint64_t at = 0; at < 1u << order; at += 1u << size)
            check(frame_free(pfn(first.value + at), size) == ERR_NONE, "a block was not taken back");
    }
    check(joined > turns / 2, "blocks were not joined");
    return NULL;
}

static void of_many_holders_exactly_one_is_the_last(void **state)
{
    (void)state;
    struct memory_range ram = {pfn(0), {FRAMES}};
    uint64_t bytes = frame_metadata_bytes(&ram, 1);
    void *metadata = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(metadata != MAP_FAILED && frame_init(&ram, 1, metadata, THREADS + 1) == ERR_NONE, "cannot start");
    pthread_barrier_init(&begins, NULL, THREADS);
    pthread_barrier_init(&ends, NULL, THREADS);
    pthread_t thread[THREADS], other;
    for (uintptr_t t = 0; t < THREADS; t++)
        pthread_create(&thread[t], NULL, hold_together, (void *)t);
    pthread_create(&other, NULL, split_and_join, (void *)(uintptr_t)THREADS);
    frame_host_enter(THREADS + 1);
    for (unsigned n = 0; n < 20; n++) {
        check_books();
        sched_yield();
        check(frame_retire(pfn(n * 64), (pages_t){1}) == ERR_NONE, "not retired");
    }
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(thread[t], NULL);
    __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
    pthread_join(other, NULL);
    struct frame_counts counts;
    frame_drain();
    frame_count(&counts);
    check_books();
    check(counts.classes[FRAME_BAD] == 20 && counts.free == FRAMES - 20, "frames are missing");
    check(sole > 0, "nobody found himself alone");
    check(counts.damaged == 0, "a frame was given back twice");
    munmap(metadata, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_many_holders_exactly_one_is_the_last),
    };
    return cmocka_run_group_tests_name("frame_share_threads", tests, NULL, NULL);
}
