/*
 * What the calls that make an object have in common: the caller gets a handle to it with all rights.
 */
#ifndef QUIRE_KERNEL_CREATION_H
#define QUIRE_KERNEL_CREATION_H

#include "kernel/sys/plans.h"

/* Set a slot aside for an object that was just made; on failure the object is dropped. */
static inline enum error creation_prepare(struct object *object, struct creation *made)
{
    enum error error = handle_reserve(&caller()->handles, &made->slot);
    made->object = object;
    if (error != ERR_NONE) {
        object_release(object);
    }
    return error;
}

/* The other way out. */
static inline void creation_undo(struct creation *made)
{
    handle_slot_free(made->slot);
    object_release(made->object);
}

static inline void creation_commit(const struct creation *made, uint64_t *handle)
{
    handle_fill(made->slot, made->object, RIGHT_ALL, handle);
}

/* A name for people, from user memory: up to 32 bytes, made printable and NUL-terminated. */
enum error copy_name(char text[33], uaddr_t name, uint64_t length) MUST_CHECK;

#endif
