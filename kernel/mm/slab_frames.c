/*
 * The slabs of a cache: frames in, objects out. The only place where a slab takes and gives back frames.
 */
#include "kernel/mm/slab_state.h"

#include "kernel/debug/panic.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame_report.h"

/* A mark that no address and no small number is. */
#define MARK 0x51756972534c4142u

static struct slab *frames_take(const struct slab_cache *cache)
{
    pfn_t first;
    if (frame_alloc(cache->order, FRAME_KERNEL, &first) != ERR_NONE) {
        return NULL;
    }
    return aperture_at(pfn_to_paddr(first));
}

static uint64_t slabs_ended; /* atomic */

uint64_t slab_ended(void)
{
    return __atomic_load_n(&slabs_ended, __ATOMIC_RELAXED);
}

static void frames_give(const struct slab_cache *cache, struct slab *slab)
{
    slab->cache = NULL;
    __atomic_fetch_add(&slabs_ended, 1, __ATOMIC_RELAXED);
    frame_release(aperture_frame(slab), cache->order);
}

/* Make a slab of the frames: all objects free. With the cache locked. */
static void slab_begin(struct slab_cache *cache, struct slab *slab)
{
    uint32_t objects = cache->objects;
    uint64_t first = (uint64_t)(uintptr_t)slab + cache->first + (uint64_t)cache->colour * cache->step;
    *slab = (struct slab){.cache = cache, .mark = (uint64_t)(uintptr_t)slab ^ MARK, .first = (uint32_t)first};
    for (uint32_t word = 0; word * 64 < objects; word++) {
        uint32_t bits = objects - word * 64;
        slab->free[word] = bits >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1;
    }
    cache->colour = cache->colour + 1 < cache->colours ? cache->colour + 1 : 0;
    list_append(&cache->empty, &slab->node);
    cache->empties++;
    slab_add(&cache->slabs, 1);
}

bool slab_grow(struct slab_cache *cache)
{
    struct slab *slab = frames_take(cache);
    if (slab == NULL) {
        return false;
    }
    spin_lock(&cache->lock);
    slab_begin(cache, slab);
    if (slab_debugging) {
        slab_debug_begin(cache, slab);
    }
    spin_unlock(&cache->lock);
    return true;
}

static void move(struct slab *slab, struct list *to)
{
    list_remove(&slab->node);
    list_append(to, &slab->node);
}

/* The slab to take from: one that is in use, so that others stay or become empty. */
static struct slab *slab_choose(struct slab_cache *cache)
{
    if (!list_empty(&cache->partial)) {
        return LIST_ENTRY(cache->partial.next, struct slab, node);
    }
    if (list_empty(&cache->empty)) {
        return NULL;
    }
    struct slab *slab = LIST_ENTRY(cache->empty.next, struct slab, node);
    cache->empties--;
    move(slab, &cache->partial);
    return slab;
}

/* Out of the slab, the lowest first. */
static uint32_t slab_cut(struct slab_cache *cache, struct slab *slab, void **objects, uint32_t count)
{
    uint32_t got = 0;
    for (uint32_t word = 0; word < SLAB_OBJECTS / 64; word++) {
        while (got < count && slab->free[word] != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(slab->free[word]);
            slab->free[word] &= slab->free[word] - 1;
            objects[got++] = slab_object(cache, slab, word * 64 + bit);
        }
    }
    slab->taken += got;
    if (slab->taken == cache->objects) {
        move(slab, &cache->full);
    }
    return got;
}

uint32_t slab_pop(struct slab_cache *cache, void **objects, uint32_t count)
{
    uint32_t got = 0;
    while (got < count) {
        struct slab *slab = slab_choose(cache);
        if (slab == NULL) {
            break;
        }
        got += slab_cut(cache, slab, objects + got, count - got);
    }
    return got;
}

static void put_back(struct slab_cache *cache, void *object, struct list *ended)
{
    struct slab *slab = slab_of(cache, object);
    uint32_t index = slab_index(cache, slab, object);
    uint64_t bit = (uint64_t)1 << index % 64;
    ASSERT(slab->cache == cache && index < cache->objects);
    if ((slab->free[index / 64] & bit) != 0) {
        slab_report_twice(cache, object);
    }
    slab->free[index / 64] |= bit;
    if (slab->taken-- == cache->objects) {
        move(slab, &cache->partial);
    }
    if (slab->taken > 0) {
        return;
    }
    if (cache->empties < SLAB_KEPT) {
        cache->empties++;
        move(slab, &cache->empty);
    } else {
        slab_add(&cache->slabs, -(uint64_t)1);
        move(slab, ended);
    }
}

void slab_push(struct slab_cache *cache, void *const *objects, uint32_t count, struct list *ended)
{
    for (uint32_t i = 0; i < count; i++) {
        put_back(cache, objects[i], ended);
    }
}

void slab_end(struct slab_cache *cache, struct list *ended)
{
    while (!list_empty(ended)) {
        struct slab *slab = LIST_ENTRY(ended->next, struct slab, node);
        list_remove(&slab->node);
        frames_give(cache, slab);
    }
}

void slab_trim(struct slab_cache *cache)
{
    struct list ended;
    list_init(&ended);
    spin_lock(&cache->lock);
    while (!list_empty(&cache->empty)) {
        cache->empties--;
        slab_add(&cache->slabs, -(uint64_t)1);
        move(LIST_ENTRY(cache->empty.next, struct slab, node), &ended);
    }
    spin_unlock(&cache->lock);
    slab_end(cache, &ended);
}
