/*
 * The kernel's heap; see heap.h.
 *
 * A frame of small objects begins with a header: how many are in use and the list of free ones, and it is
 * linked into the list of its class while it has a free one. The frame of an object is found by rounding its
 * address.
 */
#include "kernel/mm/heap.h"

#include "kernel/debug/panic.h"
#include "kernel/lib/list.h"
#include "kernel/sched/spinlock.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "lib/text.h"

#define CLASSES    8
#define LARGEST    1344
#define SLAB_MAGIC 0x51756972534c4142u

static const uint16_t class_sizes[CLASSES] = {32, 64, 128, 192, 320, 448, 960, LARGEST};

struct slab {
    uint64_t magic;
    struct list node;
    void *free; /* chain through the first word of each free object */
    uint16_t in_use;
    uint16_t class;
    uint8_t pad[28];
};

_Static_assert(sizeof(struct slab) == 64, "objects begin on a cache line");

static struct spinlock heap_lock = SPINLOCK("heap", LOCK_HEAP);

/* Guarded by heap_lock. */
static struct list partial[CLASSES];
static bool ready;
static uint64_t frames_held;

static uint64_t bytes_in_use; /* atomic */

static unsigned class_for(size_t bytes)
{
    unsigned class = 0;
    while (class_sizes[class] < bytes) {
        class ++;
    }
    return class;
}

static unsigned order_for(size_t bytes)
{
    unsigned order = 0;
    while ((PAGE_SIZE << order) < bytes) {
        order++;
    }
    return order;
}

static struct slab *slab_create(unsigned class)
{
    pfn_t frame;
    if (frame_alloc(0, FRAME_KERNEL, &frame) != ERR_NONE) {
        return NULL;
    }
    struct slab *slab = aperture_at(pfn_to_paddr(frame));
    *slab = (struct slab){.magic = SLAB_MAGIC, .class = (uint16_t) class};
    char *base = (char *)slab;
    for (size_t at = sizeof(*slab); at + class_sizes[class] <= PAGE_SIZE; at += class_sizes[class]) {
        *(void **)(void *)(base + at) = slab->free;
        slab->free = base + at;
    }
    list_append(&partial[class], &slab->node);
    frames_held++;
    return slab;
}

static void *small_alloc(size_t bytes)
{
    unsigned class = class_for(bytes);
    spin_lock(&heap_lock);
    if (!ready) {
        for (unsigned i = 0; i < CLASSES; i++) {
            list_init(&partial[i]);
        }
        ready = true;
    }
    struct slab *slab =
        list_empty(&partial[class]) ? slab_create(class) : LIST_ENTRY(partial[class].next, struct slab, node);
    void *object = NULL;
    if (slab != NULL) {
        object = slab->free;
        slab->free = *(void **)object;
        slab->in_use++;
        __atomic_fetch_add(&bytes_in_use, class_sizes[class], __ATOMIC_RELAXED);
        if (slab->free == NULL) {
            list_remove(&slab->node);
        }
    }
    spin_unlock(&heap_lock);
    return object;
}

static void small_free(void *object, size_t bytes)
{
    struct slab *slab = (struct slab *)align_down((uint64_t)(uintptr_t)object, PAGE_SIZE);
    unsigned class = class_for(bytes);
    spin_lock(&heap_lock);
    if (slab->magic != SLAB_MAGIC || slab->class != class || slab->in_use == 0 ||
        ((uint64_t)((char *)object - (char *)slab) - sizeof(*slab)) % class_sizes[class] != 0) {
        panic("heap: %p is not an object of %zu bytes", object, bytes);
    }
    if (slab->free == NULL) {
        list_append(&partial[class], &slab->node);
    }
    *(void **)object = slab->free;
    slab->free = object;
    slab->in_use--;
    __atomic_fetch_sub(&bytes_in_use, class_sizes[class], __ATOMIC_RELAXED);
    bool empty = slab->in_use == 0;
    if (empty) {
        list_remove(&slab->node);
        slab->magic = 0;
        frames_held--;
    }
    spin_unlock(&heap_lock);
    if (empty) {
        enum error error = frame_free(aperture_frame(slab), 0);
        ASSERT(error == ERR_NONE);
    }
}

void *heap_alloc(size_t bytes)
{
    if (bytes <= LARGEST) {
        return small_alloc(bytes);
    }
    unsigned order = order_for(bytes);
    pfn_t frame;
    if (order >= FRAME_ORDERS || frame_alloc(order, FRAME_KERNEL, &frame) != ERR_NONE) {
        return NULL;
    }
    __atomic_fetch_add(&bytes_in_use, PAGE_SIZE << order, __ATOMIC_RELAXED);
    return aperture_at(pfn_to_paddr(frame));
}

void *heap_alloc_zeroed(size_t bytes)
{
    void *object = heap_alloc(bytes);
    if (object != NULL) {
        memset(object, 0, bytes);
    }
    return object;
}

void heap_free(void *object, size_t bytes)
{
    if (object == NULL) {
        return;
    }
    if (bytes <= LARGEST) {
        small_free(object, bytes);
        return;
    }
    unsigned order = order_for(bytes);
    __atomic_fetch_sub(&bytes_in_use, PAGE_SIZE << order, __ATOMIC_RELAXED);
    if (frame_free(aperture_frame(object), order) != ERR_NONE) {
        panic("heap: %p is not a block of %zu bytes", object, bytes);
    }
}

void heap_count(uint64_t *object_bytes, uint64_t *frames)
{
    *object_bytes = __atomic_load_n(&bytes_in_use, __ATOMIC_RELAXED);
    *frames = __atomic_load_n(&frames_held, __ATOMIC_RELAXED);
}
