/*
 * The heap in the running kernel, from every CPU at once.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/debug/log.h"
#include "kernel/init/handover.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/zeroed.h"
#include "lib/text.h"

#define HELD    64
#define ROUNDS  4000
#define REMOTE  100
#define MEASURE 1000

struct thing {
    uint64_t number[25];
};

static struct slab_cache things = SLAB_CACHE_OF("test thing", struct thing);

static const char *audit_heap(void)
{
    struct heap_fault fault;
    return heap_audit(&fault) ? NULL : fault.what;
}

/* Frames that are free when the heap has given back what it can. */
static uint64_t free_frames(void)
{
    struct frame_counts counts;
    heap_drain();
    zeroed_count_frames(&counts);
    return counts.free + counts.classes[FRAME_STACK]; /* stacks of ended threads are kept, or not */
}

/* Nanoseconds for taking and giving back, of the cache or by size, with the loop around it. */
static uint64_t time_pairs(bool by_size)
{
    uint64_t start = arch_clock();
    for (unsigned i = 0; i < MEASURE; i++) {
        void *object = by_size ? heap_alloc(200) : slab_alloc(&things);
        if (object != NULL && by_size) {
            heap_free(object, 200);
        } else if (object != NULL) {
            slab_free(&things, object);
        }
    }
    return (arch_clock() - start) / MEASURE;
}

/* Under -icount the clock advances by one nanosecond an instruction; elsewhere the figures say little. */
SELFTEST(heap_measure, "heap: an object is taken and given back again and again")
{
    (void)time_pairs(false);
    (void)time_pairs(true);
    log_info("heap: a pair takes %lu ns of a cache, %lu ns by size", time_pairs(false), time_pairs(true));
    return NULL;
}

struct held {
    uint8_t *object;
    size_t bytes; /* 0: a thing */
};

static bool held_take(struct held *h, uint64_t *random, uint8_t fill)
{
    static const size_t sizes[] = {1, 32, 33, 64, 100, 200, 500, 1000, 1345, 4096, 5000, 9000, 20000};
    unsigned dice = test_random(random) % 20;
    h->bytes = dice < 13 ? sizes[dice] : 0;
    h->object = h->bytes != 0 ? heap_alloc(h->bytes) : slab_alloc(&things);
    if (h->object != NULL) {
        memset(h->object, fill, h->bytes != 0 ? h->bytes : sizeof(struct thing));
    }
    return h->object != NULL;
}

static const char *held_give(struct held *h)
{
    size_t bytes = h->bytes != 0 ? h->bytes : sizeof(struct thing);
    for (size_t i = 1; i < bytes; i++) {
        EXPECT(h->object[i] == h->object[0]);
    }
    if (h->bytes != 0) {
        heap_free(h->object, h->bytes);
    } else {
        slab_free(&things, h->object);
    }
    h->object = NULL;
    return NULL;
}

static const char *churn(unsigned number)
{
    struct held held[HELD] = {0};
    uint64_t random = number + 77;
    const char *wrong = NULL;
    for (unsigned round = 0; wrong == NULL && round < ROUNDS; round++) {
        struct held *h = &held[test_random(&random) % HELD];
        if (h->object != NULL) {
            wrong = held_give(h);
        } else if (!held_take(h, &random, (uint8_t)number)) {
            wrong = "there is no memory";
        }
        if (round % 64 == 0 && thread_preemption_point() != ERR_NONE) {
            return "killed";
        }
    }
    for (unsigned i = 0; wrong == NULL && i < HELD; i++) {
        wrong = held[i].object != NULL ? held_give(&held[i]) : NULL;
    }
    return wrong;
}

SELFTEST(heap_smp,
         "heap: objects of all sizes on every CPU keep their contents, and all comes back to the very frame")
{
    const char *wrong = test_on_all_cpus(2, churn); /* tables for the CPUs */
    wrong = wrong != NULL ? wrong : test_make_stacks();
    uint64_t before = free_frames();
    wrong = wrong != NULL ? wrong : test_on_all_cpus(2, churn);
    wrong = wrong != NULL ? wrong : audit_heap();
    if (wrong != NULL) {
        return wrong;
    }
    EXPECT(free_frames() == before);
    return audit_heap();
}

/* For each CPU, what another one is to give back; the pointer is handed over by atomic exchange. */
static struct thing *mail[CPU_MAX];

static const char *send_and_receive(unsigned number)
{
    unsigned to = (number + 1) % arch_cpu_count();
    for (unsigned i = 0; i < 50 * REMOTE; i++) {
        struct thing *thing = slab_alloc(&things);
        EXPECT(thing != NULL);
        *thing = (struct thing){{number, to, i}};
        thing = __atomic_exchange_n(&mail[to], thing, __ATOMIC_ACQ_REL);
        if (thing != NULL) {
            EXPECT(thing->number[1] == to);
            slab_free(&things, thing);
        }
        thing = __atomic_exchange_n(&mail[number], NULL, __ATOMIC_ACQ_REL);
        if (thing != NULL) {
            EXPECT(thing->number[1] == number);
            slab_free(&things, thing);
        }
        if (i % REMOTE == 0) {
            EXPECT(thread_preemption_point() == ERR_NONE);
        }
    }
    return NULL;
}

SELFTEST(heap_remote, "heap: objects that other CPUs give back are neither lost nor given to two")
{
    uint64_t before = free_frames();
    const char *wrong = test_on_all_cpus(1, send_and_receive);
    for (unsigned i = 0; wrong == NULL && i < arch_cpu_count(); i++) {
        if (mail[i] != NULL) {
            slab_free(&things, mail[i]);
            mail[i] = NULL;
        }
    }
    wrong = wrong != NULL ? wrong : audit_heap();
    if (wrong != NULL) {
        return wrong;
    }
    EXPECT(free_frames() == before);
    return NULL;
}

/* CPU 0 drains and audits while the others work. */
static const char *disturb(unsigned number)
{
    if (number != 0) {
        return churn(number);
    }
    for (unsigned i = 0; i < 20; i++) {
        const char *wrong = audit_heap();
        if (wrong != NULL) {
            return wrong;
        }
        heap_drain();
        EXPECT(thread_preemption_point() == ERR_NONE);
    }
    return NULL;
}

SELFTEST(heap_drain_smp, "heap: one CPU takes back what others have at hand while they take and give")
{
    uint64_t before = free_frames();
    const char *wrong = test_on_all_cpus(1, disturb);
    if (wrong != NULL) {
        return wrong;
    }
    EXPECT(free_frames() == before);
    return audit_heap();
}

SELFTEST(heap_caches, "heap: a cache that is made at run time goes with all its frames")
{
    uint64_t before = free_frames();
    struct slab_cache *cache;
    void *objects[50];
    EXPECT(slab_cache_make("test cache", 3000, 64, &cache) == ERR_NONE);
    for (unsigned i = 0; i < 50; i++) {
        objects[i] = slab_alloc(cache);
        EXPECT(objects[i] != NULL && is_aligned((uintptr_t)objects[i], 64));
    }
    for (unsigned i = 0; i < 50; i++) {
        slab_free(cache, objects[i]);
    }
    slab_cache_destroy(cache);
    EXPECT(free_frames() == before);
    return audit_heap();
}
