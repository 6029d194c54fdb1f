/*
 * memory_fault for the way that most pages come to be: one page, of zeroes, that was paid for when the object
 * was made. Written to be a part of its callers.
 */
#ifndef QUIRE_KERNEL_MEMORY_TOUCH_H
#define QUIRE_KERNEL_MEMORY_TOUCH_H

#include "kernel/mm/charged.h"
#include "kernel/mm/memory.h"
#include "kernel/mm/memory_tree.h"

/* Where the last page that was wanted was not there, this one will not be either. A hint; never for sparse
 * objects, whose pages are yet to be paid. */
static inline bool memory_touch_is_likely(const struct memory *memory)
{
    return __atomic_load_n(&memory->absent, __ATOMIC_RELAXED);
}

/* The slot where a page can be put with nothing else to be done; or NULL. */
static inline uint64_t *touch_slot(uint64_t link, uint64_t index)
{
    const struct memory_node *leaf = link_node(link);
    if (link == 0 || link_is_block(link) || leaf->has_under || node_is_shared(leaf) ||
        leaf->filled >= MEMORY_LEAF_PAGES - 1) {
        return NULL;
    }
    uint64_t *slot = &leaf->slots[index];
    return *slot == 0 ? slot : NULL;
}

/* There is no frame, for this reason. */
void memory_touch_refused(enum error error);

/* The frame is not needed: somebody was quicker, or it takes more. Drops the lock. */
void memory_touch_failed(struct memory *memory, pfn_t frame);

/*
 * Make the page be there: its new frame, which may be written. The object is locked, until
 * memory_fault_unlock. False: it is not as simple as that, nothing has changed, and memory_fault will tell
 * more. To be called when it is likely.
 */
static inline MUST_CHECK bool memory_touch(struct memory *memory, uint64_t page, pfn_t *out)
{
    pfn_t frame;
    enum error error = uncharged_zeroed_frame(memory->object.account, FRAME_USER_ANONYMOUS, &frame);
    if (__builtin_expect(error != ERR_NONE, 0)) {
        memory_touch_refused(error); /* it may not be needed */
        return false;
    }
    uint64_t index = page & (MEMORY_LEAF_PAGES - 1);
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    uint64_t link = __builtin_expect(page < memory->open, 1) ? link_at(memory, page) : 0;
    uint64_t *slot = touch_slot(link, index);
    *out = frame; /* before the stores, after which the compiler would read it again */
    if (__builtin_expect(slot == NULL, 0)) {
        memory_touch_failed(memory, frame);
        return false;
    }
    *slot = out->value | SLOT_PRESENT;
    link_node(link)->filled++;
    memory->resident++;
    return true;
}

#endif
