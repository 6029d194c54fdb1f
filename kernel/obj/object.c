/*
 * Kernel objects; see object.h.
 */
#include "kernel/obj/object.h"

#include "kernel/debug/panic.h"
#include "kernel/sched/thread.h"

void object_init(struct object *object, enum object_type type, void (*destroy)(struct object *object))
{
    object->type = type;
    object->references = 1;
    object->destroy = destroy;
}

void object_retain(struct object *object)
{
    uint32_t before = __atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);
    ASSERT(before > 0 && before < UINT32_MAX);
}

void object_release(struct object *object)
{
    uint32_t before = __atomic_fetch_sub(&object->references, 1, __ATOMIC_ACQ_REL);
    ASSERT(before > 0);
    if (before != 1) {
        return;
    }
    struct thread *self = thread_current();
    object->next_dying = self->dying;
    self->dying = object;
    if (self->destroying) {
        return;
    }
    self->destroying = true;
    while (self->dying != NULL) {
        struct object *next = self->dying;
        self->dying = next->next_dying;
        next->destroy(next);
    }
    self->destroying = false;
}
