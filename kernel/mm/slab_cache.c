/*
 * Caches as a whole: their geometry, the list of them, the making and taking apart, and their numbers.
 */
#include "kernel/mm/slab_state.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "lib/text.h"

struct spinlock slabs_lock = SPINLOCK("slab caches", LOCK_SLABS);

/* Guarded by slabs_lock. */
struct list slab_caches = {&slab_caches, &slab_caches};
static uint64_t hands_used[SLAB_HANDS / 64 + 1]; /* a bit for each hand of a table that has a cache */

static struct slab_cache made = SLAB_CACHE_OF("slab cache", struct slab_cache);

/* How many objects fit into a slab of this order. */
static uint32_t objects_in(const struct slab_cache *cache, unsigned order)
{
    uint32_t objects = (uint32_t)((PAGE_SIZE << order) - cache->first) / cache->size;
    return objects < SLAB_OBJECTS ? objects : SLAB_OBJECTS;
}

static uint64_t waste_of(const struct slab_cache *cache, unsigned order)
{
    return (PAGE_SIZE << order) - (uint64_t)objects_in(cache, order) * cache->size;
}

/* The smallest slab that wastes little enough, else the one that wastes the least part of itself. */
static unsigned choose_order(const struct slab_cache *cache)
{
    unsigned best = SLAB_ORDERS - 1;
    for (unsigned order = SLAB_ORDERS; order-- > 0;) {
        bool fits = objects_in(cache, order) > 0;
        bool little = waste_of(cache, order) * SLAB_WASTE <= PAGE_SIZE << order;
        if (fits && (little || waste_of(cache, order) << best < waste_of(cache, best) << order)) {
            best = order;
        }
    }
    return best;
}

/* Inverse of an odd number modulo 2^32, by Newton's iteration: each step doubles the bits that are right. */
static uint32_t inverse_of(uint32_t odd)
{
    uint32_t inverse = odd; /* right in the lowest 3 bits */
    for (unsigned bits = 3; bits < 32; bits *= 2) {
        inverse *= 2 - odd * inverse;
    }
    return inverse;
}

static void choose_shape(struct slab_cache *cache)
{
    uint32_t alignment = cache->alignment < sizeof(uint64_t) ? sizeof(uint64_t) : cache->alignment;
    struct slab_shape shape = {0, cache->bytes > SLAB_SMALL ? cache->bytes : SLAB_SMALL};
    if (slab_debugging) {
        shape = slab_debug_shape(cache);
    }
    cache->size = (uint32_t)align_up(shape.size, alignment);
    cache->first = (uint32_t)align_up(sizeof(struct slab) + shape.before, alignment);
    cache->order = (uint8_t)choose_order(cache);
    cache->mask = ~((PAGE_SIZE << cache->order) - 1);
    cache->objects = objects_in(cache, cache->order);
    cache->shift = (uint8_t)__builtin_ctz(cache->size);
    cache->inverse = inverse_of(cache->size >> cache->shift);
    cache->step = alignment > SLAB_LINE ? alignment : SLAB_LINE;
    uint64_t used = cache->first + (uint64_t)cache->objects * cache->size;
    cache->colours = (uint32_t)((PAGE_SIZE << cache->order) - used) / cache->step + 1;
    uint32_t capacity = MAGAZINE_BYTES / cache->size;
    capacity = capacity < MAGAZINE_LEAST ? MAGAZINE_LEAST : capacity;
    cache->capacity = (uint16_t)(capacity < MAGAZINE_OBJECTS ? capacity : MAGAZINE_OBJECTS);
}

/* Where the CPUs' tables have a place for the cache; 0 when they have none left, or it is not to have one. */
static uint32_t take_hand(const struct slab_cache *cache)
{
    for (unsigned i = 1; i < SLAB_HANDS && !slab_debugging && cache != &slab_magazines; i++) {
        if ((hands_used[i / 64] >> i % 64 & 1) == 0) {
            hands_used[i / 64] |= (uint64_t)1 << i % 64;
            return (uint32_t)(i * sizeof(struct slab_hand));
        }
    }
    return 0;
}

static void give_hand(struct slab_cache *cache)
{
    if (cache->hand == 0) {
        return;
    }
    for (unsigned i = 0; i < CPU_MAX; i++) {
        struct slab_hands *hands = slab_table(i);
        if (hands != NULL) {
            *slab_hand(hands, cache) = (struct slab_hand){0};
        }
    }
    uint64_t number = cache->hand / sizeof(struct slab_hand);
    hands_used[number / 64] &= ~((uint64_t)1 << number % 64);
}

void slab_cache_prepare(struct slab_cache *cache)
{
    if (__atomic_load_n(&cache->ready, __ATOMIC_ACQUIRE) != 0) {
        return;
    }
    ASSERT(arch_this_cpu()->hands_busy ==
           0); /* who keeps CPUs out of their hands has the lock, and waits for us */
    ASSERT(cache->bytes > 0 && cache->bytes <= SLAB_BYTES_MOST && cache->alignment <= SLAB_ALIGNMENT_MOST);
    spin_lock(&slabs_lock);
    if (cache->ready == 0) {
        choose_shape(cache);
        list_init(&cache->partial);
        list_init(&cache->full);
        list_init(&cache->empty);
        list_append(&slab_caches, &cache->node);
        __atomic_store_n(&cache->hand, take_hand(cache), __ATOMIC_RELAXED);
        __atomic_store_n(&cache->ready, 1, __ATOMIC_RELEASE);
    }
    spin_unlock(&slabs_lock);
}

enum error slab_cache_make(const char *name, size_t bytes, size_t alignment, struct slab_cache **out)
{
    if (bytes == 0 || bytes > SLAB_BYTES_MOST || alignment == 0 || alignment > SLAB_ALIGNMENT_MOST ||
        !is_aligned(alignment, alignment)) {
        return ERR_BAD_ARGUMENT;
    }
    struct slab_cache *cache = slab_alloc(&made);
    if (cache == NULL) {
        return ERR_NO_MEMORY;
    }
    *cache = (struct slab_cache)SLAB_CACHE(name, (uint32_t)bytes, (uint32_t)alignment);
    slab_cache_prepare(cache);
    *out = cache;
    return ERR_NONE;
}

void slab_cache_destroy(struct slab_cache *cache)
{
    struct system_slab counts;
    spin_lock(&slabs_lock);
    slab_debug_drain(cache);
    slab_hands_steal();
    slab_count(cache, &counts);
    if (counts.in_use != 0) {
        panic("heap: '%s' ends with %lu objects in use", cache->name, counts.in_use);
    }
    slab_empty_hands(cache);
    give_hand(cache);
    slab_hands_return();
    slab_empty_depot(cache);
    slab_trim(cache);
    list_remove(&cache->node);
    spin_unlock(&slabs_lock);
    slab_free(&made, cache);
}

/* The sum of a number over all hands of the cache, and the one that its lock guards. */
#define SUM_OF(cache, number)                                                                                \
    sum_hands(cache, offsetof(struct slab_hand, number)) + slab_read(&(cache)->number)

static uint64_t sum_hands(const struct slab_cache *cache, size_t number)
{
    uint64_t sum = 0;
    for (unsigned i = 0; cache->hand != 0 && i < CPU_MAX; i++) {
        struct slab_hands *hands = slab_table(i);
        if (hands != NULL) {
            sum +=
                slab_read((const uint64_t *)(const void *)((const char *)slab_hand(hands, cache) + number));
        }
    }
    return sum;
}

void slab_count(const struct slab_cache *cache, struct system_slab *out)
{
    uint64_t given = SUM_OF(cache, given);
    __atomic_thread_fence(
        __ATOMIC_ACQUIRE); /* what was given back was taken before: no less is in use than 0 */
    uint64_t taken = SUM_OF(cache, taken), waiting = SUM_OF(cache, waiting);
    *out = (struct system_slab){.bytes = cache->bytes, .in_use = taken - given, .misses = waiting};
    out->used = out->in_use * out->bytes;
    out->hits = taken + given > waiting ? taken + given - waiting : 0;
    out->slabs = slab_read(&cache->slabs);
    out->frames = out->slabs << cache->order;
    text_format(out->name, sizeof(out->name), "%s", cache->name);
}

bool slab_describe(uint64_t position, struct system_slab *out)
{
    bool found = false;
    spin_lock(&slabs_lock);
    LIST_FOR_EACH(node, &slab_caches)
    {
        if (position-- == 0) {
            slab_count(LIST_ENTRY(node, struct slab_cache, node), out);
            found = true;
            break;
        }
    }
    spin_unlock(&slabs_lock);
    return found;
}

bool slab_drain(void)
{
    uint64_t before = slab_ended();
    spin_lock(&slabs_lock);
    slab_hands_steal();
    LIST_FOR_EACH(node, &slab_caches)
    {
        struct slab_cache *cache = LIST_ENTRY(node, struct slab_cache, node);
        slab_empty_hands(cache);
        slab_empty_depot(cache);
        slab_debug_drain(cache);
    }
    slab_hands_return();
    LIST_FOR_EACH(node, &slab_caches)
    {
        slab_trim(LIST_ENTRY(node, struct slab_cache, node));
    }
    spin_unlock(&slabs_lock);
    return slab_ended() != before;
}
