/*
 * The views of a memory object, and what is hidden in them; see memory.h and memory_tree.h.
 *
 * Few views are done at once, where something changes. Of many, what they show is hidden before, in steps,
 * behind a veil: a walk goes over their list, with a mark of its own in it, and lets others run in between.
 * Whatever they do to the list meanwhile, views that are behind the mark are those that the walk has yet to
 * come to. New ones are put before it, since they cannot show what is veiled; the parts of a view stay
 * together; and where a view that is behind the mark becomes part of one that is not, this one is put there.
 */
#include "kernel/debug/panic.h"
#include "kernel/mm/memory_tree.h"
#include "kernel/mm/tlb.h"
#include "kernel/sched/steps.h"

/* In a step of a walk: views; and the most that may be hidden in them. */
#define WALK_VIEWS 16u
#define WALK_PAGES ((uint64_t)STEP_LEAVES * MEMORY_LEAF_PAGES)

/* Cut the range to what the view has of it; false when that is nothing. */
static bool cut(const struct memory_view *view, uint64_t *first, uint64_t *count)
{
    uint64_t start = *first > view->first ? *first : view->first;
    uint64_t view_end = view->first + view->count;
    uint64_t end = *first + *count < view_end ? *first + *count : view_end;
    *first = start;
    *count = start < end ? end - start : 0;
    return start < end;
}

static struct memory_view *view_of(struct list *node)
{
    return LIST_ENTRY(node, struct memory_view, node);
}

/* --- what is in the list and shows nothing ----------------------------------------------------------------
 */

/* Nothing of it is in any tables, and who removed the views has asked the CPUs to forget. */
static uint64_t nothing_changes(struct memory_view *view, uint64_t first, uint64_t count)
{
    (void)view;
    (void)first;
    (void)count;
    return 0;
}

static void nothing_to_flush(struct memory_view *view, uint64_t first, uint64_t count)
{
    (void)view;
    (void)first;
    (void)count;
}

static void afterimage_wait(struct memory_view *view)
{
    tlb_wait_for(LIST_ENTRY(view, struct memory_afterimage, view)->request);
}

static const struct memory_view_kind afterimage_kind = {nothing_changes, nothing_changes, nothing_to_flush,
                                                        afterimage_wait};

void memory_view_lingers(struct memory *memory, uint64_t request)
{
    struct memory_afterimage *image = &memory->afterimage;
    spin_lock(&memory->lock);
    if (image->request == 0) {
        image->view = (struct memory_view){.count = UINT64_MAX, .kind = &afterimage_kind};
        list_append(&memory->views, &image->view.node);
    }
    image->request = image->request > request ? image->request : request;
    spin_unlock(&memory->lock);
}

/* All views have been passed, so nothing else can be remembered than what is in the image. */
static void afterimage_settle(struct memory *memory)
{
    if (memory->afterimage.request != 0) {
        afterimage_wait(&memory->afterimage.view);
        list_cut(&memory->afterimage.view.node);
        memory->afterimage.request = 0;
    }
}

/* The mark of a walk. */
static void nothing_to_wait_for(struct memory_view *view)
{
    (void)view;
}

static const struct memory_view_kind mark_kind = {nothing_changes, nothing_changes, nothing_to_flush,
                                                  nothing_to_wait_for};

/* --- the list ---------------------------------------------------------------------------------------------
 */

void memory_view_add_part(struct memory *memory, struct memory_view *view, const struct memory_view *other)
{
    spin_lock(&memory->lock);
    list_insert_before(other->node.next, &view->node);
    view->passed = other->passed;
    spin_unlock(&memory->lock);
}

void memory_view_joins(struct memory *memory, struct memory_view *view, const struct memory_view *other)
{
    const struct memory_veil *veil = &memory->veil;
    if (veil->cursor != NULL && other->passed != veil->walk) {
        list_cut(&view->node);
        list_insert_before(veil->cursor->next, &view->node);
        view->passed = other->passed;
    }
}

uint32_t memory_count_views(struct memory *memory)
{
    uint32_t views = 0;
    spin_lock(&memory->lock);
    LIST_FOR_EACH(node, &memory->views)
    {
        views += node != &memory->afterimage.view.node && node != memory->veil.cursor;
    }
    spin_unlock(&memory->lock);
    return views;
}

/* Not more than this are counted. */
static unsigned count_to(const struct memory *memory, unsigned most)
{
    unsigned views = 0;
    for (const struct list *node = memory->views.next; node != &memory->views && views < most;
         node = node->next) {
        views += node != &memory->afterimage.view.node;
    }
    return views;
}

bool views_are_few(const struct memory *memory)
{
    return !views_are_many(memory) || count_to(memory, VIEWS_FEW + 1) <= VIEWS_FEW;
}

static bool is_under(const struct memory_veil *veil, uint64_t first, uint64_t count)
{
    return veil->count > 0 && first >= veil->first && first + count <= veil->first + veil->count;
}

bool views_are_ready(const struct memory *memory, uint64_t first, uint64_t count)
{
    return views_are_few(memory) || (veil_is_mine(memory) && is_under(&memory->veil, first, count));
}

unsigned views_leaves(const struct memory *memory, uint64_t first, uint64_t count)
{
    if (veil_is_mine(memory) && is_under(&memory->veil, first, count)) {
        return STEP_LEAVES;
    }
    unsigned views = count_to(memory, VIEWS_FEW);
    return views > 1 ? STEP_LEAVES / views : STEP_LEAVES;
}

/* --- at once ----------------------------------------------------------------------------------------------
 */

/* Is it hidden in all views (or, without `hide`, not to be written) since the caller drew the veil? If not,
 * they must be few. */
static bool is_done(const struct memory *memory, uint64_t first, uint64_t count, bool hide)
{
    bool done = veil_is_mine(memory) && is_under(&memory->veil, first, count) && memory->veil.hidden >= hide;
    ASSERT(done || views_are_few(memory));
    return done;
}

/* Ask all CPUs to forget, for the views from this one to before that one, and wait for them. */
static __attribute__((noinline)) void views_flush_some(struct list *from, const struct list *to,
                                                       uint64_t first, uint64_t count)
{
    for (struct list *node = from; node != to; node = node->next) {
        struct memory_view *view = view_of(node);
        uint64_t start = first, pages = count;
        if (cut(view, &start, &pages)) {
            view->kind->flush(view, start, pages);
        }
    }
    for (struct list *node = from; node != to; node = node->next) {
        struct memory_view *view = view_of(node);
        view->kind->wait(view);
    }
}

/* Do this to the view, as far as it shows the range. Returns how many pages that were, at most: 0 where
 * nothing was shown. */
static __attribute__((noinline)) uint64_t views_change_one(struct memory_view *view, uint64_t first,
                                                           uint64_t count, uint64_t most, bool hide)
{
    if (!cut(view, &first, &count)) {
        return 0;
    }
    uint64_t leaves = hide ? view->kind->hide(view, first, count) : view->kind->restrict_(view, first, count);
    uint64_t pages = count < most ? count : most;
    return leaves > 0 ? pages : 0;
}

static void count_work(uint64_t pages, bool hide)
{
    if (pages > 0) {
        step_work(hide ? STEP_HIDE : STEP_RIGHTS, pages);
    }
}

void views_flush(struct memory *memory, uint64_t first, uint64_t count)
{
    if (!is_done(memory, first, count, true)) {
        views_flush_some(memory->views.next, &memory->views, first, count);
        afterimage_settle(memory);
    }
}

static void views_change(struct memory *memory, uint64_t first, uint64_t count, bool hide)
{
    uint64_t pages = 0;
    if (is_done(memory, first, count, hide)) {
        return;
    }
    unsigned views = count_to(memory, VIEWS_FEW);
    uint64_t each = WALK_PAGES / (views > 0 ? views : 1); /* as views_leaves has it */
    LIST_FOR_EACH(node, &memory->views)
    {
        pages += views_change_one(view_of(node), first, count, each, hide);
    }
    count_work(pages, hide);
    views_flush_some(memory->views.next, &memory->views, first, count);
    afterimage_settle(memory);
}

void views_hide(struct memory *memory, uint64_t first, uint64_t count)
{
    views_change(memory, first, count, true);
}

void views_restrict(struct memory *memory, uint64_t first, uint64_t count)
{
    views_change(memory, first, count, false);
}

/* --- in steps ---------------------------------------------------------------------------------------------
 */

/* A step of a walk: move the mark over some views, in which the range has been hidden. True at the end. */
static bool pass_some(struct memory *memory, struct list *mark, uint64_t first, uint64_t count, bool hide)
{
    uint64_t pages = 0, each = count < WALK_PAGES ? count : WALK_PAGES;
    struct list *from = mark->next, *node = from;
    for (unsigned i = 0; node != &memory->views && i < WALK_VIEWS && pages + each <= WALK_PAGES; i++) {
        struct memory_view *view = view_of(node);
        pages += views_change_one(view, first, count, each, hide);
        view->passed = memory->veil.walk;
        node = node->next;
    }
    list_cut(mark);
    list_insert_before(node, mark);
    count_work(pages, hide);
    if (from != node) {
        views_flush_some(from, mark, first, count);
    }
    return node == &memory->views;
}

static void breathe(struct memory *memory)
{
    spin_unlock(&memory->lock);
    enum error killed = thread_preemption_point();
    (void)killed; /* who cannot go on to the end sees it himself */
    spin_lock(&memory->lock);
}

/* Over all views. In these pages there are no more leaves than are done in a step. */
static void walk(struct memory *memory, uint64_t first, uint64_t count, bool hide)
{
    struct memory_view mark = {.kind = &mark_kind};
    bool done = false;
    memory->veil.walk++;
    memory->veil.cursor = &mark.node;
    list_prepend(&memory->views, &mark.node);
    while (!done) {
        done = pass_some(memory, &mark.node, first, count, hide);
        if (done) {
            list_cut(&mark.node);
            memory->veil.cursor = NULL;
            afterimage_settle(memory);
        }
        breathe(memory);
    }
}

enum error veil_take(struct memory *memory)
{
    while (memory->veil.owner != NULL) {
        enum error error = wait_on(&memory->waiting, &memory->lock, "veil", DEADLINE_NEVER, 0);
        if (error != ERR_NONE) {
            return error;
        }
        spin_lock(&memory->lock);
    }
    __atomic_store_n(&memory->veil.owner, thread_current(), __ATOMIC_RELAXED);
    return ERR_NONE;
}

void veil_draw(struct memory *memory, uint64_t first, uint64_t count, bool hide)
{
    struct memory_veil *veil = &memory->veil;
    ASSERT(veil_is_mine(memory));
    uint64_t leaf = first >> NODE_SHIFT, end = pages_leaves(first + count);
    veil->first = leaf << NODE_SHIFT;
    veil->count = (end - leaf) << NODE_SHIFT;
    veil->hidden = false;
    memory_set_open(memory);
    while (leaf < end) {
        uint64_t low = end, high = end;
        bool more = false;
        for (unsigned i = 0; !more && leaf < end && i < STEP_LEAVES; i++) {
            leaf = leaf_next(memory, leaf, end, &more);
            if (leaf < end && !more) {
                low = leaf < low ? leaf : low;
                high = ++leaf;
            }
        }
        if (low < end) {
            walk(memory, low << NODE_SHIFT, (high - low) << NODE_SHIFT, hide);
        } else if (leaf < end) {
            breathe(memory);
        }
    }
    veil->hidden = hide;
}

enum error veil_leaf(struct memory *memory, uint64_t page)
{
    spin_lock(&memory->lock);
    enum error error = veil_take(memory);
    if (error == ERR_NONE) {
        veil_draw(memory, page, 1, true);
        spin_unlock(&memory->lock);
    }
    return error;
}

void veil_lift(struct memory *memory)
{
    if (veil_is_mine(memory)) {
        memory->veil.first = 0;
        memory->veil.count = 0;
        memory->veil.hidden = false;
        memory_set_open(memory);
        __atomic_store_n(&memory->veil.owner, NULL, __ATOMIC_RELAXED);
        wait_wake_all(&memory->waiting, ERR_NONE);
    }
}

void veil_end(struct memory *memory)
{
    if (veil_is_mine(memory)) {
        spin_lock(&memory->lock);
        veil_lift(memory);
        spin_unlock(&memory->lock);
    }
}

enum error memory_await_sight(struct memory *memory)
{
    spin_lock(&memory->lock);
    if (memory->veil.count > 0) { /* who wakes may have done something else: the caller looks */
        return wait_on(&memory->waiting, &memory->lock, "veil", DEADLINE_NEVER, 0);
    }
    spin_unlock(&memory->lock);
    return ERR_NONE;
}
