/*
 * Memory for pages of 1 GiB. The tree knows blocks of 2 MiB and no larger ones: here 512 of them come from
 * one block of the allocator, so that they lie in a row, and who shows them can do that with one huge leaf.
 * From then on each of them is a block as any other.
 */
#include "kernel/mm/contents.h"
#include "kernel/mm/memory_tree.h"

#define HUGE_ORDER 18u
#define HUGE_PAGES MEMORY_HUGE_PAGES

_Static_assert(HUGE_PAGES >> HUGE_ORDER == 1, "a block of the allocator");
_Static_assert(HUGE_ORDER < FRAME_ORDERS, "the allocator has such blocks");

/* Is nothing there yet? */
static bool is_empty(struct memory *memory, uint64_t page)
{
    uint64_t leaf = page >> NODE_SHIFT, end = leaf + (HUGE_PAGES >> NODE_SHIFT);
    bool more = true, inside = true;
    while (inside && more && leaf < end) {
        spin_lock(&memory->lock);
        inside = memory->height > 0 && memory_covers(memory, page, HUGE_PAGES);
        leaf = inside ? leaf_next(memory, leaf, end, &more) : leaf;
        spin_unlock(&memory->lock);
    }
    return inside && leaf >= end;
}

/* A cleared block of 1 GiB as blocks of 2 MiB, if there is one that nobody has to be disturbed for. */
static bool take(const struct memory *memory, pfn_t *first)
{
    uint32_t account = memory->object.account->number;
    if (inject_fails() ||
        frame_alloc_modestly(HUGE_ORDER, FRAME_USER_ANONYMOUS, account, first) != ERR_NONE) {
        return false;
    }
    if (contents_zero_block(*first, HUGE_ORDER) != ERR_NONE ||
        frame_split(*first, HUGE_ORDER, BLOCK_ORDER) != ERR_NONE) {
        frame_release(*first, HUGE_ORDER);
        return false;
    }
    return true;
}

void memory_fill_huge(struct memory *memory, uint64_t page)
{
    pfn_t first;
    if (memory->kind != MEMORY_ANONYMOUS || !is_empty(memory, page) || !take(memory, &first)) {
        return;
    }
    for (uint64_t i = 0; i < HUGE_PAGES; i += MEMORY_LEAF_PAGES) {
        if (memory_put_block(memory, page + i, pfn(first.value + i)) ==
            ERR_NONE) { /* else a fault was quicker */
            memory_fault_unlock(memory);
        }
    }
}
