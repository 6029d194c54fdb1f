/*
 * The tree that an object's pages hang in: what the files of memory objects share.
 *
 * A link is one word: 0, a node, or (on the lowest level above the leaf nodes) a block of 2 MiB. A node of
 * level n has 512 links or, on level 0, 512 slots for pages; the root of a small object has fewer, a power of
 * two. An object of less than 2 MiB has a leaf node for its root; all others have leaf nodes below, so that a
 * block has a link to hang on.
 *
 * Leaf nodes are counted and shared between clones; inner nodes are not. Who has a leaf node changes it only
 * while it is not shared. Then no other object sees it; that it stops being shared can be seen at any time.
 *
 * Of a leaf node with a block `under` it, an empty slot stands for the page of the block; the node holds a
 * share of the block. A hole is a page that was given back there.
 *
 * All functions want the object's lock held, but for those on nodes that nobody else sees.
 */
#ifndef QUIRE_KERNEL_MEMORY_TREE_H
#define QUIRE_KERNEL_MEMORY_TREE_H

#include "kernel/mm/charged.h"
#include "kernel/mm/memory.h"
#include "kernel/sched/thread.h"

#define NODE_SHIFT     9u
#define NODE_SLOTS     512u
#define NODE_LEAST     8u /* slots of the smallest */
#define BLOCK_ORDER    9u
#define HEIGHT_MOST    3u
#define MEMORY_LARGEST ((uint64_t)1 << 36) /* pages of the largest object */

/* How many leaf nodes or blocks are looked at, and how many pages changed, while the lock is held. */
#define STEP_LEAVES 16u
#define STEP_PAGES  64u

#define SLOT_FRAME   (((uint64_t)1 << 40) - 1)
#define SLOT_PRESENT ((uint64_t)1 << 40)
#define SLOT_HOLE    ((uint64_t)1 << 41)
#define SLOT_PIN     ((uint64_t)1 << 48) /* one of up to 65,535 */
#define SLOT_PINS    (~(uint64_t)0 << 48)

#define LINK_BLOCK 1u

struct memory_node {
    uint64_t *slots;
    uint32_t references; /* atomic: objects that have it */
    uint16_t capacity;   /* slots */
    uint16_t filled;     /* slots that are not 0 */
    uint16_t pinned;     /* slots with pins */
    bool counted;        /* atomic: frames in it may have other holders */
    bool has_under;
    pfn_t under;
};

static inline struct memory_node *link_node(uint64_t link)
{
    return (struct memory_node *)(uintptr_t)link;
}

static inline uint64_t node_link(struct memory_node *node)
{
    return (uintptr_t)node;
}

static inline bool link_is_block(uint64_t link)
{
    return (link & LINK_BLOCK) != 0;
}

static inline pfn_t link_block(uint64_t link)
{
    return pfn(link >> 1);
}

static inline uint64_t block_link(pfn_t first)
{
    return first.value << 1 | LINK_BLOCK;
}

static inline pfn_t slot_frame(uint64_t slot)
{
    return pfn(slot & SLOT_FRAME);
}

static inline bool node_is_shared(const struct memory_node *node)
{
    return __atomic_load_n(&node->references, __ATOMIC_ACQUIRE) > 1;
}

/* May frames of the node have other holders? Once it is the object's alone that stays as it is. */
static inline bool node_is_counted(const struct memory_node *node)
{
    return __atomic_load_n(&node->counted, __ATOMIC_RELAXED);
}

/* May a frame in this node, which is the object's alone, have other holders? */
static inline bool node_shares_frame(const struct memory_node *node, pfn_t frame)
{
    return node_is_counted(node) && frame_is_shared(frame);
}

/* Where the link for the leaf node or block of this page is; NULL when nodes above are missing. */
static inline uint64_t *link_find(struct memory *memory, uint64_t page)
{
    uint64_t *link = &memory->root;
    for (uint32_t level = memory->height; level > 0; level--) {
        if (*link == 0) {
            return NULL;
        }
        link = &link_node(*link)->slots[page >> NODE_SHIFT * level & (NODE_SLOTS - 1)];
    }
    return link;
}

/* What is there for the 2 MiB around this page: a link, or 0. */
static inline uint64_t link_at(struct memory *memory, uint64_t page)
{
    const uint64_t *link = link_find(memory, page);
    return link != NULL ? *link : 0;
}

/* --- sizes and what they cost -----------------------------------------------------------------------------
 */

uint32_t height_for(uint64_t pages);

/* Slots that the root of such an object needs. */
uint32_t root_capacity_for(uint64_t pages, uint32_t height);

/* Leaves that so many pages need. */
static inline uint64_t pages_leaves(uint64_t pages)
{
    return (pages >> NODE_SHIFT) + ((pages & (NODE_SLOTS - 1)) != 0);
}

struct memory_cost {
    uint64_t frames, bytes;
};

/* Of a node; of all nodes that such an object can have, and with its pages. */
struct memory_cost node_cost(uint32_t capacity);
struct memory_cost object_cost(uint64_t pages, uint32_t height, uint32_t root_capacity);

/* Charge the object's account, and note that. ERR_LIMIT. */
enum error memory_charge(struct memory *memory, struct memory_cost cost) MUST_CHECK;
void memory_refund(struct memory *memory, struct memory_cost cost);

/* The same for what only sparse objects pay when it comes to be. */
static inline enum error MUST_CHECK sparse_charge(struct memory *memory, struct memory_cost cost)
{
    return memory->sparse ? memory_charge(memory, cost) : ERR_NONE;
}

static inline void sparse_refund(struct memory *memory, struct memory_cost cost)
{
    if (memory->sparse) {
        memory_refund(memory, cost);
    }
}

/* A block pays for the leaf node that may have to take its place. */
static inline struct memory_cost block_cost(void)
{
    struct memory_cost cost = node_cost(NODE_SLOTS);
    cost.frames += MEMORY_LEAF_PAGES;
    return cost;
}

/* --- nodes ------------------------------------------------------------------------------------------------
 */

/* An empty node with one reference; its charge is the caller's business. ERR_NO_MEMORY. */
enum error node_make(const struct memory *memory, uint32_t capacity, struct memory_node **out) MUST_CHECK;

/* A node for an empty link on this level, charged if the object is sparse. ERR_LIMIT, ERR_NO_MEMORY. */
enum error level_make(struct memory *memory, uint32_t level, struct memory_node **out) MUST_CHECK;

/* The node alone, not what is in it. */
void node_free(struct memory_node *node);

/* More slots for a node that is not shared. ERR_NO_MEMORY. */
enum error node_widen(const struct memory *memory, struct memory_node *node, uint32_t capacity) MUST_CHECK;

/*
 * One reference less of a leaf node, or one holder less of a block: no view of the object shows its pages any
 * more. Needs no lock: it is in no tree of the caller's. Takes as long as giving back 512 pages. Returns how
 * many it gave up: those of the block, or all of the node.
 */
uint64_t link_release(uint64_t link);

/*
 * The same where a view that showed them is gone and CPUs may remember it until this request is answered: by
 * way of the quarantine. A leaf node that others have, too, is waited for: who has it alone then writes to
 * its pages. The caller may hold no lock that those who answer hold with interrupts off.
 */
uint64_t link_retire(uint64_t link, uint64_t request);

/* The link for this page, with the nodes above it made. ERR_LIMIT, ERR_NO_MEMORY; nodes that were made stay.
 */
enum error link_make(struct memory *memory, uint64_t page, uint64_t **out) MUST_CHECK;

/* Fill an empty link that link_make made. */
void link_set(struct memory *memory, uint64_t page, uint64_t *link, uint64_t value);

/* Empty the link of this page, and take away inner nodes that have become empty, with those made in vain. */
void link_clear(struct memory *memory, uint64_t page);

/* The first leaf, in units of 512 pages, from this one on that has a node or block; `end` when there is none.
 * Looks at no more than some hundred links: `*more` when it stopped for that, at what it returns. */
uint64_t leaf_next(struct memory *memory, uint64_t leaf, uint64_t end, bool *more);

/* --- leaf nodes (memory_leaf.c) ---------------------------------------------------------------------------
 */

/* The leaf node for this page, made if there is none, the object's alone. Not where a block is. ERR_LIMIT,
 * ERR_NO_MEMORY. */
enum error leaf_own(struct memory *memory, uint64_t page, struct memory_node **out) MUST_CHECK;

/* More slots for the leaf node that is the root. ERR_NO_MEMORY. */
enum error leaf_widen_root(struct memory *memory, uint32_t capacity) MUST_CHECK;

/* The same where a block is: it is split into pages when nobody shares it (the frames stay what they are, so
 * views stay right), else a node comes over it, and views are hidden. ERR_NO_MEMORY. */
enum error leaf_from_block(struct memory *memory, uint64_t page, struct memory_node **out) MUST_CHECK;

/* Is the block under this node, which is not shared, the node's alone now? Then its frames go into the slots.
 */
void leaf_absorb(struct memory *memory, uint64_t page, struct memory_node *leaf);

/* Let go of the block under the node, if all slots are filled. */
void leaf_drop_under(struct memory *memory, uint64_t page, struct memory_node *leaf);

/* Is the page of this slot there? */
static inline bool leaf_has(const struct memory_node *leaf, uint64_t index)
{
    return (leaf->slots[index] & SLOT_PRESENT) != 0 || (leaf->has_under && leaf->slots[index] == 0);
}

/* How many pages there are in a leaf node. */
uint64_t leaf_resident(const struct memory_node *leaf);

/* --- views ------------------------------------------------------------------------------------------------
 */

/*
 * Hide pages in all views, or take the right to write, and make all CPUs forget: at once, so the caller sees
 * to it before that these are ready for it. That the views are few, or the range is under the caller's veil:
 * then there is nothing left to be done.
 */
void views_hide(struct memory *memory, uint64_t first, uint64_t count);
void views_restrict(struct memory *memory, uint64_t first, uint64_t count);
void views_flush(struct memory *memory, uint64_t first, uint64_t count);
bool views_are_ready(const struct memory *memory, uint64_t first, uint64_t count);

/* So many views are done at once; with each, at most the pages of STEP_LEAVES leaves, over all of them. */
#define VIEWS_FEW 8u
bool views_are_few(const struct memory *memory);

/* How many leaves can be hidden at once, of a range that is ready. */
unsigned views_leaves(const struct memory *memory, uint64_t first, uint64_t count);

static inline bool views_are_many(const struct memory *memory)
{
    return memory->views.next != memory->views.previous;
}

/* --- veils ------------------------------------------------------------------------------------------------
 */

/* The caller's turn: nobody else gets a veil until veil_lift. The object is locked; not on failure, and not
 * while it waits. ERR_CANCELLED when killed. */
enum error veil_take(struct memory *memory) MUST_CHECK;

/* Draw it over the range, with the leaves at its ends: then hide that in all views, or with `hide` false take
 * the right to write, in steps. The object is locked, but not in between. */
void veil_draw(struct memory *memory, uint64_t first, uint64_t count, bool hide);

/* Both for the leaf of a page. Holds no lock. */
enum error veil_leaf(struct memory *memory, uint64_t page) MUST_CHECK;

/* The end of the turn, if it is the caller's, and of the veil. The object is locked; or holds no lock. */
void veil_lift(struct memory *memory);
void veil_end(struct memory *memory);

static inline bool veil_is_mine(const struct memory *memory)
{
    return __atomic_load_n(&memory->veil.owner, __ATOMIC_RELAXED) == thread_current();
}

/* After the size or the veil has changed. */
static inline void memory_set_open(struct memory *memory)
{
    uint64_t pages = memory->pages.value, first = memory->veil.first;
    memory->open = memory->veil.count > 0 && first < pages ? first : pages;
}

static inline void memory_set_pages(struct memory *memory, uint64_t pages)
{
    __atomic_store_n(&memory->pages.value, pages, __ATOMIC_RELAXED);
    memory_set_open(memory);
}

/* --- between the files ------------------------------------------------------------------------------------
 */

/* As memory_fault, for who is not one of the views: all are hidden and flushed where a page is replaced. */
enum error memory_get(struct memory *memory, uint64_t page, bool write, struct memory_page *out) MUST_CHECK;

/* Put a zeroed block where nothing is. ERR_EXISTS when something is, or it has no place; ERR_LIMIT,
 * ERR_NO_MEMORY: the block is still the caller's. */
enum error block_put(struct memory *memory, uint64_t page, pfn_t first) MUST_CHECK;

/* Fill the GiB that begins with this page with blocks that lie in a row, if all of it is inside and empty and
 * the machine has such memory; else nothing, or a part, is there after it. In steps. Holds no lock. */
#define MEMORY_HUGE_PAGES ((uint64_t)1 << 18)
void memory_fill_huge(struct memory *memory, uint64_t page);

/* Make the nodes at the edges of the range the object's own, so that memory_remove cannot fail. The range
 * ends at an edge of a node, or at `end` of the object. */
enum error memory_prepare_edges(struct memory *memory, uint64_t first, uint64_t count) MUST_CHECK;

/* Give all pages of the range back, but those that are pinned. The object is locked by
 * memory_lock_for_removal, and not on return. In steps. */
void memory_remove(struct memory *memory, uint64_t first, uint64_t count);

/* Put a page where there is none; a leaf node that is the object's alone. */
static inline void leaf_put(struct memory *memory, struct memory_node *leaf, uint64_t index, pfn_t frame)
{
    leaf->filled += leaf->slots[index] == 0;
    leaf->slots[index] = frame.value | SLOT_PRESENT;
    memory->resident++;
}

/* Resizes and clones of one object, in steps, come one after the other. Holds no lock. ERR_CANCELLED when
 * killed. */
enum error memory_begin(struct memory *memory) MUST_CHECK;
void memory_end(struct memory *memory);

/* Lock the object, to give the range back: unless pages of it are pinned, which is looked for in steps. With
 * the caller's turn where it takes steps, and a veil where many views show it; memory_remove is the end of
 * both, or veil_lift. ERR_NOT_READY; ERR_CANCELLED when killed. */
enum error memory_lock_for_removal(struct memory *memory, uint64_t first, uint64_t count) MUST_CHECK;

/* A new object of this kind, with nothing in it and nothing paid. */
enum error memory_new(struct account *account, enum memory_kind kind, pages_t pages,
                      struct memory **out) MUST_CHECK;

/* Pages of anonymous and paged objects are there to be changed. */
static inline bool memory_has_tree(const struct memory *memory)
{
    return memory->kind != MEMORY_PHYSICAL;
}

/* Is this range inside the object? */
static inline bool memory_covers(const struct memory *memory, uint64_t first, uint64_t count)
{
    uint64_t pages = __atomic_load_n(&memory->pages.value, __ATOMIC_RELAXED);
    return count <= pages && first <= pages - count;
}

void note_promoted(void);
void note_demoted(void);

#endif
