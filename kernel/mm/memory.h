/*
 * Memory objects: an array of pages with a source. Anonymous ones are zeroed memory that is there when it is
 * touched; physical ones are a range of addresses that belongs to somebody else, such as a device; paged ones
 * get their pages from a pager. Any number of spaces see an object, each through views (below). A clone is a
 * new object that has the same contents, and shares the frames until either writes.
 *
 * The pages hang in a tree: docs/memory.md draws it. Leaf nodes, which stand for 2 MiB each, are shared with
 * clones and frozen while they are; a block of 2 MiB can take the place of a leaf node.
 *
 * An object pays for each page that it has, shared or not, so that writing to a shared page cannot fail for
 * the limit; and, unless it is sparse, for all its pages from the start.
 */
#ifndef QUIRE_KERNEL_MEMORY_H
#define QUIRE_KERNEL_MEMORY_H

#include "abi/error.h"
#include "kernel/lib/list.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/frame_share.h"
#include "kernel/obj/object.h"
#include "kernel/sched/spinlock.h"
#include "kernel/sched/wait.h"
#include "lib/units.h"

enum memory_kind { MEMORY_ANONYMOUS, MEMORY_PHYSICAL, MEMORY_PAGED };

struct memory_view;
struct memory_pager;
struct thread;

/*
 * A range of the object that a space shows: see below, at views.
 */
struct memory_view {
    struct list node;
    uint64_t first, count; /* pages of the object; guarded by the object's lock */
    const struct memory_view_kind *kind;
    uint64_t passed; /* the last walk that has been there, or need not come; guarded by the object's lock */
};

/*
 * What CPUs may still remember of views that are gone: one more view, of all of the object, for as long as
 * this request is not known to be answered. Guarded by the object's lock.
 */
struct memory_afterimage {
    struct memory_view view;
    uint64_t request; /* 0: there is none, and the view is not in the list */
};

/*
 * A range of the object, whole leaves, of which no view gets to show anything more until it is lifted: so
 * what they show of it can be hidden in steps, however many they are, before it changes. At most one at a
 * time. Guarded by the object's lock.
 */
struct memory_veil {
    struct thread *owner;  /* who has the turn, with a veil or without; NULL: nobody. Atomic */
    uint64_t first, count; /* 0: nothing is veiled */
    bool hidden;           /* nothing of it is shown any more; else nothing can be written */
    uint64_t walk;         /* the number of the walk over the views that is under way, or was the last... */
    struct list *cursor; /* ...and behind this one in their list are those that it has not come to; or NULL */
};

struct memory {
    struct object object;

    /* Set once. */
    uint8_t kind;
    bool sparse;                /* pages are charged when they come to be, not at the start */
    unsigned cache;             /* physical: MAP_UNCACHED, MAP_COMBINE or 0 for write-back */
    pfn_t first;                /* physical: the first of the frames, which lie in a row */
    struct memory_pager *pager; /* paged; the object holds a reference */

    struct spinlock lock; /* LOCK_MEMORY */

    /* Guarded by lock; pages is atomic to read. */
    pages_t pages;
    uint64_t open;          /* pages below are inside and not veiled: where the veil begins, or `pages` */
    uint64_t root;          /* link to the tree (memory_tree.h); 0: nothing there yet */
    uint32_t height;        /* 0: root is a leaf node */
    uint32_t root_capacity; /* slots that the root has, or will have */
    uint32_t busy;          /* a resize or clone is under way in steps: the next one waits */
    bool abandoned;         /* paged: the pager is dead */
    bool absent;            /* the last page that was asked for was not there; a hint, atomic */
    uint8_t blocks_in_row;  /* blocks that were put where one was wanted, up to a few; a hint, atomic */
    uint64_t resident;      /* pages that are there, those in blocks too */
    uint64_t large;         /* of them, in blocks of 2 MiB */
    uint64_t pins;          /* pages that are pinned, each as often as it is; atomic to read */
    uint64_t ever_pinned;   /* the same, but never less */
    uint64_t paid_frames;   /* what the account is charged: for pages and nodes... */
    uint64_t paid_bytes;    /* ...and for their records */
    struct list views;
    struct memory_afterimage afterimage;
    struct memory_veil veil;
    struct list requests;      /* paged: pages that the pager was asked for */
    struct wait_queue waiting; /* for `busy` to end, or a veil to be lifted */
};

OBJECT_WRAPPERS(memory)

#define MEMORY_LEAF_PAGES 512u

/* --- views -----------------------------------------------------------------------------------------------
 */

/*
 * A range of the object that a space shows. `hide` takes pages out of its tables, `restrict_` the right to
 * write. `flush` comes after any number of them, before what they showed is used for something else; it asks
 * all CPUs to forget the range, and `wait` is done when they have. All are called with the object's lock
 * held, for whole pages of the object inside the view, and cannot fail: where a large leaf reaches beyond the
 * range, more may be hidden than was asked. The first two say how many leaves that were. A view is removed
 * only when no CPU can translate through it any more, or when its place is taken by the afterimage: then all
 * CPUs have been asked to forget it.
 */

struct memory_view_kind {
    uint64_t (*hide)(struct memory_view *view, uint64_t first, uint64_t count);
    uint64_t (*restrict_)(struct memory_view *view, uint64_t first, uint64_t count);
    void (*flush)(struct memory_view *view, uint64_t first, uint64_t count);
    void (*wait)(struct memory_view *view);
};

/* A new view, which shows nothing yet: a walk that is under way need not come to it. */
static inline void memory_view_add(struct memory *memory, struct memory_view *view)
{
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    view->passed = memory->veil.walk;
    list_prepend(&memory->views, &view->node);
    spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
}

static inline void memory_view_remove(struct memory *memory, struct memory_view *view)
{
    spin_lock_ranked(&memory->lock, LOCK_MEMORY);
    list_cut(&view->node);
    spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
}

/* A view that shows a part of what the other one does: a walk comes to both, or has been at both. */
void memory_view_add_part(struct memory *memory, struct memory_view *view, const struct memory_view *other);

/* Before what the second one shows becomes a part of the first, with the object's lock held: if a walk has
 * yet to come to the second, it comes to the first. */
void memory_view_joins(struct memory *memory, struct memory_view *view, const struct memory_view *other);

/* How many there are. */
uint32_t memory_count_views(struct memory *memory);

/* Before a view is removed that other CPUs may remember until they have answered this request. */
void memory_view_lingers(struct memory *memory, uint64_t request);

/* --- making ----------------------------------------------------------------------------------------------
 */

#define MEMORY_SPARSE 1u

/* An anonymous object of zeroed pages. ERR_LIMIT, ERR_NO_MEMORY. */
enum error memory_make(struct account *account, pages_t pages, unsigned flags,
                       struct memory **out) MUST_CHECK;

/* An object over frames that stay somebody else's for good; `cache` is MAP_UNCACHED, MAP_COMBINE or 0. */
enum error memory_make_physical(struct account *account, pfn_t first, pages_t pages, unsigned cache,
                                struct memory **out) MUST_CHECK;

/*
 * A copy of an anonymous object, whose pages are shared until one of the two writes; takes time in proportion
 * to the nodes of the tree and the tables that show it. In steps: others run in between, and what they write
 * while it lasts may or may not be in the copy. ERR_LIMIT, ERR_NO_MEMORY, ERR_CANCELLED (killed),
 * ERR_UNSUPPORTED for other kinds, ERR_NOT_READY while pages are pinned (a device would go on writing to what
 * is shared).
 */
enum error memory_clone(struct memory *memory, struct account *account, struct memory **out) MUST_CHECK;

void memory_destroy(struct object *object);

/* --- pages -----------------------------------------------------------------------------------------------
 */

/* Why a page is not to be had at once: a pager has to be asked; it is veiled; or it takes a veil to have it.
 */
enum memory_lack { LACKS_CONTENTS, LACKS_SIGHT, LACKS_VEIL };

/* What memory_fault has found: the frame, or the block of 512 frames, for a page. */
struct memory_page {
    pfn_t frame; /* of the page asked for; with `large` the first of the block */
    bool large;
    bool writable; /* it may be written: nobody shares it */
    bool dropped;  /* `old` was in its place, and this object holds it no more: memory_page_drop after the
                      flush */
    bool full;     /* with it, the 2 MiB around are all there in single pages: memory_promote may be called */
    uint8_t old_order;
    uint8_t lacks; /* with ERR_NOT_READY: enum memory_lack */
    pfn_t old;
};

/*
 * The page, made if it is not there; with `write` so that it can be written. `large`: the caller can show the
 * whole 2 MiB around it, if there is a block. On success the
 * object is locked, so that the page stays until it is in the tables: then memory_fault_unlock, the caller's
 * flush if it replaced a present entry, and memory_page_drop. Nothing here waits or lets others run, so the
 * caller may hold its space's lock. With more than one view, all have been hidden and flushed when a page was
 * replaced; with one only, it is taken to be the caller's, who replaces the entry. A large leaf may still be
 * in the place of a page that is none of a block any more (its frames were the same until now): the caller
 * takes it out. ERR_BAD_ARGUMENT beyond the end; ERR_LIMIT, ERR_NO_MEMORY; ERR_NOT_READY when it cannot be
 * had at once: `lacks` says why. The caller then drops its locks, keeping a reference to the object, calls
 * memory_await, and begins anew.
 */
enum error memory_fault(struct memory *memory, uint64_t page, bool write, bool large,
                        struct memory_page *out) MUST_CHECK;
/*
 * Ask the pager; wait until the veil is lifted; or, where many views show the page, make it the object's
 * alone under a veil. Then it may be there. Holds no lock. ERR_CANCELLED when killed; ERR_BAD_ARGUMENT,
 * ERR_LIMIT, ERR_NO_MEMORY; what the pager says.
 */
enum error memory_await(struct memory *memory, uint64_t page, const struct memory_page *found) MUST_CHECK;
static inline void memory_fault_unlock(struct memory *memory)
{
    spin_unlock_ranked(&memory->lock, LOCK_MEMORY);
}

/* What was in the page's place goes, now that no CPU sees it. */
static inline void memory_page_drop(const struct memory_page *page)
{
    if (page->dropped && frame_drop(page->old)) {
        frame_release(page->old, page->old_order);
    }
}

/*
 * memory_fault for the way that most copies are made: a page that is there, in the object's own node, whose
 * frame others hold, too, and that one view shows. On success the object is locked, the old frame is to be
 * dropped as memory_page_drop does. False: it is not as simple as that, and nothing has changed.
 */
bool memory_unshare(struct memory *memory, uint64_t page, pfn_t *copy, pfn_t *old) MUST_CHECK;

/*
 * A block where nothing is, in three parts, so that no lock is held while it is cleared: memory_wants_block,
 * memory_make_block (memory_touch.h), and this. Put it, if there still is nothing: the object is locked then,
 * until memory_fault_unlock. ERR_EXISTS: there is no place for it any more; ERR_LIMIT, ERR_NO_MEMORY: a
 * single page may do. It has been given back then.
 */
enum error memory_put_block(struct memory *memory, uint64_t page, pfn_t first) MUST_CHECK;

/*
 * Make a block of the 2 MiB around the page, if they are all there in pages that are the object's alone: at
 * once when the frames lie in a row, else with `copy` by moving them, in steps. True when it is one now,
 * which no view shows yet. Holds no lock.
 */
bool memory_promote(struct memory *memory, uint64_t page, bool copy);

/* Blocks that were made of pages, and that were taken apart, since the start. */
void memory_count_changes(uint64_t *promoted, uint64_t *demoted);

/* For the kernel's own writing at boot: makes the page writable and returns its frame. Nobody maps it yet,
 * and nobody else has the object. */
enum error memory_frame(struct memory *memory, uint64_t page, pfn_t *out) MUST_CHECK;

/*
 * Look up pages that are there from `page` on, without making any: up to `most` in a row whose frames lie in
 * a row too. Returns how many (0: that page is not there), and whether they may be written. The object is
 * locked by the caller.
 */
uint64_t memory_run(struct memory *memory, uint64_t page, uint64_t most, pfn_t *frame, bool *writable);

/* A page that is not there: how many there are like it from it on, at least; 1..most. Whole 2 MiB are passed
 * at once, as far as that is quick. The object is locked by the caller. */
uint64_t memory_gap(struct memory *memory, uint64_t page, uint64_t most);

/* Would these pages have to wait for a veil to be lifted? The object is locked by the caller. And: wait, with
 * no lock held. ERR_CANCELLED when killed. */
static inline bool memory_is_veiled(const struct memory *memory, uint64_t first, uint64_t count)
{
    return first + count > memory->open && first < memory->veil.first + memory->veil.count;
}
enum error memory_await_sight(struct memory *memory) MUST_CHECK;

/* --- changing: in steps, others run in between; whole pages; holds no locks --------------------------------
 */

/* Make the pages there. ERR_BAD_ARGUMENT outside the object; ERR_LIMIT, ERR_NO_MEMORY, ERR_CANCELLED: those
 * made stay. */
enum error memory_commit_pages(struct memory *memory, uint64_t first, uint64_t count) MUST_CHECK;

/*
 * Give pages back: they read as zero again. Prepare finds pinned pages (ERR_NOT_READY, nothing is changed),
 * and makes the nodes at the edges the object's own (ERR_LIMIT, ERR_NO_MEMORY; ERR_BAD_ARGUMENT outside the
 * object; ERR_CANCELLED when killed; and ERR_UNSUPPORTED for physical ones). On success the object is locked
 * until commit, which cannot fail, or cancel. Pages that are pinned while the commit is under way stay.
 */
struct memory_decommit_plan {
    struct memory *memory;
    uint64_t first, count;
};
enum error memory_decommit_prepare(struct memory *memory, uint64_t first, uint64_t count,
                                   struct memory_decommit_plan *plan) MUST_CHECK;
void memory_decommit_commit(struct memory_decommit_plan *plan);
void memory_decommit_cancel(struct memory_decommit_plan *plan);

/*
 * Another size. Growing charges as making does; shrinking gives back as decommit does, and views beyond the
 * end fault. ERR_LIMIT, ERR_NO_MEMORY; ERR_NOT_READY when pages beyond are pinned; ERR_CANCELLED when killed
 * while another resize or a clone is under way; ERR_UNSUPPORTED for physical ones, ERR_TOO_LARGE. Nothing is
 * changed then.
 */
enum error memory_resize(struct memory *memory, pages_t pages) MUST_CHECK;

/*
 * Pages that stay where they are until unpinned, made and private; where they are in `frames`. For DMA: who
 * pins keeps a reference, since an object that goes gives its pages back. On failure none is pinned:
 * ERR_BAD_ARGUMENT outside the object (unpin: or when one is not pinned), ERR_LIMIT, ERR_NO_MEMORY,
 * ERR_CANCELLED, ERR_TOO_LARGE when pinned too often.
 */
enum error memory_pin(struct memory *memory, uint64_t first, uint64_t count, paddr_t *frames) MUST_CHECK;
enum error memory_unpin(struct memory *memory, uint64_t first, uint64_t count) MUST_CHECK;

/* One byte for each page from `first` on: MEMORY_PAGE_* of abi/memory.h; 0 beyond the end. In steps; holds no
 * lock. */
void memory_query(struct memory *memory, uint64_t first, uint64_t count, uint8_t *out);

#endif
