/*
 * memory_fault for the way that most pages come to be: one page, of zeroes, that was paid for when the object
 * was made. Written to be a part of its callers.
 */
#ifndef QUIRE_KERNEL_MEMORY_TOUCH_H
#define QUIRE_KERNEL_MEMORY_TOUCH_H

#include "kernel/mm/charged.h"
#include "kernel/mm/memory.h"
#include "kernel/mm/memory_tree.h"

#define NOT_TOUCHED pfn(~(uint64_t)0)

/* Where the last page that was wanted was not there, this one will not be either. A hint; never for sparse
 * objects, whose pages are yet to be paid. */
static inline bool memory_touch_is_likely(const struct memory *memory)
{
    return __atomic_load_n(&memory->absent, __ATOMIC_RELAXED);
}

static inline bool memory_is_touched(pfn_t frame)
{
    return frame.value != NOT_TOUCHED.value;
}

/* Can a page be put here with nothing else to be done? */
static inline bool touch_fits(uint64_t link, uint64_t index)
{
    const struct memory_node *leaf = link_node(link);
    return link != 0 && !link_is_block(link) && leaf->slots[index] == 0 && !leaf->has_under &&
           !node_is_shared(leaf) && leaf->filled < MEMORY_LEAF_PAGES - 1;
}

/* There is no frame, for this reason. */
pfn_t memory_touch_refused(enum error error);

/* The frame is not needed: somebody was quicker, or it takes more. Drops the lock; returns NOT_TOUCHED. */
pfn_t memory_touch_failed(struct memory *memory, pfn_t frame);

/*
 * The page's new frame; it may be written. The object is locked, until memory_fault_unlock. NOT_TOUCHED: it
 * is not as simple as that, nothing has changed, and memory_fault will tell more. To be called when it is
 * likely.
 */
static inline MUST_CHECK pfn_t memory_touch(struct memory *memory, uint64_t page)
{
    pfn_t frame;
    enum error error = uncharged_zeroed_frame(memory->object.account, FRAME_USER_ANONYMOUS, &frame);
    if (__builtin_expect(error != ERR_NONE, 0)) {
        return memory_touch_refused(error); /* it may not be needed */
    }
    uint64_t index = page & (MEMORY_LEAF_PAGES - 1);
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    uint64_t link = __builtin_expect(page < memory->pages.value, 1) ? link_at(memory, page) : 0;
    if (__builtin_expect(!touch_fits(link, index), 0)) {
        return memory_touch_failed(memory, frame);
    }
    struct memory_node *leaf = link_node(link);
    leaf->slots[index] = frame.value | SLOT_PRESENT;
    leaf->filled++;
    memory->resident++;
    return frame;
}

#endif
