/*
 * Handle tables; see handle.h.
 */
#include "kernel/obj/handle.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/charged.h"
#include "kernel/obj/derive.h"
#include "kernel/sched/thread.h"

/* Handles to close between two looks at what else is to do. */
#define STEP 64

_Static_assert(RIGHT_ALL <= TAG_RIGHTS, "all rights have room");
_Static_assert((1u << HANDLE_LEAF_SHIFT) << (HANDLE_LEAVES - 1) == HANDLES_MOST + 1,
               "the leaves hold a table");

/* The index of the first slot of a leaf, which is also how many there are before it. */
static uint32_t leaf_first(uint32_t leaf)
{
    return leaf == 0 ? 0 : 1u << (leaf + HANDLE_LEAF_SHIFT - 1);
}

static uint64_t leaf_bytes(uint32_t leaf)
{
    return (leaf_first(leaf + 1) - leaf_first(leaf)) * sizeof(struct handle_slot);
}

static void leaf_install(struct handle_table *table, void *memory)
{
    uint32_t leaf = table->leaf_count++;
    table->leaves[leaf] = (uintptr_t)memory - leaf_first(leaf) * sizeof(struct handle_slot);
    table->fresh = true;
}

/* A slot is written only when it is first used, so a new leaf, however large, need not be cleared. */
static struct handle_slot *slot_open(struct handle_table *table)
{
    uint32_t index = table->size;
    struct handle_slot *slot =
        (struct handle_slot *)(table->leaves[table->leaf_count - 1] + index * sizeof(struct handle_slot));
    *slot = (struct handle_slot){.table = table, .index = index};
    slot->tag = index == 0 ? 0 : TAG_ONE_USE;
    table->fresh = index + 1 < leaf_first(table->leaf_count);
    __atomic_store_n(&table->size, index + 1, __ATOMIC_RELEASE);
    return slot;
}

enum error handle_table_init(struct handle_table *table, struct account *account)
{
    void *memory;
    enum error error = charged_alloc(account, leaf_bytes(0), &memory);
    if (error == ERR_NONE) {
        table->account = account;
        leaf_install(table, memory);
        slot_open(table);
    }
    return error;
}

/* A slot that nobody uses, or NULL. The table is locked. */
static struct handle_slot *slot_take(struct handle_table *table)
{
    struct handle_slot *slot = table->first_free;
    if (table->fresh) {
        slot = slot_open(table);
    } else if (slot != NULL) {
        table->first_free = slot->next;
        slot->next = NULL;
    }
    table->in_use += slot != NULL;
    return slot;
}

/* Make room for more slots; another thread may have done so meanwhile. */
static enum error grow(struct handle_table *table, uint32_t leaf)
{
    if (leaf == HANDLE_LEAVES) {
        return ERR_LIMIT;
    }
    void *memory;
    enum error error = charged_alloc(table->account, leaf_bytes(leaf), &memory);
    if (error != ERR_NONE) {
        return error;
    }
    leaf_take(&table->lock);
    bool needed = table->leaf_count == leaf;
    if (needed) {
        leaf_install(table, memory);
    }
    leaf_give(&table->lock);
    if (!needed) {
        charged_free(table->account, memory, leaf_bytes(leaf));
    }
    return ERR_NONE;
}

void handle_reserve_slowly(struct handle_table *table, struct handle_slot **out, enum error *error)
{
    do {
        leaf_take(&table->lock);
        bool closed = __atomic_load_n(&table->closed, __ATOMIC_RELAXED);
        struct handle_slot *slot = closed ? NULL : slot_take(table);
        uint32_t leaf = table->leaf_count;
        leaf_give(&table->lock);
        if (slot != NULL) {
            *out = slot;
            *error = ERR_NONE;
            return;
        }
        *error = closed ? ERR_DEAD : grow(table, leaf);
    } while (*error == ERR_NONE);
}

enum error handle_insert(struct handle_table *table, struct object *object, uint32_t rights, uint64_t *handle)
{
    struct handle_slot *slot;
    enum error error = handle_reserve(table, &slot);
    if (error == ERR_NONE) {
        handle_fill(slot, object, rights, handle);
    }
    return error;
}

enum error handle_refusal(const struct handle_table *table, uint64_t handle, uint64_t want)
{
    uint64_t tag = __atomic_load_n(&handle_slot_at(table, handle)->tag, __ATOMIC_ACQUIRE);
    bool named = tag_generation(tag) == handle >> 16 && (tag & TAG_TYPE) != 0;
    if (named && (tag & TAG_TYPE) != (want & TAG_TYPE)) {
        return ERR_WRONG_TYPE;
    }
    bool lacks = (tag & want & TAG_RIGHTS) != (want & TAG_RIGHTS);
    return named && lacks ? ERR_NO_RIGHT : ERR_BAD_HANDLE;
}

void handle_table_close(struct handle_table *table)
{
    __atomic_store_n(&table->closed, 1, __ATOMIC_SEQ_CST);
    uint32_t size = __atomic_load_n(&table->size, __ATOMIC_SEQ_CST);
    for (uint32_t index = 1; index < size; index++) {
        handle_close_index(table, index);
        if (index % STEP == STEP - 1) {
            enum error killed = thread_preemption_point();
            (void)killed; /* giving back goes on to the end in any case */
        }
    }
}

void handle_table_free(struct handle_table *table)
{
    /* A handle that is being revoked on another CPU just now lets go of its slot with the table's lock. */
    leaf_take(&table->lock);
    while (table->in_use != 0) {
        leaf_give(&table->lock);
        arch_spin_wait();
        leaf_take(&table->lock);
    }
    leaf_give(&table->lock);
    while (table->leaf_count > 0) {
        uint32_t leaf = --table->leaf_count;
        uintptr_t memory = table->leaves[leaf] + leaf_first(leaf) * sizeof(struct handle_slot);
        charged_free(table->account, (void *)memory, leaf_bytes(leaf));
    }
}
