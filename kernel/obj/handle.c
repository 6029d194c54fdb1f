/*
 * Handle tables; see handle.h.
 */
#include "kernel/obj/handle.h"

#include "kernel/mm/heap.h"

#define TABLE_BYTES (HANDLE_SLOTS * sizeof(struct handle_slot))

enum error handle_table_init(struct handle_table *table)
{
    spin_init(&table->lock, "handle table", LOCK_HANDLES);
    table->slots = heap_alloc_zeroed(TABLE_BYTES);
    if (table->slots == NULL) {
        return ERR_NO_MEMORY;
    }
    for (unsigned i = 0; i < HANDLE_SLOTS; i++) {
        table->slots[i].generation = 1;
        table->slots[i].next_free = (uint16_t)(i + 1);
    }
    table->first_free = 0;
    table->closed = false;
    return ERR_NONE;
}

/* Empty a slot and give its object to the caller. */
static struct object *slot_take(struct handle_table *table, unsigned index)
{
    struct handle_slot *slot = &table->slots[index];
    struct object *object = slot->object;
    slot->object = NULL;
    slot->generation = slot->generation == UINT16_MAX ? 1 : (uint16_t)(slot->generation + 1);
    slot->next_free = table->first_free;
    table->first_free = (uint16_t)index;
    return object;
}

void handle_table_close(struct handle_table *table)
{
    for (unsigned i = 0; i < HANDLE_SLOTS; i++) {
        spin_lock(&table->lock);
        table->closed = true;
        struct object *object = table->slots[i].object != NULL ? slot_take(table, i) : NULL;
        spin_unlock(&table->lock);
        if (object != NULL) {
            object_release(object);
        }
    }
}

void handle_table_free(struct handle_table *table)
{
    heap_free(table->slots, TABLE_BYTES);
    table->slots = NULL;
}

enum error handle_insert(struct handle_table *table, struct object *object, uint32_t rights, uint64_t *handle)
{
    enum error error = ERR_NONE;
    spin_lock(&table->lock);
    if (table->closed) {
        error = ERR_DEAD;
    } else if (table->first_free == HANDLE_SLOTS) {
        error = ERR_LIMIT;
    } else {
        unsigned index = table->first_free;
        struct handle_slot *slot = &table->slots[index];
        table->first_free = slot->next_free;
        slot->object = object;
        slot->rights = rights;
        *handle = (uint64_t)slot->generation << 16 | index;
    }
    spin_unlock(&table->lock);
    return error;
}

/* The slot that a handle names, or NULL. The table is locked. */
static struct handle_slot *slot_of(struct handle_table *table, uint64_t handle)
{
    unsigned index = handle & 0xffff;
    if (handle > UINT32_MAX || index >= HANDLE_SLOTS) {
        return NULL;
    }
    struct handle_slot *slot = &table->slots[index];
    return slot->object != NULL && slot->generation == handle >> 16 ? slot : NULL;
}

enum error handle_get(struct handle_table *table, uint64_t handle, enum object_type type, uint32_t rights,
                      struct object **out)
{
    enum error error = ERR_NONE;
    spin_lock(&table->lock);
    struct handle_slot *slot = slot_of(table, handle);
    if (slot == NULL) {
        error = ERR_BAD_HANDLE;
    } else if (slot->object->type != type) {
        error = ERR_WRONG_TYPE;
    } else if ((slot->rights & rights) != rights) {
        error = ERR_NO_RIGHT;
    } else {
        *out = slot->object;
        object_retain(slot->object);
    }
    spin_unlock(&table->lock);
    return error;
}

enum error handle_get_any(struct handle_table *table, uint64_t handle, struct object **out, uint32_t *rights)
{
    spin_lock(&table->lock);
    struct handle_slot *slot = slot_of(table, handle);
    if (slot != NULL) {
        *out = slot->object;
        *rights = slot->rights;
        object_retain(slot->object);
    }
    spin_unlock(&table->lock);
    return slot != NULL ? ERR_NONE : ERR_BAD_HANDLE;
}

enum error handle_close(struct handle_table *table, uint64_t handle)
{
    struct object *object = NULL;
    spin_lock(&table->lock);
    if (slot_of(table, handle) != NULL) {
        object = slot_take(table, handle & 0xffff);
    }
    spin_unlock(&table->lock);
    if (object == NULL) {
        return ERR_BAD_HANDLE;
    }
    object_release(object);
    return ERR_NONE;
}
