/*
 * Pages that stay where they are, and looking at what is there; see memory.h.
 */
#include "abi/memory.h"
#include "kernel/mm/memory_tree.h"
#include "kernel/sched/thread.h"

/* --- pinning ----------------------------------------------------------------------------------------------
 */

/* The leaf node that the page is in, which is there and the object's alone: a block is recorded in pages. */
static enum error leaf_of(struct memory *memory, uint64_t page, struct memory_node **out)
{
    uint64_t link = link_at(memory, page);
    if (link_is_block(link)) {
        return leaf_from_block(memory, page, out);
    }
    *out = link_node(link);
    return ERR_NONE;
}

/* The object is locked, and the page can be written. */
static enum error pin_found(struct memory *memory, uint64_t page)
{
    struct memory_node *leaf;
    enum error error = leaf_of(memory, page, &leaf);
    if (error != ERR_NONE) {
        return error;
    }
    uint64_t *slot = &leaf->slots[page & (MEMORY_LEAF_PAGES - 1)];
    if ((*slot & SLOT_PINS) == SLOT_PINS) {
        return ERR_TOO_LARGE;
    }
    leaf->pinned += (*slot & SLOT_PINS) == 0;
    *slot += SLOT_PIN;
    memory->ever_pinned++;
    __atomic_store_n(&memory->pins, memory->pins + 1, __ATOMIC_RELAXED);
    return ERR_NONE;
}

static enum error pin_page(struct memory *memory, uint64_t page, paddr_t *where)
{
    struct memory_page found;
    enum error error = memory_get(memory, page, true, &found);
    if (error != ERR_NONE) {
        return error;
    }
    *where = pfn_to_paddr(found.frame);
    if (memory_has_tree(memory)) {
        error = pin_found(memory, page);
    }
    memory_fault_unlock(memory);
    memory_page_drop(&found);
    return error;
}

/* The slot of a page that is pinned; NULL when it is not. */
static uint64_t *pinned_slot(struct memory *memory, uint64_t page, struct memory_node **leaf)
{
    uint64_t link = page < memory->pages.value ? link_at(memory, page) : 0;
    if (link == 0 || link_is_block(link)) {
        return NULL;
    }
    *leaf = link_node(link);
    uint64_t *slot = &(*leaf)->slots[page & (MEMORY_LEAF_PAGES - 1)];
    return (*slot & SLOT_PINS) != 0 ? slot : NULL;
}

static void step(uint64_t done)
{
    if (done % STEP_PAGES == STEP_PAGES - 1) {
        enum error killed = thread_preemption_point();
        (void)killed; /* what was begun goes on to the end */
    }
}

/* One pin less for each page; those that have none are left out. */
static void unpin_pages(struct memory *memory, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct memory_node *leaf;
        spin_lock(&memory->lock);
        uint64_t *slot = pinned_slot(memory, first + i, &leaf);
        if (slot != NULL) {
            *slot -= SLOT_PIN;
            leaf->pinned -= (*slot & SLOT_PINS) == 0;
            __atomic_store_n(&memory->pins, memory->pins - 1, __ATOMIC_RELAXED);
        }
        spin_unlock(&memory->lock);
        step(i);
    }
}

enum error memory_pin(struct memory *memory, uint64_t first, uint64_t count, paddr_t *frames)
{
    if (!memory_covers(memory, first, count)) {
        return ERR_BAD_ARGUMENT;
    }
    enum error error = ERR_NONE;
    uint64_t pinned = 0;
    while (error == ERR_NONE && pinned < count) {
        error = pin_page(memory, first + pinned, &frames[pinned]);
        pinned += error == ERR_NONE;
        if (error == ERR_NONE && pinned % STEP_PAGES == 0) {
            error = thread_preemption_point();
        }
    }
    if (error != ERR_NONE && memory_has_tree(memory)) {
        unpin_pages(memory, first, pinned);
    }
    return error;
}

enum error memory_unpin(struct memory *memory, uint64_t first, uint64_t count)
{
    if (!memory_covers(memory, first, count)) {
        return ERR_BAD_ARGUMENT;
    }
    bool all = true;
    for (uint64_t i = 0; memory_has_tree(memory) && all && i < count; i++) {
        struct memory_node *leaf;
        spin_lock(&memory->lock);
        all = pinned_slot(memory, first + i, &leaf) != NULL;
        spin_unlock(&memory->lock);
        step(i);
    }
    if (all && memory_has_tree(memory)) {
        unpin_pages(memory, first, count);
    }
    return all ? ERR_NONE : ERR_BAD_ARGUMENT;
}

/* --- looking ----------------------------------------------------------------------------------------------
 */

/* The frame of a page that is there, of the 2 MiB of this link, and whether it may be written; false when it
 * is not there. */
static inline bool find_in(uint64_t link, uint64_t page, pfn_t *frame, bool *writable)
{
    uint64_t index = page & (MEMORY_LEAF_PAGES - 1);
    if (link == 0) {
        return false;
    }
    if (link_is_block(link)) {
        *frame = pfn(link_block(link).value + index);
        *writable = !frame_is_shared(link_block(link));
        return true;
    }
    const struct memory_node *leaf = link_node(link);
    if ((leaf->slots[index] & SLOT_PRESENT) != 0) {
        *frame = slot_frame(leaf->slots[index]);
        *writable = !node_is_shared(leaf) && !node_shares_frame(leaf, *frame);
        return true;
    }
    *frame = pfn(leaf->under.value + index);
    *writable = false;
    return leaf_has(leaf, index);
}

static bool find_there(struct memory *memory, uint64_t page, pfn_t *frame, bool *writable)
{
    return find_in(link_at(memory, page), page, frame, writable);
}

#define SLOT_TOLD (SLOT_FRAME | SLOT_PRESENT)

/* Do eight slots say the same as this one, and those that follow on it? */
static inline bool are_in_row(const uint64_t *s, uint64_t first)
{
    __asm__("" : "+r"(s), "+r"(first)); /* two registers: else both are made of others, for each slot anew */
    uint64_t low = (s[0] ^ first) | (s[1] ^ (first + 1)) | (s[2] ^ (first + 2)) | (s[3] ^ (first + 3));
    uint64_t high = (s[4] ^ (first + 4)) | (s[5] ^ (first + 5)) | (s[6] ^ (first + 6)) | (s[7] ^ (first + 7));
    return ((low | high) & SLOT_TOLD) == 0;
}

/* How many of these slots, at most, name frames in a row, from the first one on, which is present. */
static uint64_t run_of_slots(const uint64_t *slots, uint64_t most)
{
    const uint64_t *s = slots;
    uint64_t expected = slots[0] & SLOT_TOLD;
    for (; most >= 8 && are_in_row(s, expected); s += 8, most -= 8) { /* nearly all of a long run */
        expected += 8;
    }
    for (; most > 0 && (*s & SLOT_TOLD) == expected; s++, most--) {
        expected++;
    }
    return (uint64_t)(s - slots);
}

/* Of a node whose frames each may have other holders, or that has a block under it: one by one. */
static __attribute__((noinline)) uint64_t run_of_pages(uint64_t link, uint64_t page, uint64_t most,
                                                       pfn_t frame, bool writable)
{
    pfn_t at;
    bool may;
    uint64_t count = 1;
    while (count < most && find_in(link, page + count, &at, &may) && at.value == frame.value + count &&
           may == writable) {
        count++;
    }
    return count;
}

/* Pages from this one on that the same leaf stands for. */
static uint64_t left_in_leaf(uint64_t page)
{
    return MEMORY_LEAF_PAGES - (page & (MEMORY_LEAF_PAGES - 1));
}

/* How many pages from this one on, which is this frame, are frames in a row: as far as the link goes. */
static inline uint64_t run_in_link(uint64_t link, uint64_t page, uint64_t most, pfn_t frame, bool writable)
{
    uint64_t left = left_in_leaf(page);
    most = most < left ? most : left;
    if (link_is_block(link)) {
        return most;
    }
    const struct memory_node *leaf = link_node(link);
    return node_is_counted(leaf) || leaf->has_under
               ? run_of_pages(link, page, most, frame, writable)
               : run_of_slots(&leaf->slots[page & (MEMORY_LEAF_PAGES - 1)], most);
}

/* Go on with a run that has come to the end of a link. */
static __attribute__((noinline)) uint64_t run_on(struct memory *memory, uint64_t page, uint64_t count,
                                                 uint64_t most, pfn_t frame, bool writable)
{
    pfn_t at;
    bool may;
    while (count < most && left_in_leaf(page + count) == MEMORY_LEAF_PAGES) {
        uint64_t link = link_at(memory, page + count);
        if (!find_in(link, page + count, &at, &may) || at.value != frame.value + count || may != writable) {
            break;
        }
        count += run_in_link(link, page + count, most - count, at, may);
    }
    return count;
}

uint64_t memory_run(struct memory *memory, uint64_t page, uint64_t most, pfn_t *frame, bool *writable)
{
    uint64_t pages = memory->pages.value;
    most = page >= pages ? 0 : most < pages - page ? most : pages - page;
    if (memory->kind == MEMORY_PHYSICAL) {
        *frame = pfn(memory->first.value + page);
        *writable = true;
        return most;
    }
    uint64_t link = most > 0 ? link_at(memory, page) : 0;
    if (!find_in(link, page, frame, writable)) {
        return 0;
    }
    uint64_t count = run_in_link(link, page, most, *frame, *writable);
    return count < most ? run_on(memory, page, count, most, *frame, *writable) : count;
}

uint64_t memory_gap(struct memory *memory, uint64_t page, uint64_t most)
{
    bool more;
    uint64_t leaf = page >> NODE_SHIFT, end = pages_leaves(page + most);
    uint64_t next = memory_has_tree(memory) ? leaf_next(memory, leaf, end, &more) : leaf;
    uint64_t count = next > leaf ? (next << NODE_SHIFT) - page : 1;
    return count < most ? count : most;
}

static uint8_t query(struct memory *memory, uint64_t page)
{
    pfn_t frame;
    bool writable;
    if (page >= memory->pages.value) {
        return 0;
    }
    if (memory->kind == MEMORY_PHYSICAL) {
        return MEMORY_PAGE_PRESENT;
    }
    if (!find_there(memory, page, &frame, &writable)) {
        return 0;
    }
    uint64_t link = link_at(memory, page);
    struct memory_node *leaf;
    return (uint8_t)(MEMORY_PAGE_PRESENT | (writable ? 0 : MEMORY_PAGE_SHARED) |
                     (link_is_block(link) ? MEMORY_PAGE_LARGE : 0) |
                     (pinned_slot(memory, page, &leaf) != NULL ? MEMORY_PAGE_PINNED : 0));
}

void memory_query(struct memory *memory, uint64_t first, uint64_t count, uint8_t *out)
{
    for (uint64_t done = 0; done < count;) {
        uint64_t end = count - done < STEP_PAGES ? count : done + STEP_PAGES;
        spin_lock(&memory->lock);
        for (; done < end; done++) {
            out[done] = query(memory, first + done);
        }
        spin_unlock(&memory->lock);
        if (done < count) {
            enum error killed = thread_preemption_point();
            (void)killed; /* the rest is as quick */
        }
    }
}
