/*
 * Memory objects; see memory.h.
 */
#include "kernel/mm/memory.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/heap.h"
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

void memory_destroy(struct object *object)
{
    struct memory *memory = (struct memory *)object;
    for (uint64_t page = 0; memory->owned && page < memory->pages.value; page++) {
        pfn_t *leaf = memory->leaves[page / MEMORY_LEAF];
        if (leaf != NULL && page_slot(memory, page)->value != 0) {
            enum error error = frame_free(*page_slot(memory, page), 0);
            ASSERT(error == ERR_NONE);
        }
        step(page);
    }
    for (uint64_t i = 0; memory->owned && i < leaf_count(memory); i++) {
        heap_free(memory->leaves[i], PAGE_SIZE);
    }
    heap_free(memory->leaves, leaf_count(memory) * sizeof(pfn_t *));
}

static enum error memory_new(pages_t pages, struct memory **out)
{
    struct object *object;
    enum error error = object_create(OBJECT_MEMORY, &object);
    if (error == ERR_NONE) {
        *out = (struct memory *)object;
        (*out)->pages = pages;
    }
    return error;
}

static enum error page_commit(struct memory *memory, uint64_t page)
{
    pfn_t **leaf = &memory->leaves[page / MEMORY_LEAF];
    if (*leaf == NULL) {
        *leaf = heap_alloc_zeroed(PAGE_SIZE);
        if (*leaf == NULL) {
            return ERR_NO_MEMORY;
        }
    }
    pfn_t frame;
    enum error error = frame_alloc(0, FRAME_USER_ANONYMOUS, &frame);
    if (error == ERR_NONE) {
        arch_zero_pages(aperture_at(pfn_to_paddr(frame)), 1);
        *page_slot(memory, page) = frame;
    }
    return error;
}

enum error memory_make(pages_t pages, struct memory **out)
{
    if (pages.value > frame_count_free().value) {
        return ERR_NO_MEMORY; /* before taking everything there is, only to give it back */
    }
    struct memory *memory;
    enum error error = memory_new(pages, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    memory->leaves = heap_alloc_zeroed(leaf_count(memory) * sizeof(pfn_t *));
    memory->owned = memory->leaves != NULL;
    error = memory->owned ? ERR_NONE : ERR_NO_MEMORY;
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

enum error memory_make_physical(pfn_t first, pages_t pages, struct memory **out)
{
    enum error error = memory_new(pages, out);
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
