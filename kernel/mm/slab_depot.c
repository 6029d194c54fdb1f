/*
 * Magazines and depots: what lies between a CPU's fast path and the slabs.
 *
 * A hand has two magazines, of which `spare` is full or empty; so a CPU that takes and gives back at the edge
 * of one does not go further. When both are empty, or both are full, one is exchanged at the cache's depot,
 * which costs the same however many objects it has. Only when the depot has none of the wanted kind the
 * objects themselves go to, or come from, the slabs.
 */
#include "kernel/mm/slab_state.h"

struct slab_cache slab_magazines = SLAB_CACHE_OF("magazine", struct slab_magazine);

/*
 * Out of the slabs, with frames taken as needed. Fewer than wanted only when there is no memory. The number
 * `taken` of the cache is kept up to date, where a hand does not count.
 */
static uint32_t take_some(struct slab_cache *cache, void **objects, uint32_t count, bool by_hand)
{
    uint32_t got;
    do {
        spin_lock(&cache->lock);
        got = slab_pop(cache, objects, count);
        if (!by_hand) {
            slab_add(&cache->taken, got);
            slab_add(&cache->waiting, got);
        }
        spin_unlock(&cache->lock);
    } while (got == 0 && slab_grow(cache));
    return got;
}

/* Back to the slabs; the same for `given`. */
static void give_some(struct slab_cache *cache, void *const *objects, uint32_t count, bool by_hand)
{
    struct list ended;
    list_init(&ended);
    spin_lock(&cache->lock);
    slab_push(cache, objects, count, &ended);
    if (!by_hand) {
        slab_add(&cache->given, count);
        slab_add(&cache->waiting, count);
    }
    spin_unlock(&cache->lock);
    slab_end(cache, &ended);
}

void *slab_take_one(struct slab_cache *cache)
{
    void *object;
    return take_some(cache, &object, 1, false) > 0 ? object : NULL;
}

void slab_give_one(struct slab_cache *cache, void *object)
{
    give_some(cache, &object, 1, false);
}

static struct slab_magazine *magazine_make(void)
{
    return slab_take_one(&slab_magazines);
}

static void magazine_end(struct slab_magazine *magazine)
{
    slab_give_one(&slab_magazines, magazine);
}

/* Two magazines for a hand that has none. Without memory for them it goes on without. */
static void equip(const struct slab_cache *cache, struct slab_hand *hand)
{
    if (cache->hand == 0) {
        return;
    }
    struct slab_magazine *loaded = magazine_make(), *spare = magazine_make();
    if (loaded != NULL && spare != NULL) {
        hand->loaded = loaded;
        hand->spare = spare;
        hand->capacity = cache->capacity;
        return;
    }
    if (loaded != NULL) {
        magazine_end(loaded);
    }
    if (spare != NULL) {
        magazine_end(spare);
    }
}

static void swap_magazines(struct slab_hand *hand)
{
    struct slab_magazine *loaded = hand->loaded;
    uint32_t count = hand->count;
    hand->loaded = hand->spare;
    hand->count = (uint32_t)hand->spares;
    hand->spare = loaded;
    hand->spares = count;
}

static struct slab_magazine *depot_pop(struct slab_magazine **stack)
{
    struct slab_magazine *magazine = *stack;
    if (magazine != NULL) {
        *stack = magazine->next;
    }
    return magazine;
}

static void depot_push(struct slab_magazine **stack, struct slab_magazine *magazine, uint32_t count)
{
    magazine->count = count;
    magazine->next = *stack;
    *stack = magazine;
}

/* Both magazines are empty. */
static bool refill(struct slab_cache *cache, struct slab_hand *hand)
{
    spin_lock(&cache->lock);
    struct slab_magazine *full = depot_pop(&cache->full_magazines);
    if (full != NULL) {
        cache->depot--;
        depot_push(&cache->empty_magazines, hand->loaded, 0);
        hand->loaded = full;
        hand->count = full->count;
    }
    spin_unlock(&cache->lock);
    if (full == NULL) {
        hand->count = take_some(cache, hand->loaded->object, (hand->capacity + 1) / 2, true);
    }
    return hand->count != 0;
}

/* Leave the full magazine at the depot, for this empty one or one that is there. False when there is none, or
 * no room. */
static bool exchange_full(struct slab_cache *cache, struct slab_hand *hand, struct slab_magazine *empty,
                          bool *room)
{
    spin_lock(&cache->lock);
    *room = cache->depot < DEPOT_MOST;
    if (*room && empty == NULL) {
        empty = depot_pop(&cache->empty_magazines);
    }
    bool done = *room && empty != NULL;
    if (done) {
        cache->depot++;
        depot_push(&cache->full_magazines, hand->loaded, hand->count);
        hand->loaded = empty;
        hand->count = 0;
    }
    spin_unlock(&cache->lock);
    return done;
}

/* Both magazines are full. */
static void spill(struct slab_cache *cache, struct slab_hand *hand)
{
    bool room;
    if (exchange_full(cache, hand, NULL, &room)) {
        return;
    }
    struct slab_magazine *fresh = room ? magazine_make() : NULL;
    if (fresh != NULL && exchange_full(cache, hand, fresh, &room)) {
        return;
    }
    if (fresh != NULL) {
        magazine_end(fresh);
    }
    give_some(cache, hand->loaded->object, hand->count, true);
    hand->count = 0;
}

void *slab_hand_take(struct slab_cache *cache, struct slab_hand *hand)
{
    if (hand->capacity == 0) {
        equip(cache, hand);
    }
    if (hand->count == 0 && hand->spares > 0) {
        swap_magazines(hand);
    }
    if (hand->count == 0) {
        if (hand->capacity == 0 || !refill(cache, hand)) {
            return slab_take_one(cache);
        }
        slab_add(&hand->waiting, 1);
    }
    slab_add(&hand->taken, 1);
    return hand->loaded->object[--hand->count];
}

void slab_hand_give(struct slab_cache *cache, struct slab_hand *hand, void *object)
{
    if (hand->capacity == 0) {
        equip(cache, hand);
    }
    if (hand->capacity == 0) {
        slab_give_one(cache, object);
        return;
    }
    if (hand->count == hand->capacity && hand->spares == 0) {
        swap_magazines(hand);
    }
    if (hand->count == hand->capacity) {
        slab_add(&hand->waiting, 1);
        spill(cache, hand);
    }
    hand->loaded->object[hand->count++] = object;
    slab_add(&hand->given, 1);
}

/* End a magazine that has so many objects. */
static void magazine_empty(struct slab_cache *cache, struct slab_magazine *magazine, uint64_t count)
{
    if (magazine != NULL) {
        give_some(cache, magazine->object, (uint32_t)count, true);
        magazine_end(magazine);
    }
}

void slab_empty_hands(struct slab_cache *cache)
{
    for (unsigned i = 0; cache->hand != 0 && i < CPU_MAX; i++) {
        struct slab_hands *hands = slab_table(i);
        if (hands != NULL) {
            struct slab_hand *hand = slab_hand(hands, cache);
            magazine_empty(cache, hand->loaded, hand->count);
            magazine_empty(cache, hand->spare, hand->spares);
            hand->loaded = hand->spare = NULL;
            hand->count = hand->capacity = 0;
            hand->spares = 0;
        }
    }
}

void slab_empty_depot(struct slab_cache *cache)
{
    spin_lock(&cache->lock);
    struct slab_magazine *full = cache->full_magazines, *empty = cache->empty_magazines;
    cache->full_magazines = cache->empty_magazines = NULL;
    cache->depot = 0;
    spin_unlock(&cache->lock);
    for (struct slab_magazine *next; full != NULL; full = next) {
        next = full->next;
        magazine_empty(cache, full, full->count);
    }
    for (struct slab_magazine *next; empty != NULL; empty = next) {
        next = empty->next;
        magazine_end(empty);
    }
}

static bool holds(const struct slab_magazine *magazine, uint64_t count, const void *object)
{
    for (uint64_t i = 0; magazine != NULL && i < count; i++) {
        if (magazine->object[i] == object) {
            return true;
        }
    }
    return false;
}

bool slab_is_cached(struct slab_cache *cache, const void *object)
{
    for (unsigned i = 0; cache->hand != 0 && i < CPU_MAX; i++) {
        struct slab_hands *hands = slab_table(i);
        const struct slab_hand *hand = hands != NULL ? slab_hand(hands, cache) : &slab_no_hands.hand[0];
        if (holds(hand->loaded, hand->count, object) || holds(hand->spare, hand->spares, object)) {
            return true;
        }
    }
    for (const struct slab_magazine *m = cache->full_magazines; m != NULL; m = m->next) {
        if (holds(m, m->count, object)) {
            return true;
        }
    }
    return false;
}
