/*
 * Address spaces: their beginning and end, and the records of mappings; see aspace.h.
 */
#include "kernel/mm/aspace.h"

#include "kernel/debug/panic.h"
#include "kernel/mm/aspace_parts.h"
#include "kernel/mm/slab.h"
#include "kernel/sched/steps.h"
#include "kernel/sched/thread.h"

/* Tables that are taken out of a space that ends, while nobody else can run. */
#define DISMANTLE_STEP 64u

struct mapping mapping_none = {.node = {.key = UINT64_MAX}};

static struct slab_cache mappings = SLAB_CACHE_OF("mapping", struct mapping);

/* --- records ---------------------------------------------------------------------------------------------
 */

/* What mapping_insert does not set, nor who fills it in. */
static void mapping_begin(struct mapping *m, struct aspace *space)
{
    m->space = space;
    m->view.kind = &aspace_view_kind;
    m->stale = false;
    m->shown = false;
}

enum error mapping_make(struct aspace *space, struct mapping **out)
{
    enum error error = account_charge(space->account, RESOURCE_BYTES, sizeof(struct mapping));
    if (UNLIKELY(error != ERR_NONE)) {
        return error;
    }
    struct mapping *m = NULL;
    if (!inject_fails() && (m = __atomic_exchange_n(&space->spare, NULL, __ATOMIC_ACQUIRE)) == NULL) {
        m = slab_alloc(&mappings);
    }
    if (UNLIKELY(m == NULL)) {
        account_refund(space->account, RESOURCE_BYTES, sizeof(struct mapping));
        return ERR_NO_MEMORY;
    }
    mapping_begin(m, space);
    *out = m;
    return ERR_NONE;
}

void mapping_free(struct aspace *space, struct mapping *m)
{
    m = __atomic_exchange_n(&space->spare, m, __ATOMIC_ACQ_REL);
    if (m != NULL) {
        slab_free(&mappings, m);
    }
    account_refund(space->account, RESOURCE_BYTES, sizeof(struct mapping));
}

/* Large leaves can be where both the addresses and the pages of the object begin with one. */
static void derive_large(struct mapping *m)
{
    if (LIKELY(m->bytes < TABLES_LARGE)) {
        m->large_bytes = 0; /* from wherever */
        return;
    }
    uint64_t start = align_up(mapping_start(m), TABLES_LARGE);
    uint64_t end = align_down(mapping_end(m), TABLES_LARGE);
    bool fits = (m->mode & MAP_MODE_SMALL) == 0 && is_aligned(mapping_start(m) - m->offset, TABLES_LARGE);
    m->large_start = start;
    m->large_bytes = fits && end > start ? end - start : 0;
}

void mapping_derive_rights(struct mapping *m)
{
    _Static_assert(ACCESS_READ == MAP_READ && ACCESS_WRITE == MAP_WRITE && ACCESS_EXECUTE == MAP_EXECUTE,
                   "the same bits");
    m->access = m->memory == NULL || mapping_is_busy(m) ? 0 : m->mode & MAP_MODE_ACCESS;
    m->flags = (m->mode & MAP_MODE_ACCESS) | MAP_USER | (m->memory != NULL ? m->memory->cache : 0);
}

void mapping_derive(struct mapping *m)
{
    mapping_derive_rights(m);
    m->view.first = m->offset >> PAGE_SHIFT;
    m->view.count = m->bytes >> PAGE_SHIFT;
    derive_large(m);
}

/* The same for a mapping that its object knows, and of which this one becomes a part, or none. */
static void derive_locked(struct mapping *m, uint64_t bytes, const struct mapping *part)
{
    if (m->memory != NULL) {
        spin_lock(&m->memory->lock);
        if (part != NULL) {
            memory_view_joins(m->memory, &m->view, &part->view);
        }
    }
    m->bytes = bytes;
    mapping_derive(m);
    if (m->memory != NULL) {
        spin_unlock(&m->memory->lock);
    }
}

/* Into the space, but not among the views of its object. */
static inline void insert(struct aspace *space, struct mapping *m, struct mapping *below)
{
    mapping_derive(m);
    avl_insert_after(&space->mappings, below != NULL ? &below->node : NULL, &m->node);
    space->count++;
}

void mapping_insert(struct mapping *m, struct mapping *below)
{
    struct aspace *space = m->space;
    insert(space, m, below);
    if (m->memory != NULL) {
        space->mapped_bytes += m->bytes;
        memory_view_add(m->memory, &m->view);
    }
}

void mapping_remove(struct mapping *m)
{
    struct aspace *space = m->space;
    if (m->memory != NULL) {
        memory_view_remove(m->memory, &m->view);
        space->mapped_bytes -= m->bytes;
    }
    avl_remove(&space->mappings, &m->node);
    space->count--;
    if (space->last == m) {
        struct mapping *previous = mapping_of(m->node.previous);
        space->last = previous != NULL ? previous : &mapping_none;
    }
}

void mapping_cut(struct mapping *m, uint64_t address, struct mapping *spare)
{
    uint64_t low = address - mapping_start(m);
    ASSERT(low > 0 && low < m->bytes);
    spare->memory = m->memory;
    spare->mode = m->mode;
    spare->shown = m->shown;
    spare->node.key = address;
    spare->bytes = m->bytes - low;
    spare->offset = m->offset + low;
    insert(m->space, spare, m);
    if (m->memory != NULL) {
        memory_retain(m->memory);
        memory_view_add_part(m->memory, &spare->view, &m->view);
    } /* for a moment both show it: whoever hides pages hides them twice */
    derive_locked(m, low, NULL);
}

/* Does the second mapping go on where the first one ends, in all respects? */
static bool continues(const struct mapping *m, const struct mapping *next)
{
    return next->node.key == mapping_end(m) && next->memory == m->memory && next->mode == m->mode &&
           (m->memory == NULL || next->offset == m->offset + m->bytes) &&
           (m->mode & (MAP_MODE_GROWS | MAPPING_BUSY)) == 0;
}

/* The two become one. */
static void merge(struct mapping *m, struct mapping *next)
{
    struct aspace *space = m->space;
    uint64_t bytes = next->bytes;
    m->shown |= next->shown;
    derive_locked(m, m->bytes + bytes, next);
    mapping_remove(next);
    if (m->memory != NULL) {
        space->mapped_bytes += bytes;
        memory_release(next->memory);
    }
    mapping_free(space, next);
}

void mapping_merge_next(struct mapping *m)
{
    struct mapping *next = mapping_of(avl_next(&m->node));
    if (next != NULL && continues(m, next)) {
        merge(m, next);
    }
}

void mapping_merge_alike(struct mapping *m)
{
    struct mapping *previous = mapping_of(avl_previous(&m->node));
    mapping_merge_next(m);
    if (previous != NULL && continues(previous, m)) {
        merge(previous, m);
    }
}

/* --- life ------------------------------------------------------------------------------------------------
 */

void aspace_init(struct aspace *space, struct account *account)
{
    *space = (struct aspace){.last = &mapping_none, .account = account, .closed = true};
    rw_init(&space->lock, "address space", LOCK_ASPACE);
    spin_init(&space->tables_lock, "page tables", LOCK_TABLES);
    tlb_init(&space->tlb);
}

enum error aspace_open(struct aspace *space)
{
    pfn_t root;
    enum error error = charged_frame(space->account, FRAME_PAGE_TABLE, &root);
    if (error != ERR_NONE) {
        return error;
    }
    arch_space_create(pfn_to_paddr(root));
    space->root = pfn_to_paddr(root);
    space->random = arch_random_seed();
    space->closed = false;
    return ERR_NONE;
}

/* Take some mappings out of a space that is closed: what they refer to is put into `out`. */
static unsigned take_some(struct aspace *space, struct mapping *out[ASPACE_STEP_MAPPINGS])
{
    unsigned count = 0;
    struct avl_node *node;
    rw_lock_write(&space->lock);
    while (count < ASPACE_STEP_MAPPINGS && (node = avl_first(&space->mappings)) != NULL) {
        out[count] = mapping_of(node);
        mapping_remove(out[count++]);
        step_work(STEP_RECORDS, 1);
    }
    rw_unlock_write(&space->lock);
    return count;
}

static void pause(void)
{
    enum error killed = thread_preemption_point();
    (void)killed; /* giving back goes on to the end in any case */
}

static void close_mappings(struct aspace *space)
{
    struct mapping *gone[ASPACE_STEP_MAPPINGS];
    unsigned count;
    while ((count = take_some(space, gone)) > 0) {
        for (unsigned i = 0; i < count; i++) {
            if (gone[i]->memory != NULL) {
                memory_release(gone[i]->memory);
            }
            mapping_free(space, gone[i]);
        }
        if (count == ASPACE_STEP_MAPPINGS) {
            pause();
        }
    }
}

static void close_tables(struct aspace *space)
{
    bool done = false;
    while (!done) {
        struct table_gather gather = {0};
        done = tables_dismantle(space->root, DISMANTLE_STEP, &gather);
        step_work(STEP_TABLES, gather.tables);
        gather_free(space, &gather);
        if (!done) {
            pause();
        }
    }
    charged_frame_free(space->account, paddr_to_pfn(space->root));
    space->root = paddr(0);
}

void aspace_drain(struct aspace *space)
{
    struct mapping *spare = __atomic_exchange_n(&space->spare, NULL, __ATOMIC_ACQUIRE);
    if (spare != NULL) {
        slab_free(&mappings, spare);
    }
}

void aspace_close(struct aspace *space)
{
    step_begin();
    rw_lock_write(&space->lock);
    space->closed = true;
    rw_unlock_write(&space->lock);
    if (arch_this_cpu()->space == space) {
        aspace_load(NULL);
    }
    if (space->root.value == 0) {
        return;
    }
    tlb_close(&space->tlb); /* no CPU translates through any of it from here on, so views can go */
    close_mappings(space);
    aspace_drain(space);
    close_tables(space);
}

void aspace_load(struct aspace *space)
{
    struct cpu *cpu = arch_this_cpu();
    if (space != NULL && tlb_load(&space->tlb, space->root)) {
        cpu->space = space;
        return;
    }
    bool loaded = tlb_load(NULL, arch_kernel_root());
    ASSERT(loaded);
    cpu->space = NULL;
}
