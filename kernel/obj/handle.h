/*
 * The table of handles of a task: which objects it may name, with which rights. A handle is an index in its
 * low 16 bits and a generation in its high 16. Slots that become free are used again first in, first out, and
 * a new generation each time, so a value that was closed is refused as long as possible.
 *
 * Slots lie in leaves of 64, 64, 128, 256... that never move, so finding one needs no lock. A look-up writes
 * the object into a hazard slot of its CPU and then looks whether the handle is still the same: from then on
 * the object stays until the hazard slot is cleared, without a reference being taken (obj/object.h).
 */
#ifndef QUIRE_KERNEL_HANDLE_H
#define QUIRE_KERNEL_HANDLE_H

#include <stdint.h>

#include "kernel/obj/object.h"
#include "kernel/sched/cpu.h"
#include "lib/units.h"

#define HANDLE_LEAF_SHIFT 6
#define HANDLE_LEAVES     11

/*
 * All that a look-up needs to know, in one word, so that it is read whole: rights, type (0: names nothing),
 * and how often the slot has been used, of which the low 16 bits are the generation. So two equal tags at two
 * moments are the same handle, but for 2^32 uses between.
 */
#define TAG_RIGHTS     (((uint64_t)1 << RIGHT_BITS) - 1)
#define TAG_TYPE_SHIFT 24
#define TAG_TYPE       ((uint64_t)0xff << TAG_TYPE_SHIFT)
#define TAG_USES_SHIFT 32
#define TAG_ONE_USE    ((uint64_t)1 << TAG_USES_SHIFT)

/* For what a call passes through each time, and is used in few places. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

struct handle_table;

/* 64 bytes: a look-up touches one line. */
struct handle_slot {
    uint64_t tag; /* atomic; a handle that names something changes only under the object's tree lock */
    struct object *object; /* atomic; holds a reference. NULL when free or set aside */

    /* Set once. */
    struct handle_table *table;
    uint32_t index;

    /* Guarded by the object's tree lock: see obj/derive.h. In a free slot, `next` is guarded by the table's.
     */
    bool revoking;
    struct handle_slot *parent;
    struct handle_slot *child; /* the first */
    struct handle_slot *next;
    struct handle_slot *
        *link; /* what points to this one among its parent's children; NULL without a parent */
};
_Static_assert(sizeof(struct handle_slot) == 64, "a slot is a cache line");

struct handle_table {
    uint32_t size;   /* atomic: slots that were ever used; grows only, under lock */
    uint32_t closed; /* atomic: the task has ended, nothing goes in any more */
    uintptr_t
        leaves[HANDLE_LEAVES]; /* where slot 0 would be if the leaf began with it; set once, before size */

    struct account *account; /* pays for the leaves; set once */

    struct leaf_lock lock;

    /* Guarded by lock. */
    uint32_t leaf_count;
    uint32_t in_use; /* slots that are neither free nor never used */
    bool fresh;      /* the last leaf has slots that were never used: they come first */
    struct handle_slot *first_free;
    struct handle_slot *last_free;
};

/* An empty table with one leaf. ERR_LIMIT, ERR_NO_MEMORY. */
enum error handle_table_init(struct handle_table *table, struct account *account) MUST_CHECK;

/*
 * Close all handles and refuse new ones. Handles in other tables that derive from them stay. Holds no lock;
 * may be preempted.
 */
void handle_table_close(struct handle_table *table);

/* Free the memory of a closed table that nobody looks into any more. */
void handle_table_free(struct handle_table *table);

/* Handles in the table. */
static inline uint32_t handle_count(const struct handle_table *table)
{
    return __atomic_load_n(&table->in_use, __ATOMIC_RELAXED);
}

/*
 * Set a slot aside, so that filling it cannot fail. ERR_LIMIT when there are HANDLES_MOST, ERR_DEAD when the
 * table is closed, ERR_NO_MEMORY when it cannot grow.
 */
SELDOM void handle_reserve_slowly(struct handle_table *table, struct handle_slot **out, enum error *error);

static inline enum error MUST_CHECK handle_reserve(struct handle_table *table, struct handle_slot **out)
{
    leaf_take(&table->lock);
    struct handle_slot *slot = table->first_free;
    if (slot == NULL || table->fresh || table->closed) {
        leaf_give(&table->lock);
        enum error error;
        handle_reserve_slowly(table, out, &error);
        return error;
    }
    table->first_free = slot->next;
    table->in_use++;
    leaf_give(&table->lock);
    *out = slot;
    return ERR_NONE;
}

/* Give back a slot that was set aside, or that has been emptied. Takes the table's lock. */
static inline void handle_slot_free(struct handle_slot *slot)
{
    struct handle_table *table = slot->table;
    slot->next = NULL;
    leaf_take(&table->lock);
    struct handle_slot **end = table->first_free == NULL ? &table->first_free : &table->last_free->next;
    *end = slot;
    table->last_free = slot;
    table->in_use--;
    leaf_give(&table->lock);
}

/*
 * Let the slot name the object; the table takes over the caller's reference. Returns the handle. After that,
 * without the object's tree lock, handle_settle: when the task has ended meanwhile, the handle is closed
 * again.
 */
static inline uint64_t handle_name(struct handle_slot *slot, struct object *object, uint32_t rights);
static inline void handle_settle(struct handle_table *table, uint32_t index);

/* Both, for an object that no other handle names. */
ALWAYS_INLINE void handle_fill(struct handle_slot *slot, struct object *object, uint32_t rights,
                               uint64_t *handle)
{
    *handle = handle_name(slot, object, rights);
    handle_settle(slot->table, slot->index);
}

/* The same with a slot of its own: on failure the reference stays the caller's. */
enum error handle_insert(struct handle_table *table, struct object *object, uint32_t rights,
                         uint64_t *handle) MUST_CHECK;

/* The slot that a handle's index names; slot 0, which never names anything, when there is no such index. */
static inline struct handle_slot *handle_slot_at(const struct handle_table *table, uint64_t handle)
{
    uint64_t size = __atomic_load_n(&table->size, __ATOMIC_ACQUIRE);
    uint64_t index = arch_bound_index(handle & 0xffff, size);
    unsigned log = 63 - (unsigned)__builtin_clzll(index | ((1u << HANDLE_LEAF_SHIFT) - 1));
    uintptr_t leaf = table->leaves[log - (HANDLE_LEAF_SHIFT - 1)];
    return (struct handle_slot *)(leaf + index * sizeof(struct handle_slot));
}

/* What a handle has to be: its type, and all these rights. */
static inline uint64_t handle_want(enum object_type type, uint32_t rights)
{
    return (uint64_t)type << TAG_TYPE_SHIFT | rights;
}

static inline uint64_t tag_generation(uint64_t tag)
{
    return (uint16_t)(tag >> TAG_USES_SHIFT);
}

static inline bool tag_is(uint64_t tag, uint64_t handle, uint64_t want)
{
    return tag_generation(tag) == handle >> 16 && (tag & (TAG_TYPE | want)) == want;
}

/*
 * The object of a handle, if that is of the type and has the rights, and named by the hazard slot from now
 * on; else NULL, and handle_refusal says why.
 */
static inline struct object *handle_look(struct handle_table *table, uint64_t handle, uint64_t want,
                                         struct object **hazard)
{
    struct handle_slot *slot = handle_slot_at(table, handle);
    uint64_t tag = __atomic_load_n(&slot->tag, __ATOMIC_ACQUIRE);
    if (!tag_is(tag, handle, want)) {
        return NULL;
    }
    struct object *object = __atomic_load_n(&slot->object, __ATOMIC_RELAXED);
    __atomic_exchange_n(hazard, object, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&slot->tag, __ATOMIC_ACQUIRE) != tag) {
        __atomic_store_n(hazard, NULL, __ATOMIC_RELEASE);
        return NULL;
    }
    return object;
}

static inline void hazard_clear(struct object **hazard)
{
    __atomic_store_n(hazard, NULL, __ATOMIC_RELEASE);
}

/* ERR_BAD_HANDLE, ERR_WRONG_TYPE or ERR_NO_RIGHT, in this order, for what handle_look refused. */
enum error handle_refusal(const struct handle_table *table, uint64_t handle, uint64_t want);

/* A handle of any type, as it was found: the object is named by the hazard slot. */
struct handle_found {
    struct handle_slot *slot;
    uint64_t tag;
    struct object *object;
};

static inline bool handle_find_in_slot(struct handle_slot *slot, uint64_t tag, struct object **hazard,
                                       struct handle_found *out)
{
    struct object *object = __atomic_load_n(&slot->object, __ATOMIC_RELAXED);
    __atomic_exchange_n(hazard, object, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&slot->tag, __ATOMIC_ACQUIRE) != tag) {
        hazard_clear(hazard);
        return false;
    }
    *out = (struct handle_found){slot, tag, object};
    return true;
}

/* False when the handle names nothing. */
static inline bool MUST_CHECK handle_find(const struct handle_table *table, uint64_t handle,
                                          struct object **hazard, struct handle_found *out)
{
    struct handle_slot *slot = handle_slot_at(table, handle);
    uint64_t tag = __atomic_load_n(&slot->tag, __ATOMIC_ACQUIRE);
    bool named = tag_generation(tag) == handle >> 16 && (tag & TAG_TYPE) != 0;
    return named && handle_find_in_slot(slot, tag, hazard, out);
}

/* The same for the slot with this index, whatever its generation. */
static inline bool MUST_CHECK handle_find_index(const struct handle_table *table, uint32_t index,
                                                struct object **hazard, struct handle_found *out)
{
    struct handle_slot *slot = handle_slot_at(table, index);
    uint64_t tag = __atomic_load_n(&slot->tag, __ATOMIC_ACQUIRE);
    return (tag & TAG_TYPE) != 0 && handle_find_in_slot(slot, tag, hazard, out);
}

/* The slot was emptied: what it holds next will have another tag. */
static inline uint64_t tag_next_use(uint64_t tag)
{
    uint64_t next = (tag | (TAG_ONE_USE - 1)) + 1;
    return tag_generation(next) != 0 ? next : next + TAG_ONE_USE;
}

static inline uint64_t tag_handle(uint64_t tag, const struct handle_slot *slot)
{
    return tag_generation(tag) << 16 | slot->index;
}

static inline uint64_t handle_name(struct handle_slot *slot, struct object *object, uint32_t rights)
{
    uint64_t tag = slot->tag | handle_want(object->type, rights);
    __atomic_store_n(&slot->object, object, __ATOMIC_RELAXED);
    /* Either the one who closes the table sees this handle, or handle_settle sees the table closed. */
    __atomic_exchange_n(&slot->tag, tag, __ATOMIC_SEQ_CST);
    return tag_handle(tag, slot);
}

/* Close whatever the slot with this index names. Holds no lock; may be preempted. */
SELDOM void handle_close_index(struct handle_table *table, uint32_t index);

static inline void handle_settle(struct handle_table *table, uint32_t index)
{
    if (__atomic_load_n(&table->closed, __ATOMIC_SEQ_CST)) {
        handle_close_index(table, index);
    }
}

#endif
