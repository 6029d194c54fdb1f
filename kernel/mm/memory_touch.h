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

/* --- blocks of 2 MiB --------------------------------------------------------------------------------------
 */

/* Where so many blocks in a row could be put, the next one is taken to fit without a look. Two, since who
 * shows what another has just touched is to look, not to clear a block in vain each time. */
#define BLOCKS_ARE_LIKELY 2u

/* Until then none is tried, since one was not to be had: a time, or 0. Atomic. */
extern uint64_t memory_no_blocks_until;

/* Would a block be put around this page? Looks, with the object's lock. */
bool memory_looks_for_block(struct memory *memory, uint64_t page) MUST_CHECK;

/* The same, where that is not likely anyway: putting it tells. Not for a while after one was not to be had.
 */
static inline MUST_CHECK bool memory_wants_block(struct memory *memory, uint64_t page)
{
    uint64_t last = page | (MEMORY_LEAF_PAGES - 1);
    bool likely = __atomic_load_n(&memory->blocks_in_row, __ATOMIC_RELAXED) >= BLOCKS_ARE_LIKELY &&
                  last < __atomic_load_n(&memory->pages.value, __ATOMIC_RELAXED);
    if (__builtin_expect(!likely, 0) ||
        __builtin_expect(__atomic_load_n(&memory_no_blocks_until, __ATOMIC_RELAXED) != 0, 0)) {
        return memory_looks_for_block(memory, page);
    }
    return true;
}

/* None is tried for a while. */
void memory_has_no_blocks(void);

/* A zeroed block for an object of this account, which is the caller's. Others run meanwhile: holds no lock.
 * ERR_NO_MEMORY: none is wanted for a while; ERR_CANCELLED when killed. */
static inline MUST_CHECK enum error memory_make_block(uint32_t account, pfn_t *first)
{
    enum error error = inject_fails() ? ERR_NO_MEMORY : zeroed_take_block(account, first);
    if (__builtin_expect(error == ERR_NO_MEMORY, 0)) {
        memory_has_no_blocks();
    }
    return error;
}

/* A block was put. The object is locked. */
static inline void blocks_note_put(struct memory *memory)
{
    memory->resident += MEMORY_LEAF_PAGES;
    memory->large += MEMORY_LEAF_PAGES;
    if (__builtin_expect(memory->blocks_in_row < BLOCKS_ARE_LIKELY, 0) && !memory->sparse) {
        __atomic_store_n(&memory->blocks_in_row, (uint8_t)(memory->blocks_in_row + 1), __ATOMIC_RELAXED);
    }
}

/* The node that has the link of this page's block, where there is nothing yet; NULL when it is not there, or
 * has something. The object is locked. */
static inline struct memory_node *block_parent(struct memory *memory, uint64_t page, uint64_t **link)
{
    struct memory_node *node = NULL;
    *link = &memory->root;
    for (uint32_t level = memory->height; level > 0; level--) {
        if (**link == 0) {
            return NULL;
        }
        node = link_node(**link);
        *link = &node->slots[page >> NODE_SHIFT * level & (NODE_SLOTS - 1)];
    }
    return **link == 0 ? node : NULL;
}

/* memory_put_block where all nodes above are there and nothing is to be paid, which the first block of an
 * object has seen to. False: it is not as simple as that, nothing has changed, and the object is not locked.
 */
static inline MUST_CHECK bool memory_touch_block(struct memory *memory, uint64_t page, pfn_t first)
{
    uint64_t *link;
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    bool plain = memory->blocks_in_row > 0 && (page | (MEMORY_LEAF_PAGES - 1)) < memory->open;
    struct memory_node *node = plain ? block_parent(memory, page, &link) : NULL;
    if (__builtin_expect(node == NULL, 0)) {
        spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
        return false;
    }
    *link = block_link(first);
    node->filled++;
    blocks_note_put(memory);
    return true;
}

/* --- single pages -----------------------------------------------------------------------------------------
 */

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
