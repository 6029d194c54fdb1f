/* Objects of tests, for kernel code that has no frames; see kernel_host.h. */
#include "kernel/debug/panic.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/heap.h"
#include "kernel/mm/zeroed.h"
#include "kernel/obj/account_tree.h"
#include "tests/host/kernel_host.h"

unsigned long host_objects_destroyed;

enum error frame_alloc_for(unsigned order, enum frame_class class, uint32_t account, pfn_t *out)
{
    (void)order, (void)class, (void)account, (void)out;
    return ERR_NO_MEMORY; /* nothing here has frames */
}

enum error zeroed_take(enum frame_class class, uint32_t account, pfn_t *out)
{
    return frame_alloc_for(0, class, account, out);
}

void frame_release(pfn_t first, unsigned order)
{
    panic("block %lx of order %u is given back, which nobody has", (unsigned long)first.value, order);
}

enum error zeroed_take_block(uint32_t account, pfn_t *out)
{
    return frame_alloc_for(9, FRAME_USER_ANONYMOUS, account, out);
}

static void host_object_destroy(struct object *object)
{
    struct host_object *self = (struct host_object *)object;
    if (self->alive != HOST_OBJECT_ALIVE) {
        panic("object %u is destroyed twice", self->number);
    }
    self->alive = 0;
    __atomic_fetch_add(&host_objects_destroyed, 1, __ATOMIC_RELAXED);
    object_free(object);
}

static struct slab_cache host_objects = SLAB_CACHE_OF("object of a test", struct host_object);
static struct slab_cache accounts = SLAB_CACHE_OF("account", struct account);

const struct object_kind object_kinds[OBJECT_TYPES] = {
    [OBJECT_MEMORY] = {&host_objects, host_object_destroy},
    [OBJECT_NOTIFICATION] = {&host_objects, host_object_destroy},
    [OBJECT_ACCOUNT] = {&accounts, account_destroy},
};
