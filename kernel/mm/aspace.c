/*
 * Address spaces; see aspace.h.
 */
#include "kernel/mm/aspace.h"

#include "abi/handle.h"
#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/slab.h"

/* Where the search for a free place begins, and the gap that it leaves before each mapping. */
#define SEARCH_START 0x0000100000000000u
#define SEARCH_GAP   PAGE_SIZE

static struct slab_cache mappings = SLAB_CACHE_OF("mapping", struct mapping);

enum error aspace_init(struct aspace *space)
{
    spin_init(&space->lock, "address space", LOCK_ASPACE);
    list_init(&space->mappings);
    return arch_space_create(&space->root);
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
static enum error tables_fill(struct aspace *space, const struct mapping *m)
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
        enum error error = arch_map(space->root, m->start + done, pfn_to_paddr(first), run << PAGE_SHIFT,
                                    map_flags(m->access));
        if (error != ERR_NONE) {
            arch_unmap(space->root, m->start, done);
            return error;
        }
        done += run << PAGE_SHIFT;
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

/* The space is locked and open. */
static enum error insert(struct aspace *space, struct mapping *m, uint64_t address)
{
    uint64_t start = address != 0 ? address : find_place(space, m->bytes);
    struct list *place = place_for(space, start);
    if (start == 0) {
        return ERR_NO_MEMORY;
    }
    if (!is_free(space, start, m->bytes, place)) {
        return ERR_EXISTS;
    }
    m->start = start;
    enum error error = tables_fill(space, m);
    if (error == ERR_NONE) {
        list_insert_before(place, &m->node);
        space->mapped_bytes += m->bytes;
    } else {
        flush_everywhere(space); /* a thread may have seen the part that was there for a moment */
    }
    return error;
}

enum error aspace_map(struct aspace *space, struct memory *memory, uint64_t offset, uint64_t address,
                      uint64_t bytes, uint32_t access, uint64_t *mapped_at)
{
    struct mapping *m = slab_alloc_zeroed(&mappings);
    if (m == NULL) {
        return ERR_NO_MEMORY;
    }
    m->bytes = bytes;
    m->offset = offset;
    m->access = access;
    m->memory = memory;
    spin_lock(&space->lock);
    enum error error = space->closed ? ERR_DEAD : insert(space, m, address);
    uint64_t start = m->start;
    if (error == ERR_NONE) {
        memory_retain(memory);
    }
    spin_unlock(&space->lock);
    if (error != ERR_NONE) {
        slab_free(&mappings, m);
        return error;
    }
    *mapped_at = start;
    return ERR_NONE;
}

enum error aspace_unmap(struct aspace *space, uint64_t address)
{
    struct mapping *m = NULL;
    spin_lock(&space->lock);
    bool closed = space->closed;
    if (!closed) {
        struct list *place = place_for(space, address);
        if (place != &space->mappings && LIST_ENTRY(place, struct mapping, node)->start == address) {
            m = LIST_ENTRY(place, struct mapping, node);
            list_remove(&m->node);
            space->mapped_bytes -= m->bytes;
            arch_unmap(space->root, m->start, m->bytes);
            flush_everywhere(space);
        }
    }
    spin_unlock(&space->lock);
    if (m == NULL) {
        return closed ? ERR_DEAD : ERR_NOT_FOUND;
    }
    memory_release(m->memory);
    slab_free(&mappings, m);
    return ERR_NONE;
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
    __atomic_store_n(&space->root.value, 0, __ATOMIC_RELEASE);
    space->mapped_bytes = 0;
    spin_unlock(&space->lock);
    if (arch_this_cpu()->space == space) {
        aspace_load(NULL);
    }
    wait_until_unloaded(space);
    if (root.value != 0) {
        arch_space_destroy(root);
    }
    while (!list_empty(&space->mappings)) {
        struct mapping *m = LIST_ENTRY(space->mappings.next, struct mapping, node);
        list_remove(&m->node);
        memory_release(m->memory);
        slab_free(&mappings, m);
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
        /* Before the load, so that a flush after it finds this CPU. */
        __atomic_fetch_or(&space->loaded[cpu->number / 64], bit, __ATOMIC_SEQ_CST);
    }
    cpu->space = space;
    arch_space_load(space != NULL ? space->root : arch_kernel_root());
    if (old != NULL) {
        __atomic_fetch_and(&old->loaded[cpu->number / 64], ~bit, __ATOMIC_SEQ_CST);
    }
}
