/* See heap_model.h. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/arch/host/host.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/frame.h"
#include "tests/host/frame_host.h"
#include "tests/host/heap_model.h"
#include "tests/host/host.h"

#define HELD   4096
#define CACHES 4

struct held {
    unsigned char *object;
    size_t bytes;
    struct slab_cache *cache; /* NULL: by size */
    unsigned char fill;
};

static struct held held[HELD];
static unsigned count;
static unsigned char next_fill;
static uint64_t bytes_held; /* of the sizes that were asked for */
static uint64_t allocations_left = UINT64_MAX;

static struct slab_cache caches[CACHES] = {
    SLAB_CACHE("model 20", 20, 4),
    SLAB_CACHE("model 280", 280, 8),
    SLAB_CACHE("model 700", 700, 128),
    SLAB_CACHE("model 9000", 9000, 64),
};

enum error __real_frame_alloc(unsigned order, enum frame_class class, pfn_t *out);
enum error __real_frame_alloc_run(pages_t pages, enum frame_class class, pfn_t *out);
enum error __wrap_frame_alloc(unsigned order, enum frame_class class, pfn_t *out);
enum error __wrap_frame_alloc_run(pages_t pages, enum frame_class class, pfn_t *out);

static bool may_allocate(void)
{
    if (allocations_left == 0) {
        return false;
    }
    allocations_left -= allocations_left != UINT64_MAX;
    return true;
}

enum error __wrap_frame_alloc(unsigned order, enum frame_class class, pfn_t *out)
{
    return may_allocate() ? __real_frame_alloc(order, class, out) : ERR_NO_MEMORY;
}

enum error __wrap_frame_alloc_run(pages_t pages, enum frame_class class, pfn_t *out)
{
    return may_allocate() ? __real_frame_alloc_run(pages, class, out) : ERR_NO_MEMORY;
}

void model_fail_after(uint64_t allocations)
{
    allocations_left = allocations;
}

uint64_t model_frames_free(void)
{
    struct frame_counts counts;
    frame_count(&counts);
    return counts.free;
}

void model_start(void)
{
    host_start(MODEL_FRAMES, MODEL_CPUS);
}

/* Small sizes often, large ones now and then. */
static size_t random_size(struct random *random)
{
    unsigned bits = (unsigned)random_below(random, random_below(random, 8) == 0 ? 17 : 12);
    return (size_t)random_below(random, (uint64_t)2 << bits);
}

bool model_take(struct random *random)
{
    struct held h = {.fill = next_fill++};
    if (random_below(random, 3) == 0) {
        h.cache = &caches[random_below(random, CACHES)];
        h.bytes = h.cache->bytes;
        h.object = slab_alloc(h.cache);
    } else {
        h.bytes = random_size(random);
        bool zeroed = random_below(random, 4) == 0;
        h.object = zeroed ? heap_alloc_zeroed(h.bytes) : heap_alloc(h.bytes);
        for (size_t i = 0; zeroed && h.object != NULL && i < h.bytes; i++) {
            assert_int_equal(h.object[i], 0);
        }
    }
    if (h.object == NULL) {
        return false;
    }
    size_t aligned = h.cache != NULL ? h.cache->alignment : h.bytes & -h.bytes & 63;
    assert_true(aligned == 0 || (uintptr_t)h.object % aligned == 0);
    memset(h.object, h.fill, h.bytes);
    assert_true(count < HELD);
    held[count++] = h;
    bytes_held += h.bytes;
    return true;
}

static void give(unsigned at)
{
    struct held h = held[at];
    for (size_t i = 0; i < h.bytes; i++) {
        if (h.object[i] != h.fill) {
            fail_msg("byte %zu of %zu was changed by somebody else", i, h.bytes);
        }
    }
    held[at] = held[--count];
    bytes_held -= h.bytes;
    if (h.cache != NULL) {
        slab_free(h.cache, h.object);
    } else {
        heap_free(h.object, h.bytes);
    }
}

void model_give_any(struct random *random)
{
    if (count > 0) {
        give((unsigned)random_below(random, count));
    }
}

void model_give_all(void)
{
    while (count > 0) {
        frame_host_enter(count % MODEL_CPUS);
        give(count - 1);
    }
}

/* Objects in use, those of the heap's own apart. */
static uint64_t in_use(uint64_t *bytes)
{
    static const char *const own[] = {"magazine", "large object", "slab cache", "hands"};
    struct system_slab counts;
    uint64_t objects = 0;
    *bytes = 0;
    for (uint64_t i = 0; heap_describe(i, &counts); i++) {
        bool ours = true;
        for (unsigned k = 0; k < sizeof(own) / sizeof(own[0]); k++) {
            ours = ours && strcmp(counts.name, own[k]) != 0;
        }
        objects += ours ? counts.in_use : 0;
        *bytes += ours ? counts.used : 0;
    }
    return objects;
}

void model_check(void)
{
    struct heap_fault fault;
    uint64_t bytes;
    if (!heap_audit(&fault)) {
        fail_msg("'%s' at %p: %s", fault.cache, fault.where, fault.what);
    }
    assert_int_equal(in_use(&bytes), count);
    assert_true(bytes >= bytes_held);
}

void model_work(uint64_t seed, unsigned steps)
{
    struct random random = {seed};
    unsigned aim = HELD / 2;
    for (unsigned step = 0; step < steps; step++) {
        if (step % 1024 == 0) {
            aim = (unsigned)random_below(&random, HELD);
        }
        frame_host_enter((unsigned)random_below(&random, MODEL_CPUS));
        if (random_below(&random, HELD) + aim / 2 >= count && count < HELD) {
            (void)model_take(&random);
        } else {
            model_give_any(&random);
        }
        if (step % 4096 == 0) {
            model_check();
        }
        if (step % 8192 == 0) {
            heap_drain();
        }
    }
    model_check();
}

void model_end(void)
{
    struct system_slab counts;
    model_give_all();
    model_check();
    heap_drain();
    for (uint64_t i = 0; heap_describe(i, &counts); i++) {
        if (strcmp(counts.name, "hands") == 0) {
            continue;
        }
        if (counts.slabs != 0 || counts.frames != 0 || counts.in_use != 0) {
            fail_msg("'%s' keeps %lu slabs and %lu objects", counts.name, counts.slabs, counts.in_use);
        }
    }
    model_check();
}

void expect_panic(void (*misuse)(void), const char *words)
{
    int ends[2], status;
    char said[512] = "";
    size_t length = 0;
    ssize_t got;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        misuse();
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], said + length, sizeof(said) - 1 - length)) > 0) {
        length += (size_t)got;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != PANIC_STATUS || strstr(said, words) == NULL) {
        fail_msg("no panic with '%s', but: %s", words, said);
    }
}
