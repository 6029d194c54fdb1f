/*
 * The debug mode of the caches. An object's room is
 *
 *     red zone | object, as large as was asked for | red zone | note
 *
 * and all of it is known while the object is free, too: then the object is filled with a pattern. Objects
 * that were given back wait in the order in which they came, some of each cache, before they can be taken
 * again. CPUs have no magazines in this mode, so all goes through here, under the lock of the cache.
 */
#include "kernel/mm/slab_state.h"

#include "kernel/mm/heap.h"
#include "kernel/mm/heap_guard.h"
#include "lib/text.h"

/* Objects of a cache that wait, at most, and the bytes that they take. */
#define KEPT_OBJECTS 32u
#define KEPT_BYTES   32768u

#define STATE_TAKEN 0x54414b45u
#define STATE_FREE  0x46524545u

struct note {
    const void *taken_by, *given_by; /* code that did so last */
    void *newer;                     /* the object that was given back next */
    uint32_t bytes;                  /* that were asked for */
    uint32_t state;
};

static uint32_t bytes_before(const struct slab_cache *cache)
{
    return cache->alignment > GUARD_BYTES ? cache->alignment : GUARD_BYTES;
}

struct slab_shape slab_debug_shape(const struct slab_cache *cache)
{
    uint32_t before = bytes_before(cache);
    uint32_t behind = (uint32_t)align_up(cache->bytes + GUARD_BYTES, sizeof(uint64_t));
    return (struct slab_shape){before, before + behind + (uint32_t)sizeof(struct note)};
}

static struct note *note_of(const struct slab_cache *cache, const void *object)
{
    return (struct note *)((uintptr_t)object - bytes_before(cache) + cache->size - sizeof(struct note));
}

/* Red from the end of the object to the note. */
static void paint_behind(const struct slab_cache *cache, void *object, size_t bytes)
{
    char *end = (char *)object + bytes;
    memset(end, GUARD_ZONE, (size_t)((char *)note_of(cache, object) - end));
}

static void paint_free(const struct slab_cache *cache, void *object)
{
    memset(object, GUARD_FREE, cache->bytes);
    paint_behind(cache, object, cache->bytes);
}

void slab_debug_begin(struct slab_cache *cache, struct slab *slab)
{
    for (uint32_t i = 0; i < cache->objects; i++) {
        char *object = slab_object(cache, slab, i);
        memset(object - bytes_before(cache), GUARD_ZONE, bytes_before(cache));
        paint_free(cache, object);
        *note_of(cache, object) = (struct note){.bytes = cache->bytes, .state = STATE_FREE};
    }
}

/* What is wrong, with the number of bytes from the edge that was crossed, and what stands there. */
static const char *tell(const char *format, uint64_t distance, const uint8_t *byte)
{
    static char text[64]; /* whoever gets here panics, or has the lock of an audit */
    text_format(text, sizeof(text), format, distance, *byte);
    return text;
}

const char *slab_debug_check(const struct slab_cache *cache, const void *object, bool in_slab)
{
    const struct note *note = note_of(cache, object);
    const uint8_t *start = object, *found;
    bool free = note->state == STATE_FREE;
    uint32_t bytes = free || note->bytes > cache->bytes ? cache->bytes : note->bytes;
    if ((found = guard_find_last(start - bytes_before(cache), bytes_before(cache), GUARD_ZONE)) != NULL) {
        return tell("was underrun: %lu bytes before it is %02x", (uint64_t)(start - found), found);
    }
    size_t behind = (size_t)((const uint8_t *)note - (start + bytes));
    if ((found = guard_find(start + bytes, behind, GUARD_ZONE)) != NULL) {
        return tell("was overrun: %lu bytes behind its last is %02x", (uint64_t)(found - start) - bytes + 1,
                    found);
    }
    if (!free && (in_slab || note->state != STATE_TAKEN)) {
        return "has lost its note";
    }
    if (free && (found = guard_find(start, bytes, GUARD_FREE)) != NULL) {
        return tell("was written to after it was given back: byte %lu is %02x", (uint64_t)(found - start),
                    found);
    }
    return NULL;
}

static void check(const struct slab_cache *cache, const void *object, bool in_slab)
{
    const char *wrong = slab_debug_check(cache, object, in_slab);
    if (wrong != NULL) {
        const struct note *note = note_of(cache, object);
        slab_report_damage(cache->name, object, note->bytes, wrong, note->taken_by, note->given_by);
    }
}

static void *take_once(struct slab_cache *cache, size_t bytes, const void *caller)
{
    void *object;
    spin_lock(&cache->lock);
    bool got = slab_pop(cache, &object, 1) > 0;
    if (got) {
        check(cache, object, true);
        struct note *note = note_of(cache, object);
        note->taken_by = caller;
        note->bytes = (uint32_t)bytes;
        note->state = STATE_TAKEN;
        paint_behind(cache, object, bytes);
        slab_add(&cache->taken, 1);
        slab_add(&cache->waiting, 1);
    }
    spin_unlock(&cache->lock);
    return got ? object : NULL;
}

void *slab_debug_take(struct slab_cache *cache, size_t bytes, const void *caller)
{
    bool drained = false;
    for (;;) {
        void *object = take_once(cache, bytes, caller);
        if (object != NULL) {
            return object;
        }
        if (slab_grow(cache)) {
            continue;
        }
        if (drained) {
            return NULL;
        }
        (void)heap_drain();
        drained = true;
    }
}

static void enqueue(struct slab_cache *cache, void *object)
{
    note_of(cache, object)->newer = NULL;
    if (cache->oldest == NULL) {
        cache->oldest = object;
    } else {
        note_of(cache, cache->newest)->newer = object;
    }
    cache->newest = object;
    cache->quarantined++;
}

/* The oldest ones go to the slabs, until there are no more than so many. */
static void let_go(struct slab_cache *cache, uint32_t most, struct list *ended)
{
    while (cache->quarantined > most) {
        void *object = cache->oldest;
        check(cache, object, false);
        cache->oldest = note_of(cache, object)->newer;
        cache->quarantined--;
        slab_push(cache, &object, 1, ended);
    }
}

/* What an object's note says against its being given back now. */
static const char *refusal(const struct note *note, size_t bytes, char *text, size_t size)
{
    if (note->state == STATE_FREE) {
        return "is given back a second time";
    }
    if (note->state == STATE_TAKEN && note->bytes != bytes) {
        text_format(text, size, "is given back as one of %zu bytes", bytes);
        return text;
    }
    return NULL;
}

void slab_debug_give(struct slab_cache *cache, void *object, size_t bytes, const void *caller)
{
    struct list ended;
    char text[64];
    uint32_t most = KEPT_BYTES / cache->size;
    list_init(&ended);
    spin_lock(&cache->lock);
    struct note *note = note_of(cache, object);
    check(cache, object, false);
    const char *wrong = refusal(note, bytes, text, sizeof(text));
    if (wrong != NULL) {
        slab_report_damage(cache->name, object, note->bytes, wrong, note->taken_by, note->given_by);
    }
    note->given_by = caller;
    note->state = STATE_FREE;
    paint_free(cache, object);
    enqueue(cache, object);
    let_go(cache, most < KEPT_OBJECTS ? most : KEPT_OBJECTS, &ended);
    slab_add(&cache->given, 1);
    slab_add(&cache->waiting, 1);
    spin_unlock(&cache->lock);
    slab_end(cache, &ended);
}

void slab_debug_drain(struct slab_cache *cache)
{
    struct list ended;
    list_init(&ended);
    spin_lock(&cache->lock);
    let_go(cache, 0, &ended);
    spin_unlock(&cache->lock);
    slab_end(cache, &ended);
}
