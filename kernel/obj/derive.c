/*
 * The derivation of handles; see derive.h.
 *
 * A slot that is being closed names nothing any more (its tag says so) but keeps its place in the tree and
 * its reference, until it has no children. Whoever closed it is the one who empties it; a revocation that
 * comes by only takes it out of the tree.
 */
#include "kernel/obj/derive.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/sched/thread.h"

/* Handles to move or cut before others get the lock, and the CPU. */
#define STEP 64

/* --- links; the tree is locked --- */

static bool names_something(const struct handle_slot *slot)
{
    return (tag_of(slot) & TAG_TYPE) != 0;
}

/* The last handle below this one that nothing derives from. */
static struct handle_slot *lowest(struct handle_slot *slot)
{
    while (slot->child != NULL) {
        slot = slot->child;
    }
    return slot;
}

/* Cut up to `count` of the handles that derive from this one. */
static void cut_below(struct handle_slot *top, unsigned count)
{
    struct handle_slot *slot = top;
    while (count-- > 0) {
        slot = lowest(slot);
        if (slot == top) {
            return;
        }
        struct handle_slot *parent = slot->parent;
        handle_unlink(slot);
        if (names_something(slot)) {
            struct object *object = slot->object;
            tag_set(slot, tag_next_use(tag_of(slot)));
            slot->revoking = false;
            __atomic_store_n(&slot->object, NULL, __ATOMIC_RELAXED);
            handle_slot_free(slot); /* its table may go as soon as this is done */
            object_release(object);
        }
        slot = parent;
    }
}

/* Hand up to `count` children over to the parent. */
static void raise_children(struct handle_slot *slot, unsigned count)
{
    struct handle_slot *parent = slot->parent;
    for (struct handle_slot *child; count > 0 && (child = slot->child) != NULL; count--) {
        handle_unlink(child);
        if (parent != NULL) {
            handle_link(parent, child);
        }
    }
}

/* --- close --- */

void handle_leave_children(struct handle_slot *slot, struct object *object)
{
    for (;;) {
        if (slot->revoking) {
            cut_below(slot, STEP);
        } else {
            raise_children(slot, STEP);
        }
        if (slot->child == NULL) {
            slot->revoking = false;
            return;
        }
        spin_unlock(&object->tree);
        enum error killed = thread_preemption_point();
        (void)killed; /* closing goes on to the end in any case */
        spin_lock(&object->tree);
    }
}

void handle_close_index(struct handle_table *table, uint32_t index)
{
    struct handle_found found;
    struct object **hazard = handle_hazard();
    while (handle_find_index(table, index, hazard, &found)) {
        if (handle_lock_found(&found, hazard)) {
            handle_close_commit(&found);
            return;
        }
        /* It was replaced just now. */
    }
}

/* --- copy --- */

void handle_may_copy(const struct handle_slot *source, enum error *error)
{
    unsigned copies = 1;
    bool doomed = false;
    for (const struct handle_slot *above = source->parent; above != NULL; above = above->parent) {
        doomed |= above->revoking;
        copies++;
    }
    if (doomed) {
        *error = ERR_BAD_HANDLE; /* as good as cut */
    } else if (source->revoking) {
        *error = ERR_NOT_READY;
    } else {
        *error = copies > HANDLE_COPIES_MOST ? ERR_LIMIT : ERR_NONE;
    }
}

/* --- revoke --- */

/* Cut some more. True when all is cut, by this thread or by another one. The tree is locked. */
static bool revoke_step(const struct handle_found *found)
{
    struct handle_slot *slot = found->slot;
    bool ours = __atomic_load_n(&slot->object, __ATOMIC_RELAXED) == found->object && slot->revoking;
    if (ours) {
        cut_below(slot, STEP);
        slot->revoking = slot->child != NULL;
    }
    return !ours || !slot->revoking;
}

void handle_revoke_commit(struct handle_found *found)
{
    struct object *object = found->object;
    found->slot->revoking = true;
    object_retain(object); /* the handle, whose tree is locked, has a reference */
    bool done = revoke_step(found);
    spin_unlock(&object->tree);
    while (!done && thread_preemption_point() == ERR_NONE) {
        spin_lock(&object->tree);
        done = revoke_step(found);
        spin_unlock(&object->tree);
    }
    object_release(object);
}
