/*
 * Taking and giving back objects; see slab.h. The fast paths are in slab_state.h, since the sized classes of
 * the heap use them, too; here is what they fall back to.
 */
#include "kernel/mm/slab_state.h"

#include "kernel/mm/heap.h"
#include "lib/text.h"

bool slab_debugging;

static void *take_once(struct slab_cache *cache)
{
    struct cpu *cpu = arch_this_cpu();
    struct slab_hands *hands = slab_hands_enter(cpu);
    if (hands == NULL) {
        return slab_take_one(cache);
    }
    void *object = slab_hand_take(cache, slab_hand(hands, cache));
    slab_hands_leave(cpu);
    return object;
}

void *slab_take(struct slab_cache *cache, size_t bytes, const void *caller)
{
    slab_cache_prepare(cache);
    if (slab_debugging) {
        return slab_debug_take(cache, bytes, caller);
    }
    uint64_t *object = take_once(cache);
    if (object == NULL) {
        (void)heap_drain(); /* what other CPUs have at hand, and what other caches have and need not */
        object = take_once(cache);
    }
    if (object != NULL) {
        *object = 0;
    }
    return object;
}

/* The object has the mark of a free one: is it free? Its user may have come upon this number, too. */
static bool is_free(struct slab_cache *cache, const struct slab *slab, const void *object)
{
    uint32_t index = slab_index(cache, slab, object);
    spin_lock(&slabs_lock);
    slab_hands_steal();
    spin_lock(&cache->lock);
    bool free = (slab->free[index / 64] >> index % 64 & 1) != 0 || slab_is_cached(cache, object);
    spin_unlock(&cache->lock);
    slab_hands_return();
    spin_unlock(&slabs_lock);
    return free;
}

void slab_give(struct slab_cache *cache, void *object, size_t bytes, const void *caller)
{
    const struct slab *slab = slab_of(cache, object);
    uint64_t *word = object;
    if (!slab_owns(cache, slab, object)) {
        slab_report_stray(cache->name, object);
    }
    if (slab_debugging) {
        slab_debug_give(cache, object, bytes, caller);
        return;
    }
    if (*word == slab->mark && is_free(cache, slab, object)) {
        slab_report_twice(cache, object);
    }
    *word = slab->mark;
    struct cpu *cpu = arch_this_cpu();
    struct slab_hands *hands = slab_hands_enter(cpu);
    if (hands == NULL) {
        slab_give_one(cache, object);
        return;
    }
    slab_hand_give(cache, slab_hand(hands, cache), object);
    slab_hands_leave(cpu);
}

void *slab_alloc(struct slab_cache *cache)
{
    void *object = slab_take_fast(cache);
    return object != NULL ? object : slab_take(cache, cache->bytes, __builtin_return_address(0));
}

void *slab_alloc_zeroed(struct slab_cache *cache)
{
    void *object = slab_take_fast(cache);
    if (object == NULL) {
        object = slab_take(cache, cache->bytes, __builtin_return_address(0));
    }
    return object != NULL ? memset(object, 0, cache->bytes) : NULL;
}

void slab_free(struct slab_cache *cache, void *object)
{
    if (!slab_give_fast(cache, object)) {
        slab_give(cache, object, cache->bytes, __builtin_return_address(0));
    }
}
