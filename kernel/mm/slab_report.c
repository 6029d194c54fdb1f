/*
 * Panics of the heap, and what they say of an address.
 */
#include "kernel/mm/slab_state.h"

#include "kernel/debug/panic.h"
#include "kernel/debug/symbols.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/heap_large.h"
#include "lib/text.h"

#define TEXT 120

/* Is this address one of a cache? The list is read as it is: this is the end in any case. */
static bool is_cache(const struct slab_cache *cache)
{
    LIST_FOR_EACH(node, &slab_caches)
    {
        if (LIST_ENTRY(node, struct slab_cache, node) == cache) {
            return true;
        }
    }
    return false;
}

static void describe_in_slab(const struct slab *slab, const void *object, char *text)
{
    const struct slab_cache *cache = slab->cache;
    uint32_t offset = (uint32_t)(uintptr_t)object - slab->first;
    uint32_t index = offset / cache->size, inside = offset % cache->size;
    if (index >= cache->objects) {
        text_format(text, TEXT, "it lies in a slab of '%s', but in no object", cache->name);
    } else if (inside == 0) {
        text_format(text, TEXT, "it is one of '%s'", cache->name);
    } else {
        text_format(text, TEXT, "it is byte %u of the object %p of '%s'", inside,
                    slab_object(cache, slab, index), cache->name);
    }
}

/* What is at this address, in words. Touches only frames that the kernel holds. */
static const char *describe(const void *object, char *text)
{
    struct frame_owner owner;
    char frame[TEXT];
    size_t bytes;
    frame_owner_of(aperture_frame(object), &owner);
    if (owner.class != FRAME_KERNEL) {
        text_format(text, TEXT, "its frame is %s", frame_describe(aperture_frame(object), frame, TEXT));
        return text;
    }
    const void *large = heap_large_find(object, &bytes);
    const struct slab *slab = aperture_at(pfn_to_paddr(owner.first));
    if (large != NULL) {
        text_format(text, TEXT, "it is byte %lu of the large object %p of %zu bytes",
                    (uint64_t)((const char *)object - (const char *)large), large, bytes);
    } else if (is_cache(slab->cache)) {
        describe_in_slab(slab, object, text);
    } else {
        text_format(text, TEXT, "nothing of the heap is there");
    }
    return text;
}

void slab_report_stray(const char *cache, const void *object)
{
    char text[TEXT];
    panic("heap: %p, given back to '%s', is no object of it: %s", object, cache, describe(object, text));
}

void slab_report_twice(const struct slab_cache *cache, const void *object)
{
    panic("heap: '%s' %p of %u bytes is given back a second time", cache->name, object, cache->bytes);
}

/* "thread_make+0x1a", or the bare address. */
static const char *name_code(const void *code, char *text)
{
    uint64_t offset;
    const char *name = symbol_find((uint64_t)(uintptr_t)code, &offset);
    if (code == NULL) {
        text_format(text, TEXT, "nobody");
    } else if (name == NULL) {
        text_format(text, TEXT, "%p", code);
    } else {
        text_format(text, TEXT, "%s+0x%lx", name, offset);
    }
    return text;
}

void slab_report_damage(const char *cache, const void *object, size_t bytes, const char *what,
                        const void *taken_by, const void *given_by)
{
    char taken[TEXT], given[TEXT];
    panic("heap: '%s' %p of %zu bytes %s; last taken by %s, given back by %s", cache, object, bytes, what,
          name_code(taken_by, taken), name_code(given_by, given));
}
