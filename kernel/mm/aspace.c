/*
 * Address spaces; see aspace.h.
 */
#include "kernel/mm/aspace.h"

#include "abi/handle.h"
#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/charged.h"

/* Where the search for a free place begins, and the gap that it leaves before each mapping. */
#define SEARCH_START 0x0000100000000000u
#define SEARCH_GAP   PAGE_SIZE

static struct slab_cache mappings = SLAB_CACHE_OF("mapping", struct mapping);

void aspace_init(struct aspace *space, struct account *account)
{
    space->account = account;
    spin_init(&space->lock, "address space", LOCK_ASPACE);
    list_init(&space->mappings);
}

enum error aspace_open(struct aspace *space)
{
    pfn_t root;
    enum error error = charged_frame(space->account, FRAME_PAGE_TABLE, &root);
    if (error == ERR_NONE) {
        arch_space_create(pfn_to_paddr(root));
        space->root = pfn_to_paddr(root);
    }
    return error;
}

/* The mapping before which one at this address belongs, or the head of the list. */
static struct list *place_for(struct aspace *space, uint64_t address)
{
    struct list *node = space->mappings.next;
    while (node != &space->mappings && LIST_ENTRY(node, struct mapping, node)->start < address) {
        node = node->next;
    }
    return node;
}

static bool is_free(struct aspace *space, uint64_t address, uint64_t bytes, struct list *place)
{
    if (place != &space->mappings && LIST_ENTRY(place, struct mapping, node)->start < address + bytes) {
        return false;
    }
    if (place->previous == &space->mappings) {
        return true;
    }
    struct mapping *before = LIST_ENTRY(place->previous, struct mapping, node);
    return before->start + before->bytes <= address;
}

/* The lowest free place at or above SEARCH_START; 0 when there is none. */
static uint64_t find_place(struct aspace *space, uint64_t bytes)
{
    uint64_t candidate = SEARCH_START;
    LIST_FOR_EACH(node, &space->mappings)
    {
        struct mapping *m = LIST_ENTRY(node, struct mapping, node);
        if (m->start + m->bytes <= candidate) {
            continue;
        }
        if (m->start >= candidate + bytes + SEARCH_GAP) {
            break;
        }
        candidate = m->start + m->bytes + SEARCH_GAP;
    }
    return candidate + bytes <= USER_HIGHEST ? candidate : 0;
}

static unsigned map_flags(uint32_t access)
{
    unsigned flags = MAP_READ | MAP_USER;
    flags |= (access & ACCESS_WRITE) != 0 ? MAP_WRITE : 0;
    flags |= (access & ACCESS_EXECUTE) != 0 ? MAP_EXECUTE : 0;
    return flags;
}

/* Enter the pages of a mapping into the tables; frames in a row go in together. */
static void tables_fill(struct aspace *space, const struct mapping *m, struct table_stock *stock)
{
    uint64_t done = 0;
    while (done < m->bytes) {
        uint64_t page = (m->offset + done) >> PAGE_SHIFT;
        pfn_t first = memory_frame(m->memory, page);
        uint64_t run = 1;
        while (done + (run << PAGE_SHIFT) < m->bytes &&
               memory_frame(m->memory, page + run).value == first.value + run) {
            run++;
        }
        arch_map_stocked(space->root, m->start + done, pfn_to_paddr(first), run << PAGE_SHIFT,
                         map_flags(m->access), stock);
        done += run << PAGE_SHIFT;
    }
}

static void stock_give_back(struct account *account, struct table_stock *stock)
{
    while (stock->count > 0) {
        paddr_t table = stock->first;
        stock->first = *(paddr_t *)aperture_at(table);
        stock->count--;
        charged_frame_free(account, paddr_to_pfn(table));
    }
}

static enum error stock_take(struct account *account, struct table_stock *stock, uint64_t count)
{
    *stock = (struct table_stock){0};
    while (stock->count < count) {
        pfn_t frame;
        enum error error = charged_frame(account, FRAME_PAGE_TABLE, &frame);
        if (error != ERR_NONE) {
            stock_give_back(account, stock);
            return error;
        }
        void *table = aperture_at(pfn_to_paddr(frame));
        arch_zero_pages(table, 1);
        *(paddr_t *)table = stock->first;
        stock->first = pfn_to_paddr(frame);
        stock->count++;
    }
    return ERR_NONE;
}

/* No translation of this space survives anywhere. */
static void flush_everywhere(struct aspace *space)
{
    uint64_t mask[CPU_MAX / 64];
    for (unsigned i = 0; i < CPU_MAX / 64; i++) {
        mask[i] = __atomic_load_n(&space->loaded[i], __ATOMIC_SEQ_CST);
    }
    arch_flush_remote(mask);
    if (arch_this_cpu()->space == space) {
        arch_flush_local(false);
    }
}

/* Find a place and take the tables that it needs. The space is locked. */
static enum error place_find(struct map_plan *plan, uint64_t address)
{
    struct aspace *space = plan->space;
    struct mapping *m = plan->mapping;
    if (space->closed) {
        return ERR_DEAD;
    }
    m->start = address != 0 ? address : find_place(space, m->bytes);
    if (m->start == 0) {
        return ERR_NO_MEMORY;
    }
    if (!is_free(space, m->start, m->bytes, place_for(space, m->start))) {
        return ERR_EXISTS;
    }
    return stock_take(space->account, &plan->tables, arch_map_tables(space->root, m->start, m->bytes));
}

enum error aspace_map_prepare(struct aspace *space, const struct map_request *request, struct map_plan *plan)
{
    void *memory;
    enum error error = charged_slab_alloc_zeroed(space->account, &mappings, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    struct mapping *m = memory;
    m->bytes = request->bytes;
    m->offset = request->offset;
    m->access = request->access;
    m->memory = request->memory;
    *plan = (struct map_plan){.space = space, .mapping = m};
    spin_lock(&space->lock);
    error = place_find(plan, request->address);
    if (error != ERR_NONE) {
        spin_unlock(&space->lock);
        charged_slab_free(space->account, &mappings, m);
    }
    return error;
}

uint64_t aspace_map_commit(struct map_plan *plan)
{
    struct aspace *space = plan->space;
    struct mapping *m = plan->mapping;
    uint64_t start = m->start;
    memory_retain(m->memory);
    tables_fill(space, m, &plan->tables);
    list_insert_before(place_for(space, start), &m->node);
    space->mapped_bytes += m->bytes;
    spin_unlock(&space->lock);
    return start;
}

enum error aspace_unmap_prepare(struct aspace *space, uint64_t address, struct mapping **out)
{
    spin_lock(&space->lock);
    struct list *place = place_for(space, address);
    bool found = place != &space->mappings && LIST_ENTRY(place, struct mapping, node)->start == address;
    if (space->closed || !found) {
        enum error error = space->closed ? ERR_DEAD : ERR_NOT_FOUND;
        spin_unlock(&space->lock);
        return error;
    }
    *out = LIST_ENTRY(place, struct mapping, node);
    return ERR_NONE;
}

void aspace_unmap_commit(struct aspace *space, struct mapping *m)
{
    list_remove(&m->node);
    space->mapped_bytes -= m->bytes;
    arch_unmap(space->root, m->start, m->bytes);
    flush_everywhere(space);
    spin_unlock(&space->lock);
    memory_release(m->memory);
    charged_slab_free(space->account, &mappings, m);
}

/* Threads that ended on other CPUs are about to switch away; they take no lock that the caller holds. */
static void wait_until_unloaded(struct aspace *space)
{
    for (unsigned i = 0; i < CPU_MAX / 64; i++) {
        while (__atomic_load_n(&space->loaded[i], __ATOMIC_SEQ_CST) != 0) {
            arch_spin_wait();
        }
    }
}

void aspace_close(struct aspace *space)
{
    spin_lock(&space->lock);
    space->closed = true;
    paddr_t root = space->root;
    __atomic_store_n(&space->root.value, 0, __ATOMIC_SEQ_CST);
    space->mapped_bytes = 0;
    spin_unlock(&space->lock);
    if (arch_this_cpu()->space == space) {
        aspace_load(NULL);
    }
    wait_until_unloaded(space);
    if (root.value != 0) {
        account_refund(space->account, RESOURCE_FRAMES, arch_space_destroy(root));
    }
    while (!list_empty(&space->mappings)) {
        struct mapping *m = LIST_ENTRY(space->mappings.next, struct mapping, node);
        list_remove(&m->node);
        memory_release(m->memory);
        charged_slab_free(space->account, &mappings, m);
    }
}

void aspace_load(struct aspace *space)
{
    struct cpu *cpu = arch_this_cpu();
    struct aspace *old = cpu->space;
    uint64_t bit = (uint64_t)1 << cpu->number % 64;
    if (space != NULL && __atomic_load_n(&space->root.value, __ATOMIC_ACQUIRE) == 0) {
        space = NULL;
    }
    if (space == old) {
        return;
    }
    if (space != NULL) {
        /* Before the load, so that a flush after it finds this CPU; and whoever closes the space looks at
         * this after he has taken the root away, so that one of the two sees the other. */
        __atomic_fetch_or(&space->loaded[cpu->number / 64], bit, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&space->root.value, __ATOMIC_SEQ_CST) == 0) {
            __atomic_fetch_and(&space->loaded[cpu->number / 64], ~bit, __ATOMIC_SEQ_CST);
            space = NULL;
        }
    }
    cpu->space = space;
    arch_space_load(space != NULL ? space->root : arch_kernel_root());
    if (old != NULL) {
        __atomic_fetch_and(&old->loaded[cpu->number / 64], ~bit, __ATOMIC_SEQ_CST);
    }
}
