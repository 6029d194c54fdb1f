/*
 * Pages from a pager; see memory_pager.h.
 */
#include "kernel/mm/memory_pager.h"

#include "kernel/arch/arch.h"
#include "kernel/mm/memory_tree.h"

/* A page that the pager was asked for. Guarded by the object's lock. */
struct request {
    struct list node; /* in the object, until it is done */
    uint64_t page;
    uint32_t waiters; /* threads that will look at it again */
    bool done;
    enum error error; /* how it ended */
    struct wait_queue queue;
};

static struct slab_cache requests = SLAB_CACHE_OF("page request", struct request);

enum error memory_make_paged(struct account *account, pages_t pages, unsigned flags,
                             struct memory_pager *pager, struct memory **out)
{
    enum error error = memory_make(account, pages, flags, out);
    if (error == ERR_NONE) {
        (*out)->kind = MEMORY_PAGED; /* nobody else knows of it yet */
        (*out)->pager = pager;
    }
    return error;
}

static struct request *find(struct memory *memory, uint64_t page)
{
    LIST_FOR_EACH(node, &memory->requests)
    {
        struct request *request = LIST_ENTRY(node, struct request, node);
        if (request->page == page) {
            return request;
        }
    }
    return NULL;
}

static bool is_there(struct memory *memory, uint64_t page)
{
    uint64_t link = link_at(memory, page);
    return link != 0 && leaf_has(link_node(link), page & (MEMORY_LEAF_PAGES - 1));
}

/* It ends like this; the reference that the pager had is the caller's to release. */
static void finish(struct memory *memory, struct request *request, enum error error)
{
    list_remove(&request->node);
    request->done = true;
    request->error = error;
    wait_wake_all(&request->queue, ERR_NONE);
    if (request->waiters == 0) {
        charged_slab_free(memory->object.account, &requests, request);
    }
}

/* --- who waits --------------------------------------------------------------------------------------------
 */

/* The request for the page, made if there is none: then `*made`. The object is locked on success, but not
 * when the page is there: NULL then. */
static enum error request_for(struct memory *memory, uint64_t page, struct request **out, bool *made)
{
    void *fresh;
    enum error error = charged_slab_alloc_zeroed(memory->object.account, &requests, &fresh);
    if (error != ERR_NONE) {
        return error;
    }
    struct request *request = fresh;
    spin_lock(&memory->lock);
    bool outside = page >= memory->pages.value;
    bool there = !outside && is_there(memory, page);
    *out = outside || there ? NULL : find(memory, page);
    *made = !outside && !there && *out == NULL && !memory->abandoned;
    if (*made) {
        request->page = page;
        wait_queue_init(&request->queue);
        list_append(&memory->requests, &request->node);
        *out = request;
    } else {
        charged_slab_free(memory->object.account, &requests, request);
    }
    if (*out == NULL) {
        spin_unlock(&memory->lock);
        return outside ? ERR_BAD_ARGUMENT : there ? ERR_NONE : ERR_DEAD;
    }
    return ERR_NONE;
}

/* The object is locked, and not on return. */
static enum error wait_for(struct memory *memory, struct request *request, uint64_t deadline)
{
    enum error error = ERR_NONE;
    while (!request->done && error == ERR_NONE) {
        error = wait_on(&request->queue, &memory->lock, "pager", deadline, 0);
        spin_lock(&memory->lock);
    }
    request->waiters--;
    if (request->done) {
        error = request->error;
        if (request->waiters == 0) {
            charged_slab_free(memory->object.account, &requests, request);
        }
    }
    spin_unlock(&memory->lock);
    return error;
}

enum error pager_ask(struct memory *memory, uint64_t page)
{
    struct request *request;
    bool made;
    enum error error = request_for(memory, page, &request, &made);
    if (error != ERR_NONE || request == NULL) {
        return error;
    }
    request->waiters++;
    uint64_t deadline = arch_clock() + memory->pager->patience;
    if (made) {
        memory_retain(memory); /* the pager's */
        spin_unlock(&memory->lock);
        error = memory->pager->kind->fetch(memory->pager, memory, page);
        if (error != ERR_NONE) {
            memory_refuse(memory, page, error);
        }
        spin_lock(&memory->lock);
    }
    return wait_for(memory, request, deadline);
}

/* --- the pager --------------------------------------------------------------------------------------------
 */

/* Put the frame in its place. The object is locked. */
static enum error put(struct memory *memory, uint64_t page, pfn_t frame)
{
    const struct memory_cost cost = {1, 0};
    struct memory_node *leaf;
    if (page >= memory->pages.value) {
        return ERR_BAD_ARGUMENT;
    }
    if (is_there(memory, page)) {
        return ERR_EXISTS;
    }
    enum error error = sparse_charge(memory, cost);
    if (error != ERR_NONE) {
        return error;
    }
    error = leaf_own(memory, page, &leaf);
    if (error == ERR_NONE) {
        error = frame_assign(frame, 0, FRAME_USER_ANONYMOUS, memory->object.account->number);
        if (error == ERR_NONE) {
            leaf_put(memory, leaf, page & (MEMORY_LEAF_PAGES - 1), frame);
        } else if (leaf->filled == 0) {
            link_clear(memory, page);
            sparse_refund(memory, node_cost(leaf->capacity));
            node_free(leaf);
        }
    }
    if (error != ERR_NONE) {
        sparse_refund(memory, cost);
    }
    return error;
}

enum error memory_supply(struct memory *memory, uint64_t page, pfn_t frame)
{
    spin_lock(&memory->lock);
    enum error error = put(memory, page, frame);
    struct request *request = find(memory, page);
    if (request != NULL) {
        finish(memory, request, error == ERR_EXISTS ? ERR_NONE : error);
    }
    spin_unlock(&memory->lock);
    if (request != NULL) {
        memory_release(memory);
    }
    return error;
}

void memory_refuse(struct memory *memory, uint64_t page, enum error error)
{
    spin_lock(&memory->lock);
    struct request *request = find(memory, page);
    if (request != NULL) {
        finish(memory, request, error);
    }
    spin_unlock(&memory->lock);
    if (request != NULL) {
        memory_release(memory);
    }
}

void memory_abandon(struct memory *memory)
{
    uint32_t references = 0;
    spin_lock(&memory->lock);
    memory->abandoned = true;
    while (!list_empty(&memory->requests)) {
        finish(memory, LIST_ENTRY(memory->requests.next, struct request, node), ERR_DEAD);
        references++;
    }
    spin_unlock(&memory->lock);
    while (references-- > 0) {
        memory_release(memory);
    }
}
