/*
 * What a space looks like, for people; see aspace.h.
 */
#include "kernel/mm/aspace_parts.h"
#include "kernel/sched/thread.h"

/* Counted while locks are held. */
#define COUNT_BYTES (4 * GIB)

static uint32_t kind_of(const struct memory *memory)
{
    static const uint8_t kinds[] = {[MEMORY_ANONYMOUS] = MAPPED_ANONYMOUS,
                                    [MEMORY_PHYSICAL] = MAPPED_DEVICE,
                                    [MEMORY_PAGED] = MAPPED_PAGED};
    return memory != NULL ? kinds[memory->kind] : MAPPED_NOTHING;
}

/* The record itself; false when there is none. */
static bool describe(struct aspace *space, uint64_t from, struct memory_mapping *out)
{
    rw_lock_read(&space->lock);
    const struct mapping *m = mapping_from(space, from);
    while (m != NULL && mapping_is_busy(m)) {
        m = mapping_from(space, mapping_end(m));
    }
    if (m != NULL) {
        *out = (struct memory_mapping){
            .start = mapping_start(m),
            .bytes = m->bytes,
            .offset = m->offset,
            .object = m->memory != NULL ? object_identity(&m->memory->object) : 0,
            .mode = m->mode,
            .kind = kind_of(m->memory),
            .views = m->memory != NULL ? memory_count_views(m->memory) : 0,
        };
    }
    rw_unlock_read(&space->lock);
    return m != NULL;
}

/* What the tables have there, in steps. */
static void count(struct aspace *space, struct memory_mapping *out)
{
    for (uint64_t done = 0; done < out->bytes; done += COUNT_BYTES) {
        uint64_t bytes = out->bytes - done < COUNT_BYTES ? out->bytes - done : COUNT_BYTES;
        struct tables_count found = {0};
        rw_lock_read(&space->lock);
        if (!space->closed) {
            spin_lock(&space->tables_lock);
            tables_count(space->root, out->start + done, bytes, &found);
            spin_unlock(&space->tables_lock);
        }
        rw_unlock_read(&space->lock);
        out->resident += found.pages << PAGE_SHIFT;
        out->large += (found.large_pages - found.huge_pages) << PAGE_SHIFT;
        out->huge += found.huge_pages << PAGE_SHIFT;
        if (thread_preemption_point() != ERR_NONE) {
            return;
        }
    }
}

bool aspace_describe(struct aspace *space, uint64_t from, struct memory_mapping *out)
{
    bool found = describe(space, from, out);
    if (found && out->object != 0) {
        count(space, out);
    }
    return found;
}

unsigned aspace_translate(struct aspace *space, uint64_t address, struct table_step steps[TABLE_LEVELS_MOST])
{
    unsigned count = 0;
    rw_lock_read(&space->lock);
    if (!space->closed) {
        spin_lock(&space->tables_lock);
        count = tables_walk(space->root, address, steps);
        spin_unlock(&space->tables_lock);
    }
    rw_unlock_read(&space->lock);
    return count;
}
