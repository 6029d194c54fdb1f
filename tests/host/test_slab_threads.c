/*
 * Threads that take and give back objects of the kernel's heap at the same time, those of others, too, up to
 * exhaustion, while another one drains, audits and makes caches: built under the address sanitizer and, a
 * second time, under the thread sanitizer; the argument "debug" has it do the same in the debug mode. Objects
 * are written by plain stores, so one that two threads have shows as a race as well as by its contents.
 */
#include <pthread.h>
#include <stdio.h>

#include "kernel/arch/host/host.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "tests/host/frame_host.h"
#include "tests/host/host.h"
#include "tests/host/random.h"

#define THREADS 4
#define FRAMES  1024 /* 4 MiB: less than one thread would like to have */
#define STEPS   16384
#define HELD    1536
#define MAILBOX 64

struct held {
    unsigned char *object;
    size_t bytes;
    struct slab_cache *cache;
};

static struct slab_cache caches[2] = {SLAB_CACHE("forty", 40, 8), SLAB_CACHE("thousand", 1000, 64)};

/* Objects on their way from one thread to another. */
static struct {
    pthread_mutex_t lock;
    unsigned count;
    struct held object[MAILBOX];
} mail = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool debugging;   /* set once */
static uint32_t running; /* atomic */
static uint32_t refused; /* atomic */

static void check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "test_slab_threads: %s\n", what);
        exit(1);
    }
}

static bool take(struct random *random, unsigned char fill, struct held *h)
{
    unsigned dice = (unsigned)random_below(random, 8);
    h->cache = dice < 4 ? &caches[dice / 2] : NULL;
    h->bytes = h->cache != NULL ? h->cache->bytes : 8 + random_below(random, dice == 7 ? 40000 : 3000);
    h->object = h->cache != NULL ? slab_alloc(h->cache) : heap_alloc(h->bytes);
    if (h->object == NULL) {
        __atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
        return false;
    }
    memset(h->object, fill, h->bytes);
    return true;
}

static void give(struct held h)
{
    for (size_t i = 1; i < h.bytes; i++) {
        check(h.object[i] == h.object[0], "an object was given to two threads");
    }
    if (h.cache != NULL) {
        slab_free(h.cache, h.object);
    } else {
        heap_free(h.object, h.bytes);
    }
}

/* Leave an object for somebody else, and give back one that somebody left. */
static void exchange(struct held h)
{
    pthread_mutex_lock(&mail.lock);
    unsigned at = mail.count == MAILBOX ? 0 : mail.count++;
    struct held other = mail.object[at];
    mail.object[at] = h;
    pthread_mutex_unlock(&mail.lock);
    if (other.object != NULL) {
        give(other);
    }
}

static void *run(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument, count = 0;
    struct random random = {self};
    struct held *held = calloc(HELD, sizeof(*held));
    frame_host_enter(self);
    for (unsigned step = 0; step < STEPS; step++) {
        bool fill = random_below(&random, 100) < (step / 2048 % 2 != 0 ? 25 : 75);
        if (fill && count < HELD) {
            count += take(&random, (unsigned char)self, &held[count]);
        } else if (count > 0) {
            unsigned k = (unsigned)random_below(&random, count);
            struct held h = held[k];
            held[k] = held[--count];
            if (random_below(&random, 2) == 0) {
                exchange(h);
            } else {
                give(h);
            }
        }
        if (step % 4096 == 0) {
            heap_drain();
        }
    }
    while (count > 0) {
        give(held[--count]);
    }
    free(held);
    __atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void audit(void)
{
    struct heap_fault fault;
    if (!heap_audit(&fault)) {
        fprintf(stderr, "'%s' at %p: ", fault.cache, fault.where);
        check(false, fault.what);
    }
}

/* What is made at run time goes again while all others are at work. */
static void make_and_destroy(void)
{
    struct slab_cache *cache;
    void *objects[100];
    unsigned count = 0;
    if (slab_cache_make("passing", 123, 8, &cache) != ERR_NONE) {
        return;
    }
    while (count < 100 && (objects[count] = slab_alloc(cache)) != NULL) {
        count++;
    }
    while (count > 0) {
        slab_free(cache, objects[--count]);
    }
    slab_cache_destroy(cache);
}

static void threads_never_get_the_same_object_and_lose_none(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    struct system_slab counts;
    host_start(FRAMES, THREADS + 1);
    running = THREADS;
    for (uintptr_t t = 0; t < THREADS; t++) {
        pthread_create(&thread[t], NULL, run, (void *)t);
    }
    frame_host_enter(THREADS);
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) > 0) {
        audit();
        make_and_destroy();
        for (uint64_t i = 0; heap_describe(i, &counts); i++) {
            check(counts.in_use < (uint64_t)1 << 32, "less than nothing is in use");
        }
    }
    for (unsigned t = 0; t < THREADS; t++) {
        pthread_join(thread[t], NULL);
    }
    for (unsigned i = 0; i < mail.count; i++) {
        give(mail.object[i]);
    }
    audit();
    heap_drain();
    audit();
    for (uint64_t i = 2; heap_describe(i, &counts); i++) {
        check(counts.in_use == 0 && counts.frames == 0, "something is left");
    }
    struct frame_counts frames;
    frame_count(&frames);
    uint64_t tables = debugging ? 0 : THREADS + 1;
    check(frames.free == FRAMES - tables, "more is missing than the tables of the CPUs");
    check(refused > 0, "memory was never short");
}

int main(int count, char **words)
{
    debugging = count > 1 && strcmp(words[1], "debug") == 0;
    if (debugging) {
        heap_debug();
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_never_get_the_same_object_and_lose_none)};
    return cmocka_run_group_tests_name("slab_threads", tests, NULL, NULL);
}
