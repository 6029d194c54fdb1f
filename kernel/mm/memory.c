/*
 * Memory objects: made and destroyed; see memory.h.
 */
#include "kernel/mm/memory.h"

#include "kernel/mm/memory_pager.h"
#include "kernel/mm/memory_tree.h"
#include "kernel/mm/tlb.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

/* --- making -----------------------------------------------------------------------------------------------
 */

enum error memory_new(struct account *account, enum memory_kind kind, pages_t pages, struct memory **out)
{
    struct object *object;
    if (pages.value > MEMORY_LARGEST) {
        return ERR_TOO_LARGE;
    }
    enum error error = object_create(OBJECT_MEMORY, account, &object);
    if (error != ERR_NONE) {
        return error;
    }
    struct memory *memory = (struct memory *)object;
    memory->kind = (uint8_t)kind;
    memory_set_pages(memory, pages.value);
    memory->height = height_for(pages.value);
    memory->root_capacity = root_capacity_for(pages.value, memory->height);
    spin_init(&memory->lock, "memory object", LOCK_MEMORY);
    list_init(&memory->views);
    list_init(&memory->requests);
    wait_queue_init(&memory->waiting);
    *out = memory;
    return ERR_NONE;
}

enum error memory_make(struct account *account, pages_t pages, unsigned flags, struct memory **out)
{
    struct memory *memory;
    enum error error = memory_new(account, MEMORY_ANONYMOUS, pages, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    memory->sparse = (flags & MEMORY_SPARSE) != 0;
    if (!memory->sparse) {
        error = memory_charge(memory, object_cost(pages.value, memory->height, memory->root_capacity));
    }
    if (error != ERR_NONE) {
        object_free(&memory->object);
        return error;
    }
    *out = memory;
    return ERR_NONE;
}

enum error memory_make_physical(struct account *account, pfn_t first, pages_t pages, unsigned cache,
                                struct memory **out)
{
    enum error error = memory_new(account, MEMORY_PHYSICAL, pages, out);
    if (error == ERR_NONE) {
        (*out)->first = first;
        (*out)->cache = cache;
    }
    return error;
}

/* --- the end ----------------------------------------------------------------------------------------------
 */

/* What CPUs may still see goes into quarantine, so that nobody waits here, if the ring does not become full.
 */
static uint64_t let_go(const struct memory *memory, uint64_t link)
{
    uint64_t request = memory->afterimage.request;
    return request == 0 || tlb_answered(request) ? link_release(link) : link_retire(link, request);
}

/* Take all links out of the tree and give back what hangs on them, with the nodes. Nobody else has the
 * object. */
static void tree_destroy(struct memory *memory)
{
    bool more;
    uint64_t leaf = 0, end = ~(uint64_t)0 >> 1;
    while (memory->root != 0 && (leaf = leaf_next(memory, leaf, end, &more)) < end) {
        if (!more) {
            uint64_t link = link_at(memory, leaf << NODE_SHIFT);
            link_clear(memory, leaf << NODE_SHIFT);
            step_work(STEP_RELEASE, let_go(memory, link));
            leaf++;
        }
        enum error killed = thread_preemption_point();
        (void)killed; /* giving back goes on to the end in any case */
    }
}

void memory_destroy(struct object *object)
{
    struct memory *memory = (struct memory *)object;
    if (memory->afterimage.request != 0) {
        list_cut(&memory->afterimage.view.node);
    }
    ASSERT(list_empty(&memory->views) && list_empty(&memory->requests));
    tree_destroy(memory);
    memory_refund(memory, (struct memory_cost){memory->paid_frames, memory->paid_bytes});
    if (memory->pager != NULL) {
        memory->pager->kind->release(memory->pager);
    }
    object_free(object);
}
