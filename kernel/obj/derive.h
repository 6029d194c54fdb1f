/*
 * Which handle was made from which. A copy derives from its source; a task that gave a handle away can cut
 * the copy and all that derives from it, in whatever tables (revoke). Closing a handle whose copies live
 * gives these to the handle that it was itself made from.
 *
 * The handles that derive from one another name the same object, whose tree lock guards the links. A handle
 * goes from naming something to naming nothing only under that lock. Chains of copies are at most
 * HANDLE_COPIES_MOST long, so that a walk up or down a chain has a bound; work on many handles gives the lock
 * away every few.
 *
 * Each operation has the two halves of a system call: what prepares returns with the tree locked when it
 * succeeds, so that the handle stays until the commit, which lets go of the lock. The short ones stand here,
 * inline.
 */
#ifndef QUIRE_KERNEL_DERIVE_H
#define QUIRE_KERNEL_DERIVE_H

#include "kernel/obj/handle.h"

/* The hazard slot for what is looked up here; decoders use those before it. */
static inline struct object **handle_hazard(void)
{
    return &arch_this_cpu()->hazards[CPU_HAZARDS - 1];
}

static inline uint64_t tag_of(const struct handle_slot *slot)
{
    return __atomic_load_n(&slot->tag, __ATOMIC_ACQUIRE);
}

/* Under the tree lock: an empty slot, or one that is about to be, changes without it. */
static inline void tag_set(struct handle_slot *slot, uint64_t tag)
{
    __atomic_store_n(&slot->tag, tag, __ATOMIC_RELEASE);
}

/* Lock the tree of what was found, if it is still there. From the lock on, its own reference keeps the
 * object. */
static inline bool handle_lock_found(const struct handle_found *found, struct object **hazard)
{
    spin_lock(&found->object->tree);
    bool there = tag_of(found->slot) == found->tag;
    if (!there) {
        spin_unlock(&found->object->tree);
    }
    hazard_clear(hazard);
    return there;
}

/* Find a handle of any type. ERR_BAD_HANDLE. */
ALWAYS_INLINE enum error MUST_CHECK handle_prepare(struct handle_table *table, uint64_t handle,
                                                   struct handle_found *found)
{
    struct object **hazard = handle_hazard();
    bool there = handle_find(table, handle, hazard, found) && handle_lock_found(found, hazard);
    return there ? ERR_NONE : ERR_BAD_HANDLE;
}

/* The slot derives from the parent. The tree is locked. */
static inline void handle_link(struct handle_slot *parent, struct handle_slot *slot)
{
    struct handle_slot *next = parent->child;
    slot->parent = parent;
    slot->next = next;
    slot->link = &parent->child;
    if (next != NULL) {
        next->link = &slot->next;
    }
    parent->child = slot;
}

/* The slot derives from nothing any more. The tree is locked. */
static inline void handle_unlink(struct handle_slot *slot)
{
    if (slot->link == NULL) {
        return;
    }
    *slot->link = slot->next;
    if (slot->next != NULL) {
        slot->next->link = slot->link;
    }
    slot->parent = slot->next = NULL;
    slot->link = NULL;
}

/* A copy that is about to be made. */
struct handle_copy {
    struct handle_found source;
    struct handle_slot *slot; /* set aside in the other table */
    uint32_t rights;
};

/* May there be one more copy of this handle? The tree is locked. ERR_NOT_READY, ERR_BAD_HANDLE, ERR_LIMIT. */
SELDOM void handle_may_copy(const struct handle_slot *source, enum error *error);

/*
 * Check everything and set a slot aside in the table `to`: the source must have `need` and all of `rights`.
 * ERR_BAD_HANDLE, ERR_NO_RIGHT; ERR_NOT_READY while the source is being revoked; ERR_LIMIT for too long a
 * chain or a full table; ERR_DEAD, ERR_NO_MEMORY.
 */
ALWAYS_INLINE enum error MUST_CHECK handle_copy_prepare(struct handle_table *from, uint64_t source,
                                                        uint32_t need, uint64_t rights,
                                                        struct handle_table *to, struct handle_copy *copy)
{
    struct handle_found *found = &copy->source;
    struct object **hazard = handle_hazard();
    if (!handle_find(from, source, hazard, found)) {
        return ERR_BAD_HANDLE;
    }
    enum error error = ERR_NO_RIGHT;
    if (((need | rights) & ~(found->tag & TAG_RIGHTS)) == 0) {
        error = handle_reserve(to, &copy->slot);
    }
    if (error != ERR_NONE) {
        hazard_clear(hazard);
        return error;
    }
    copy->rights = (uint32_t)rights;
    if (!handle_lock_found(found, hazard)) {
        handle_slot_free(copy->slot);
        return ERR_BAD_HANDLE;
    }
    if (found->slot->parent != NULL || found->slot->revoking) {
        handle_may_copy(found->slot, &error);
    }
    if (error != ERR_NONE) {
        spin_unlock(&found->object->tree);
        handle_slot_free(copy->slot);
        return error;
    }
    object_retain(found->object); /* the source, which cannot go now, has a reference */
    return ERR_NONE;
}

/* Make it. */
ALWAYS_INLINE void handle_copy_commit(struct handle_copy *copy, uint64_t *handle)
{
    struct handle_slot *slot = copy->slot;
    struct object *object = copy->source.object;
    handle_link(copy->source.slot, slot);
    *handle = handle_name(slot, object, copy->rights);
    spin_unlock(&object->tree);
    handle_settle(slot->table, slot->index);
}

/* Give what derives from the slot to its parent, in steps. The tree is locked, but not between the steps. */
SELDOM void handle_leave_children(struct handle_slot *slot, struct object *object);

/* Close it. May be preempted when many handles derive from this one. */
ALWAYS_INLINE void handle_close_commit(struct handle_found *found)
{
    struct handle_slot *slot = found->slot;
    struct object *object = found->object;
    tag_set(slot, tag_next_use(found->tag));
    if (slot->child != NULL || slot->revoking) {
        handle_leave_children(slot, object);
    }
    handle_unlink(slot);
    __atomic_store_n(&slot->object, NULL, __ATOMIC_RELAXED);
    spin_unlock(&object->tree);
    handle_slot_free(slot);
    object_release(object);
}

/* Give up its value for another one, of the same place in the tree, with these rights; returns that. */
static inline uint64_t handle_replace_commit(struct handle_found *found, uint32_t rights)
{
    uint64_t tag = tag_next_use(found->tag) | (found->tag & TAG_TYPE) | rights;
    tag_set(found->slot, tag);
    spin_unlock(&found->object->tree);
    return tag_handle(tag, found->slot);
}

/*
 * Cut all handles that derive from it; not itself. From the beginning on nothing can be derived any more from
 * what will be cut. May be preempted. A thread that is killed leaves early; its task's end, closing the
 * handle, goes on.
 */
void handle_revoke_commit(struct handle_found *found);

#endif
