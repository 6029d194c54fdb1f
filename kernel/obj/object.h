/*
 * Kernel objects: everything that user space names by a handle. Each begins with this header; it lives as
 * long as something refers to it. The retain and release of each type are thin wrappers that keep pointers
 * typed.
 */
#ifndef QUIRE_KERNEL_OBJECT_H
#define QUIRE_KERNEL_OBJECT_H

#include <stdint.h>

enum object_type {
    OBJECT_TASK,
    OBJECT_MEMORY,
    OBJECT_NOTIFICATION,
    OBJECT_CONSOLE,
    OBJECT_SYSTEM,
    OBJECT_THREAD,
};

struct object {
    enum object_type type; /* set once */
    uint32_t references;   /* atomic */
    void (*destroy)(struct object *object);
    struct object *next_dying; /* owned by the thread that destroys it */
};

void object_init(struct object *object, enum object_type type, void (*destroy)(struct object *object));
void object_retain(struct object *object);

/*
 * Destroys the object when this was the last reference; the caller holds no lock. Objects that this sets free
 * in turn are destroyed one after the other, not one inside the other, however long the chain is.
 */
void object_release(struct object *object);

#define OBJECT_WRAPPERS(type)                                                                                \
    static inline void type##_retain(struct type *object)                                                    \
    {                                                                                                        \
        object_retain(&object->object);                                                                      \
    }                                                                                                        \
    static inline void type##_release(struct type *object)                                                   \
    {                                                                                                        \
        object_release(&object->object);                                                                     \
    }

#endif
