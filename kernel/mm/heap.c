/*
 * The kernel's heap; see heap.h.
 *
 * The sizes of the caches go up in eighths of a line to the line, and from there in quarters of each power of
 * two; so no object has a quarter more than it asked for. Where whole frames do as well they are taken
 * instead.
 */
#include "kernel/mm/heap.h"

#include "kernel/mm/frame.h"
#include "kernel/mm/heap_large.h"
#include "kernel/mm/slab_state.h"
#include "lib/text.h"

#define DENSE_MOST   3072u
#define SPARSE_FIRST 29u
#define OBJECT_MOST  (FRAME_LIMIT << PAGE_SHIFT)

/* X(NUMBER, the size before, SIZE) */
#define DENSE_SIZES(X)                                                                                       \
    X(0, -8, 16)                                                                                             \
    X(1, 16, 24)                                                                                             \
    X(2, 24, 32)                                                                                             \
    X(3, 32, 40)                                                                                             \
    X(4, 40, 48)                                                                                             \
    X(5, 48, 56)                                                                                             \
    X(6, 56, 64)                                                                                             \
    X(7, 64, 80)                                                                                             \
    X(8, 80, 96)                                                                                             \
    X(9, 96, 112)                                                                                            \
    X(10, 112, 128)                                                                                          \
    X(11, 128, 160)                                                                                          \
    X(12, 160, 192)                                                                                          \
    X(13, 192, 224)                                                                                          \
    X(14, 224, 256)                                                                                          \
    X(15, 256, 320)                                                                                          \
    X(16, 320, 384)                                                                                          \
    X(17, 384, 448)                                                                                          \
    X(18, 448, 512)                                                                                          \
    X(19, 512, 640)                                                                                          \
    X(20, 640, 768)                                                                                          \
    X(21, 768, 896)                                                                                          \
    X(22, 896, 1024)                                                                                         \
    X(23, 1024, 1280)                                                                                        \
    X(24, 1280, 1536)                                                                                        \
    X(25, 1536, 1792)                                                                                        \
    X(26, 1792, 2048)                                                                                        \
    X(27, 2048, 2560)                                                                                        \
    X(28, 2560, 3072)

/* What is larger, and would waste too much of whole frames. */
static const uint16_t sparse_sizes[] = {5120, 6144, 10240};

#define SIZED(size) SLAB_CACHE(#size " bytes", size, ((size) & -(size)) < 64 ? (size) & -(size) : 64)

#define DENSE_CACHE(number, before, size) [number] = SIZED(size),
static struct slab_cache sized[] = {DENSE_SIZES(DENSE_CACHE) SIZED(5120), SIZED(6144), SIZED(10240)};
#undef DENSE_CACHE

/* Which of them is for a size, by its eighths of a line. */
#define DENSE_NUMBER(number, before, size) [(before) / 8 + 1 ...(size) / 8] = (number),
static const uint8_t dense_numbers[DENSE_MOST / 8 + 1] = {DENSE_SIZES(DENSE_NUMBER)};
#undef DENSE_NUMBER

/* The cache for a size up to DENSE_MOST. */
static inline struct slab_cache *dense_cache(size_t bytes)
{
    return &sized[dense_numbers[(bytes + 7) / 8]];
}

/* The same for any size; NULL when it is to be whole frames: when they waste a quarter at most. */
static struct slab_cache *cache_for(size_t bytes)
{
    if (bytes <= DENSE_MOST) {
        return dense_cache(bytes);
    }
    uint64_t taken = pages_for_bytes(bytes).value << PAGE_SHIFT;
    if (bytes > SLAB_BYTES_MOST || (taken - bytes) * 4 <= taken) {
        return NULL;
    }
    unsigned i = 0;
    while (sparse_sizes[i] < bytes) {
        i++;
    }
    return &sized[SPARSE_FIRST + i];
}

static void *alloc_any(size_t bytes, const void *caller)
{
    struct slab_cache *cache = cache_for(bytes);
    if (cache != NULL) {
        return slab_take(cache, bytes, caller);
    }
    return bytes <= OBJECT_MOST ? heap_large_alloc(bytes, caller) : NULL;
}

void *heap_alloc(size_t bytes)
{
    void *object = bytes <= DENSE_MOST ? slab_take_fast(dense_cache(bytes)) : NULL;
    return object != NULL ? object : alloc_any(bytes, __builtin_return_address(0));
}

void *heap_alloc_zeroed(size_t bytes)
{
    void *object = bytes <= DENSE_MOST ? slab_take_fast(dense_cache(bytes)) : NULL;
    if (object == NULL) {
        object = alloc_any(bytes, __builtin_return_address(0));
    }
    return object != NULL ? memset(object, 0, bytes) : NULL;
}

static void free_any(void *object, size_t bytes, const void *caller)
{
    struct slab_cache *cache = cache_for(bytes);
    if (cache != NULL) {
        slab_give(cache, object, bytes, caller);
    } else {
        heap_large_free(object, bytes, caller);
    }
}

void heap_free(void *object, size_t bytes)
{
    if (object != NULL && (bytes > DENSE_MOST || !slab_give_fast(dense_cache(bytes), object))) {
        free_any(object, bytes, __builtin_return_address(0));
    }
}

void heap_debug(void)
{
    slab_debugging = true;
}

bool heap_drain(void)
{
    bool any = heap_large_drain();
    return slab_drain() || any;
}

enum frame_gift heap_give_back(unsigned asked)
{
    const struct cpu *cpu = arch_this_cpu();
    if (cpu->hands_busy != 0 || spin_ranks_held() >> LOCK_SLABS != 0) {
        return FRAME_GIFT_BARRED;
    }
    return asked < 2 && heap_drain() ? FRAME_GIFT_MADE : FRAME_GIFT_NONE;
}

bool heap_describe(uint64_t position, struct system_slab *out)
{
    switch (position) {
    case 0:
        heap_large_count(out);
        return true;
    case 1:
        slab_hands_count(out);
        return true;
    default:
        return slab_describe(position - 2, out);
    }
}

bool heap_audit(struct heap_fault *fault)
{
    return heap_large_audit(fault) && slab_audit(fault);
}

void heap_count(uint64_t *object_bytes, uint64_t *frames)
{
    struct system_slab counts;
    *object_bytes = *frames = 0;
    for (uint64_t i = 0; heap_describe(i, &counts); i++) {
        *object_bytes += counts.used;
        *frames += counts.frames;
    }
}
