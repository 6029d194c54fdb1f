/*
 * Memory objects; see memory.h.
 */
#include "kernel/mm/memory.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/charged.h"
#include "kernel/mm/frame_report.h"
#include "kernel/sched/thread.h"

/* Pages to handle between two looks at what else is to do. */
#define STEP 64

static uint64_t leaf_count(const struct memory *memory)
{
    return (memory->pages.value + MEMORY_LEAF - 1) / MEMORY_LEAF;
}

static pfn_t *page_slot(const struct memory *memory, uint64_t page)
{
    return &memory->leaves[page / MEMORY_LEAF][page % MEMORY_LEAF];
}

static void step(uint64_t page)
{
    if (page % STEP == STEP - 1) {
        enum error killed = thread_preemption_point();
        (void)killed; /* giving back goes on to the end in any case */
    }
}

static void leaves_free(struct memory *memory)
{
    struct account *account = memory->object.account;
    for (uint64_t i = 0; i < leaf_count(memory); i++) {
        charged_free(account, memory->leaves[i], PAGE_SIZE);
    }
    charged_free(account, memory->leaves, leaf_count(memory) * sizeof(pfn_t *));
}

void memory_destroy(struct object *object)
{
    struct memory *memory = (struct memory *)object;
    for (uint64_t page = 0; memory->owned && page < memory->pages.value; page++) {
        pfn_t *leaf = memory->leaves[page / MEMORY_LEAF];
        if (leaf != NULL && page_slot(memory, page)->value != 0) {
            frame_release(*page_slot(memory, page), 0);
        }
        step(page);
    }
    if (memory->owned) {
        leaves_free(memory);
        account_refund(object->account, RESOURCE_FRAMES, memory->pages.value);
    }
    object_free(object);
}

static enum error memory_new(struct account *account, pages_t pages, struct memory **out)
{
    struct object *object;
    enum error error = object_create(OBJECT_MEMORY, account, &object);
    if (error == ERR_NONE) {
        *out = (struct memory *)object;
        (*out)->pages = pages;
    }
    return error;
}

/* Charge for all pages at once, and make the table of leaves: from then on the object gives back what it has.
 */
static enum error memory_own(struct memory *memory)
{
    struct account *account = memory->object.account;
    uint64_t pages = memory->pages.value, table_bytes = leaf_count(memory) * sizeof(pfn_t *);
    enum error error = account_charge(account, RESOURCE_FRAMES, pages);
    if (error != ERR_NONE) {
        return error;
    }
    void *table;
    error = charged_alloc_zeroed(account, table_bytes, &table);
    if (error != ERR_NONE) {
        account_refund(account, RESOURCE_FRAMES, pages);
        return error;
    }
    memory->leaves = table;
    memory->owned = true;
    return ERR_NONE;
}

static enum error page_commit(struct memory *memory, uint64_t page)
{
    struct account *account = memory->object.account;
    pfn_t **leaf = &memory->leaves[page / MEMORY_LEAF];
    if (*leaf == NULL) {
        void *memory_for_leaf;
        enum error error = charged_alloc_zeroed(account, PAGE_SIZE, &memory_for_leaf);
        if (error != ERR_NONE) {
            return error;
        }
        *leaf = memory_for_leaf;
    }
    return uncharged_zeroed_frame(account, FRAME_USER_ANONYMOUS, page_slot(memory, page));
}

enum error memory_make(struct account *account, pages_t pages, struct memory **out)
{
    struct memory *memory;
    enum error error = memory_new(account, pages, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    error = memory_own(memory);
    for (uint64_t page = 0; error == ERR_NONE && page < pages.value; page++) {
        error = page_commit(memory, page);
        if (error == ERR_NONE && page % STEP == STEP - 1) {
            error = thread_preemption_point();
        }
    }
    if (error != ERR_NONE) {
        memory_release(memory);
        return error;
    }
    *out = memory;
    return ERR_NONE;
}

enum error memory_make_physical(struct account *account, pfn_t first, pages_t pages, struct memory **out)
{
    enum error error = memory_new(account, pages, out);
    if (error == ERR_NONE) {
        (*out)->first = first;
    }
    return error;
}

pfn_t memory_frame(const struct memory *memory, uint64_t page)
{
    ASSERT(page < memory->pages.value);
    return memory->owned ? *page_slot(memory, page) : pfn(memory->first.value + page);
}
