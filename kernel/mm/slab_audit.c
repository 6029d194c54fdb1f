/*
 * Proving the caches consistent. An object is in one place: free in its slab, or in one magazine, or kept
 * back by the debug mode, or in use. To find one that is in two, those in magazines are called free in their
 * slabs for the time of the audit.
 */
#include "kernel/mm/slab_state.h"

#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
#include "lib/text.h"

/* What an audit of a cache has seen so far. */
struct audit {
    struct slab_cache *cache;
    struct heap_fault *fault;
    uint64_t slabs;
    uint64_t taken;     /* objects that the slabs miss */
    uint64_t cached;    /* of those, in magazines */
    uint64_t magazines; /* of this cache */
};

static bool fail(struct audit *audit, const void *where, const char *what)
{
    text_format(audit->fault->cache, sizeof(audit->fault->cache), "%s", audit->cache->name);
    audit->fault->where = where;
    audit->fault->what = what;
    return false;
}

static bool header_is_right(const struct slab_cache *cache, const struct slab *slab)
{
    uint64_t first = (uint32_t)(slab->first - (uint32_t)(uintptr_t)slab);
    return slab->cache == cache && slab_of(cache, slab) == slab && first >= cache->first &&
           first + (uint64_t)cache->objects * cache->size <= PAGE_SIZE << cache->order;
}

static bool frames_are_held(const struct slab_cache *cache, const struct slab *slab)
{
    struct frame_owner owner;
    frame_owner_of(aperture_frame(slab), &owner);
    return owner.class == FRAME_KERNEL && owner.order == cache->order &&
           owner.first.value == aperture_frame(slab).value;
}

static uint32_t count_free(const struct slab *slab)
{
    uint32_t count = 0;
    for (unsigned word = 0; word < SLAB_OBJECTS / 64; word++) {
        count += (uint32_t)__builtin_popcountll(slab->free[word]);
    }
    return count;
}

static bool is_free(const struct slab *slab, uint32_t index)
{
    return (slab->free[index / 64] >> index % 64 & 1) != 0;
}

static bool audit_objects(struct audit *audit, const struct slab *slab)
{
    for (uint32_t i = 0; slab_debugging && i < audit->cache->objects; i++) {
        const void *object = slab_object(audit->cache, slab, i);
        const char *wrong = slab_debug_check(audit->cache, object, is_free(slab, i));
        if (wrong != NULL) {
            return fail(audit, object, wrong);
        }
    }
    return true;
}

static bool audit_slab(struct audit *audit, const struct slab *slab, uint32_t least, uint32_t most)
{
    const struct slab_cache *cache = audit->cache;
    if (!header_is_right(cache, slab)) {
        return fail(audit, slab, "a slab has a wrong header");
    }
    if (!frames_are_held(cache, slab)) {
        return fail(audit, slab, "a slab's frames are not held");
    }
    for (uint32_t i = cache->objects; i < SLAB_OBJECTS; i++) {
        if (is_free(slab, i)) {
            return fail(audit, slab, "an object is free that does not exist");
        }
    }
    if (slab->taken + count_free(slab) != cache->objects) {
        return fail(audit, slab, "a slab's objects are not as many as are counted");
    }
    if (slab->taken < least || slab->taken > most) {
        return fail(audit, slab, "a slab is in the wrong list");
    }
    audit->slabs++;
    audit->taken += slab->taken;
    return audit_objects(audit, slab);
}

static bool audit_list(struct audit *audit, const struct list *list, uint32_t least, uint32_t most)
{
    LIST_FOR_EACH(node, list)
    {
        if (!audit_slab(audit, LIST_ENTRY(node, struct slab, node), least, most)) {
            return false;
        }
    }
    return true;
}

static bool audit_slabs(struct audit *audit)
{
    const struct slab_cache *cache = audit->cache;
    if (!audit_list(audit, &cache->empty, 0, 0)) {
        return false;
    }
    if (audit->slabs != cache->empties) {
        return fail(audit, NULL, "the empty slabs are not as many as are counted");
    }
    if (!audit_list(audit, &cache->partial, 1, cache->objects - 1) ||
        !audit_list(audit, &cache->full, cache->objects, cache->objects)) {
        return false;
    }
    return audit->slabs == cache->slabs || fail(audit, NULL, "the slabs are not as many as are counted");
}

/* One pass over the magazines: `left` objects are called free, or, the second time, taken again. */
struct pass {
    struct audit *audit;
    bool free;
    uint64_t left;
};

static bool visit_object(struct pass *pass, void *object)
{
    struct slab_cache *cache = pass->audit->cache;
    struct slab *slab = slab_of(cache, object);
    if (pass->left == 0) {
        return false;
    }
    if (pass->free && !slab_owns(cache, slab, object)) {
        return fail(pass->audit, object, "what is in a magazine is no object of the cache");
    }
    uint32_t index = slab_index(cache, slab, object);
    if (pass->free && is_free(slab, index)) {
        return fail(pass->audit, object, "an object is in a magazine and free elsewhere, too");
    }
    slab->free[index / 64] ^= (uint64_t)1 << index % 64;
    pass->left--;
    return true;
}

static bool visit_magazine(struct pass *pass, const struct slab_magazine *magazine, uint64_t count)
{
    for (uint64_t i = 0; magazine != NULL && i < count; i++) {
        if (!visit_object(pass, magazine->object[i])) {
            return false;
        }
    }
    return true;
}

static bool visit_hand(struct pass *pass, const struct slab_hand *hand)
{
    uint64_t capacity = pass->audit->cache->capacity;
    bool equipped = hand->loaded != NULL;
    if (hand->capacity != (equipped ? capacity : 0) || (hand->spare != NULL) != equipped ||
        hand->count > hand->capacity || (hand->spares != 0 && hand->spares != capacity)) {
        return fail(pass->audit, hand, "a CPU's magazines are not as they say");
    }
    pass->audit->magazines += equipped ? 2 : 0;
    return visit_magazine(pass, hand->loaded, hand->count) && visit_magazine(pass, hand->spare, hand->spares);
}

static bool visit_depot(struct pass *pass)
{
    const struct slab_cache *cache = pass->audit->cache;
    uint32_t full = 0;
    for (const struct slab_magazine *m = cache->full_magazines; m != NULL; m = m->next) {
        full++;
        if (!visit_magazine(pass, m, m->count)) {
            return false;
        }
    }
    pass->audit->magazines += full;
    for (const struct slab_magazine *m = cache->empty_magazines; m != NULL; m = m->next) {
        pass->audit->magazines++;
    }
    return full == cache->depot || fail(pass->audit, NULL, "the depot has not as many magazines as it says");
}

static bool visit_all(struct pass *pass)
{
    const struct slab_cache *cache = pass->audit->cache;
    for (unsigned i = 0; cache->hand != 0 && i < CPU_MAX; i++) {
        struct slab_hands *hands = slab_table(i);
        if (hands != NULL && !visit_hand(pass, slab_hand(hands, cache))) {
            return false;
        }
    }
    return visit_depot(pass);
}

static bool audit_magazines(struct audit *audit)
{
    struct pass there = {audit, true, UINT64_MAX};
    bool good = visit_all(&there);
    audit->cached = UINT64_MAX - there.left;
    uint64_t magazines = audit->magazines;
    struct pass back = {audit, false, audit->cached};
    (void)visit_all(&back);
    audit->magazines = magazines;
    return good;
}

/* With the cache locked, and all CPUs out of their hands. */
static bool audit_cache(struct audit *audit)
{
    struct system_slab counts;
    slab_count(audit->cache, &counts);
    if (!audit_slabs(audit) || !audit_magazines(audit)) {
        return false;
    }
    return counts.in_use == audit->taken - audit->cached - audit->cache->quarantined ||
           fail(audit, NULL, "the objects in use are not as many as are counted");
}

/* The caches whose magazines are there, and then the one that the magazines are from. */
static bool audit_all(struct heap_fault *fault)
{
    uint64_t magazines = 0;
    LIST_FOR_EACH(node, &slab_caches)
    {
        struct audit audit = {.cache = LIST_ENTRY(node, struct slab_cache, node), .fault = fault};
        spin_lock(&audit.cache->lock);
        bool good = audit_cache(&audit);
        spin_unlock(&audit.cache->lock);
        if (!good) {
            return false;
        }
        magazines += audit.magazines;
    }
    struct audit audit = {.cache = &slab_magazines, .fault = fault};
    struct system_slab counts;
    slab_count(&slab_magazines, &counts);
    return counts.in_use == magazines || fail(&audit, NULL, "there are magazines that nobody has");
}

bool slab_audit(struct heap_fault *fault)
{
    spin_lock(&slabs_lock);
    slab_hands_steal();
    *fault = (struct heap_fault){0};
    bool good = audit_all(fault);
    slab_hands_return();
    spin_unlock(&slabs_lock);
    return good;
}
