/*
 * Kernel objects: everything that user space names by a handle. Each begins with this header and lives as
 * long as something refers to it: a handle, a mapping, another object, a call in progress.
 *
 * A system call may use an object without a reference, as long as a hazard slot of its CPU names it
 * (obj/handle.h). So the last reference does not destroy: the object goes to the list of the dying of the
 * thread that dropped it, and is destroyed on that thread's way out, by objects_bury. If a hazard slot of
 * another CPU names it, that CPU gets it, and destroys it on its way out. tests/model/hazard.pml is the proof
 * that nobody uses what has been destroyed.
 */
#ifndef QUIRE_KERNEL_OBJECT_H
#define QUIRE_KERNEL_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/error.h"
#include "abi/handle.h"
#include "kernel/debug/panic.h"
#include "kernel/sched/spinlock.h"

struct slab_cache;

struct object {
    uint32_t references;     /* atomic; 0 from the last release on, for good */
    uint32_t type;           /* enum object_type; set once */
    struct account *account; /* that paid for it; set once. The charge keeps it, no reference */
    uint64_t identity;       /* atomic; 0 until somebody asks */
    struct object *next_dying;
    struct spinlock tree; /* guards the derivation of the handles to this object: obj/derive.h */
};

/* What there is of each type, and where it comes from. */
struct object_kind {
    struct slab_cache *cache; /* NULL: none are made */
    /* Give back all that the object holds, and the object with object_free. Holds no lock; may be preempted.
     */
    void (*destroy)(struct object *object);
};
extern const struct object_kind object_kinds[OBJECT_TYPES];

/*
 * A zeroed object of this type with one reference, the caller's, charged to the account. ERR_LIMIT,
 * ERR_NO_MEMORY. This and object_free are the one place where objects come from and go.
 */
enum error object_create(enum object_type type, struct account *account, struct object **out) MUST_CHECK;

/* The end of the object, from its destroy function. */
void object_free(struct object *object);

/* One more reference; the caller has one, or knows of one that stays meanwhile. */
static inline void object_retain(struct object *object)
{
    uint32_t before = __atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);
    ASSERT(before - 1 < UINT32_MAX - 1);
}

/* The same for who holds none, but a hazard slot: false when the last reference has gone. */
static inline MUST_CHECK bool object_try_retain(struct object *object)
{
    uint32_t before = __atomic_load_n(&object->references, __ATOMIC_RELAXED);
    do {
        if (before == 0) {
            return false;
        }
    } while (!__atomic_compare_exchange_n(&object->references, &before, before + 1, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return true;
}

/* The last reference has gone, so the object is the calling thread's to bury. */
void object_dies(struct object *object);

/* One reference less. Any lock may be held. */
static inline void object_release(struct object *object)
{
    /* SEQ_CST: whoever drops the last one looks at the hazard slots after this (tests/model/hazard.pml). */
    uint32_t before = __atomic_fetch_sub(&object->references, 1, __ATOMIC_SEQ_CST);
    if (before <= 1) {
        ASSERT(before == 1);
        object_dies(object);
    }
}

/*
 * Destroy what the calling thread has released, and what others have left to this CPU; also what that
 * releases in turn, one after the other. On the way out of the kernel, and wherever memory has to be back
 * before going on. Holds no lock and uses no hazard slot; may be preempted.
 */
void objects_bury(void);

/* Take the next of those away, for who does it in another thread's stead. NULL when there is none. */
struct object *object_next_dying(void);

/* The number that stands for the object, the same for as long as it lives, never that of another. */
uint64_t object_identity(struct object *object);

/* Objects of the type that were made by object_create and are there now. */
uint64_t object_count(enum object_type type);

/*
 * Objects that have lost their last reference and are yet to be destroyed, and threads that end just now.
 * What is told while others come and go may be too much, never too little: with 0, there was a moment in
 * the call at which nothing was on its way out.
 */
uint64_t objects_going(void);

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
