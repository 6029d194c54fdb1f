/*
 * Objects of whole frames; see heap_large.h. In the debug mode each has a frame or a part of one more, for a
 * red zone before it and one behind it, and the smaller ones are kept back for a while when they are freed.
 */
#include "kernel/mm/heap_large.h"

#include "kernel/debug/panic.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap_guard.h"
#include "kernel/mm/slab_state.h"
#include "lib/text.h"

#define BUCKETS     512u
#define ZONE_BEFORE 64u /* in the debug mode: a line, so that the object is as aligned as always */
#define KEPT        4u  /* freed objects, in the debug mode... */
#define KEPT_PAGES  16u /* ...of at most so many frames each */

static const char label[] = "large";

struct large {
    struct large *next; /* in the bucket */
    char *object;
    size_t bytes;
    pages_t pages;
    const void *taken_by, *given_by; /* code that did so; NULL for the latter while it is in use */
    struct large *newer;             /* given back next, of those that are kept back */
};

static struct slab_cache records = SLAB_CACHE_OF("large object", struct large);

static struct spinlock large_lock = SPINLOCK("large objects", LOCK_HEAP);

/* Guarded by large_lock. */
static struct large *buckets[BUCKETS];
static struct large *oldest, *newest; /* kept back */
static uint32_t kept;

/* The same, and atomic to read. */
static uint64_t objects, bytes_used, frames_used;

static uint64_t zone_before(void)
{
    return slab_debugging ? ZONE_BEFORE : 0;
}

static pfn_t first_frame(const struct large *large)
{
    return aperture_frame(large->object - zone_before());
}

static struct large **bucket_of(const void *object)
{
    return &buckets[aperture_frame(object).value % BUCKETS];
}

/* Where the chain holds the record of this object; the end of the chain when there is none. */
static struct large **find(const void *object)
{
    struct large **at = bucket_of(object);
    while (*at != NULL && (*at)->object != object) {
        at = &(*at)->next;
    }
    return at;
}

/* The bytes behind the object, to the end of its last frame. */
static size_t bytes_behind(const struct large *large)
{
    return (large->pages.value << PAGE_SHIFT) - zone_before() - large->bytes;
}

static void paint(struct large *large)
{
    memset(large->object - ZONE_BEFORE, GUARD_ZONE, ZONE_BEFORE);
    memset(large->object + large->bytes, GUARD_ZONE, bytes_behind(large));
}

/* What is wrong with the object, or NULL. */
static const char *wrong_with(const struct large *large)
{
    if (!slab_debugging) {
        return NULL;
    }
    if (guard_find(large->object - ZONE_BEFORE, ZONE_BEFORE, GUARD_ZONE) != NULL) {
        return "was underrun";
    }
    if (guard_find(large->object + large->bytes, bytes_behind(large), GUARD_ZONE) != NULL) {
        return "was overrun";
    }
    if (large->given_by != NULL && guard_find(large->object, large->bytes, GUARD_FREE) != NULL) {
        return "was written to after it was given back";
    }
    return NULL;
}

_Noreturn static void report(const struct large *large, const char *what)
{
    slab_report_damage(label, large->object, large->bytes, what, large->taken_by, large->given_by);
}

static void check(const struct large *large)
{
    const char *wrong = wrong_with(large);
    if (wrong != NULL) {
        report(large, wrong);
    }
}

static bool take_frames(pages_t pages, pfn_t *first)
{
    if (frame_alloc_run(pages, FRAME_KERNEL, first) == ERR_NONE) {
        return true;
    }
    (void)heap_drain();
    return frame_alloc_run(pages, FRAME_KERNEL, first) == ERR_NONE;
}

void *heap_large_alloc(size_t bytes, const void *caller)
{
    struct large *large = slab_alloc(&records);
    if (large == NULL) {
        return NULL;
    }
    pages_t pages = pages_for_bytes(bytes + zone_before() + (slab_debugging ? GUARD_BYTES : 0));
    pfn_t first;
    if (!take_frames(pages, &first)) {
        slab_free(&records, large);
        return NULL;
    }
    char *start = aperture_at(pfn_to_paddr(first));
    *large = (struct large){NULL, start + zone_before(), bytes, pages, caller, NULL, NULL};
    if (slab_debugging) {
        paint(large);
    }
    spin_lock(&large_lock);
    struct large **bucket = bucket_of(large->object);
    large->next = *bucket;
    *bucket = large;
    slab_add(&objects, 1);
    slab_add(&bytes_used, bytes);
    slab_add(&frames_used, pages.value);
    spin_unlock(&large_lock);
    return large->object;
}

/* Give the frames back, and the record, which is in no list any more. No lock is held. */
static void end(struct large *large)
{
    if (frame_free_run(first_frame(large), large->pages) != ERR_NONE) {
        report(large, "is made of frames that are not held");
    }
    slab_free(&records, large);
}

/* Take the record out of its bucket. With the lock. */
static struct large *unlink(struct large **at)
{
    struct large *large = *at;
    ASSERT(large != NULL);
    *at = large->next;
    slab_add(&frames_used, -large->pages.value);
    return large;
}

/* The oldest that is kept back leaves. With the lock. */
static struct large *let_go(void)
{
    struct large *large = oldest;
    check(large);
    oldest = large->newer;
    kept--;
    return unlink(find(large->object));
}

/* Keep a freed object back, in the debug mode; what is to end for it, or NULL. With the lock. */
static struct large *keep(struct large **at)
{
    struct large *large = *at;
    if (large->pages.value > KEPT_PAGES) {
        return unlink(at);
    }
    memset(large->object, GUARD_FREE, large->bytes);
    if (kept > 0) {
        newest->newer = large;
    } else {
        oldest = large;
    }
    newest = large;
    kept++;
    return kept > KEPT ? let_go() : NULL;
}

void heap_large_free(void *object, size_t bytes, const void *caller)
{
    char text[64];
    spin_lock(&large_lock);
    struct large **at = find(object), *large = *at;
    if (large == NULL) {
        spin_unlock(&large_lock);
        slab_report_stray(label, object);
    }
    if (large->given_by != NULL) {
        report(large, "is given back a second time");
    }
    if (large->bytes != bytes) {
        text_format(text, sizeof(text), "is given back as one of %zu bytes", bytes);
        report(large, text);
    }
    check(large);
    large->given_by = caller;
    slab_add(&objects, -(uint64_t)1);
    slab_add(&bytes_used, -(uint64_t)bytes);
    large = slab_debugging ? keep(at) : unlink(at);
    spin_unlock(&large_lock);
    if (large != NULL) {
        end(large);
    }
}

bool heap_large_drain(void)
{
    struct large *large;
    bool any = false;
    do {
        spin_lock(&large_lock);
        large = kept > 0 ? let_go() : NULL;
        spin_unlock(&large_lock);
        if (large != NULL) {
            any = true;
            end(large);
        }
    } while (large != NULL);
    return any;
}

void heap_large_count(struct system_slab *out)
{
    *out = (struct system_slab){.in_use = slab_read(&objects), .used = slab_read(&bytes_used)};
    out->frames = slab_read(&frames_used);
    text_format(out->name, sizeof(out->name), "%s", label);
}

/* Are the frames of the object held, as the kernel's? */
static bool is_held(const struct large *large)
{
    pfn_t first = first_frame(large);
    for (uint64_t i = 0; i < large->pages.value; i++) {
        if (frame_class_of(pfn(first.value + i)) != FRAME_KERNEL) {
            return false;
        }
    }
    return true;
}

bool heap_large_audit(struct heap_fault *fault)
{
    uint64_t in_use = 0, pages = 0;
    *fault = (struct heap_fault){.cache = "large"};
    spin_lock(&large_lock);
    for (unsigned i = 0; i < BUCKETS && fault->what == NULL; i++) {
        for (const struct large *large = buckets[i]; large != NULL && fault->what == NULL;
             large = large->next) {
            fault->where = large->object;
            fault->what = is_held(large) ? wrong_with(large) : "its frames are not held";
            in_use += large->given_by == NULL;
            pages += large->pages.value;
        }
    }
    if (fault->what == NULL && (in_use != objects || pages != frames_used)) {
        fault->what = "the objects are not as many as are counted";
    }
    spin_unlock(&large_lock);
    return fault->what == NULL;
}

const void *heap_large_find(const void *at, size_t *bytes)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (const struct large *large = buckets[i]; large != NULL; large = large->next) {
            uint64_t offset = (uint64_t)(uintptr_t)at - (uint64_t)(uintptr_t)large->object;
            if (offset < large->bytes) {
                *bytes = large->bytes;
                return large->object;
            }
        }
    }
    return NULL;
}
