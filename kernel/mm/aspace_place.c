/*
 * Finding room for a mapping; see aspace.h. A cursor goes up from a random place, and leaves a random gap
 * before each mapping; so places cannot be guessed, and neighbours share page tables. Where something is in
 * the way it is passed a few times, then another random place is tried, and only when that has failed some
 * times too, all of the user half is looked through, in steps.
 */
#include "kernel/debug/panic.h"
#include "kernel/mm/aspace_parts.h"
#include "kernel/sched/thread.h"

/* Where places are chosen first. Programs put what they place themselves elsewhere. */
#define CHOOSE_LOW  0x0000010000000000u
#define CHOOSE_HIGH 0x0000100000000000u

#define GAP_PAGES      16u /* at most */
#define PASSES         8u  /* mappings that are passed before another place is tried */
#define PLACES         4u  /* that are tried */
#define LOOKED_AT_ONCE 512u

/* SplitMix64 (G. L. Steele and others, 2014). */
uint64_t aspace_random(struct aspace *space)
{
    uint64_t x = space->random += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The lowest address from here on where the mapping can begin: so that it can have large pages, if it is for
 * any. */
static uint64_t fit(const struct mapping *m, uint64_t address)
{
    uint64_t size = PAGE_SIZE;
    if (m->bytes >= TABLES_LARGE && (m->mode & MAP_MODE_SMALL) == 0) {
        size = m->bytes >= TABLES_HUGE && (m->mode & MAP_MODE_HUGE) != 0 ? TABLES_HUGE : TABLES_LARGE;
    }
    return align_up(address - m->offset % size, size) + m->offset % size;
}

static uint64_t random_gap(struct aspace *space)
{
    return (aspace_random(space) % GAP_PAGES + 1) << PAGE_SHIFT;
}

/* From the cursor on, past a few mappings. 0: no. */
static uint64_t try_cursor(struct aspace *space, const struct mapping *m)
{
    uint64_t at = space->cursor;
    for (unsigned i = 0; i < PASSES; i++) {
        at = fit(m, at + random_gap(space));
        if (at >= CHOOSE_HIGH || m->bytes > CHOOSE_HIGH - at) {
            return 0;
        }
        const struct mapping *other = mapping_of(avl_at_or_below(&space->mappings, at + m->bytes - 1));
        if (other == NULL || mapping_end(other) <= at) {
            space->cursor = at + m->bytes;
            return at;
        }
        at = mapping_end(other);
    }
    return 0;
}

static uint64_t try_places(struct aspace *space, const struct mapping *m)
{
    uint64_t at = space->cursor != 0 ? try_cursor(space, m) : 0;
    for (unsigned i = 0; at == 0 && i < PLACES; i++) {
        space->cursor = CHOOSE_LOW + align_down(aspace_random(space) % (CHOOSE_HIGH - CHOOSE_LOW), PAGE_SIZE);
        at = try_cursor(space, m);
    }
    return at;
}

/*
 * Look at some mappings from `*from` on for room between them. Returns the place; 0 with `*more` when there
 * are others to look at, from `*from` on.
 */
static uint64_t look_on(const struct aspace *space, const struct mapping *m, uint64_t *from, bool *more)
{
    const struct mapping *next = mapping_from(space, *from);
    for (unsigned i = 0; i < LOOKED_AT_ONCE; i++) {
        uint64_t at = fit(m, *from), end = next != NULL ? mapping_start(next) : USER_HIGHEST;
        if (at <= end && m->bytes <= end - at) {
            return at;
        }
        if (next == NULL) {
            *more = false;
            return 0;
        }
        *from = mapping_end(next);
        next = mapping_of(avl_next(&((struct mapping *)(uintptr_t)next)->node));
    }
    return 0;
}

static enum error lock_open(struct aspace *space)
{
    rw_lock_write(&space->lock);
    if (space->closed) {
        rw_unlock_write(&space->lock);
        return ERR_DEAD;
    }
    return ERR_NONE;
}

/* Anywhere. The space is locked, and is again on success. */
static enum error look_through(struct aspace *space, struct mapping *m)
{
    uint64_t from = USER_LOWEST;
    bool more = true;
    for (;;) {
        uint64_t at = look_on(space, m, &from, &more);
        if (at != 0) {
            m->node.key = at;
            return ERR_NONE;
        }
        rw_unlock_write(&space->lock);
        if (!more) {
            return ERR_NO_MEMORY;
        }
        enum error error = thread_preemption_point();
        error = error == ERR_NONE ? lock_open(space) : error;
        if (error != ERR_NONE) {
            return error;
        }
    }
}

enum error place_find(struct aspace *space, struct mapping *m, struct mapping **below)
{
    enum error error = lock_open(space);
    if (error == ERR_NONE && (m->node.key = try_places(space, m)) == 0) {
        error = look_through(space, m);
    }
    if (error == ERR_NONE) {
        bool is_free = place_is_free(space, m->node.key, m->bytes, below);
        ASSERT(is_free);
        place_forget(space, m->node.key, m->bytes);
    }
    return error;
}

/* --- what CPUs may remember of places ---------------------------------------------------------------------
 */

void place_remembered(struct aspace *space, uint64_t start, uint64_t end, uint64_t request)
{
    if (!space->remembers || tlb_answered(space->remembered_request)) {
        space->remembered = start;
        space->remembered_end = end;
    } else { /* what is between the two is taken for remembered, too */
        space->remembered = start < space->remembered ? start : space->remembered;
        space->remembered_end = end > space->remembered_end ? end : space->remembered_end;
    }
    space->remembers = true;
    space->remembered_request = request; /* the later one: of this space they come one after the other */
}

void place_wait(struct aspace *space, uint64_t start, uint64_t bytes)
{
    if (!tlb_answered(space->remembered_request)) {
        if (start >= space->remembered_end || start + bytes <= space->remembered) {
            return;
        }
        tlb_wait_for(space->remembered_request);
    }
    space->remembers = false;
}
