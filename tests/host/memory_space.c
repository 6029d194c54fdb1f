/* Spaces that a test plays; see memory_space.h. */
#include "tests/host/memory_space.h"

#include <stdlib.h>

#include "kernel/debug/panic.h"
#include "kernel/mm/memory_touch.h"
#include "kernel/mm/tlb.h"
#include "tests/host/memory_host.h"
#include "tests/host/memory_lingering.h"

#define LAST_WORD (PAGE_SIZE / sizeof(uint32_t) - 1)

void (*space_before_flush)(void);
uint64_t space_told;

static uint32_t *shown; /* atomic; by frame: entries that name it */

static void count(const struct played_entry *entry, int by)
{
    if (entry->present) {
        __atomic_fetch_add(&shown[entry->frame.value], (uint32_t)by, __ATOMIC_RELAXED);
    }
}

static void set(struct played_entry *entry, struct played_entry value)
{
    count(&value, 1);
    count(entry, -1);
    *entry = value;
}

static void check_released(pfn_t first, uint64_t frames)
{
    for (uint64_t i = 0; i < frames; i++) {
        if (__atomic_load_n(&shown[first.value + i], __ATOMIC_RELAXED) != 0) {
            panic("frame %lx is given back, and still seen", (unsigned long)(first.value + i));
        }
        if (lingering_has(pfn(first.value + i))) {
            panic("frame %lx is given back, and still remembered", (unsigned long)(first.value + i));
        }
    }
}

void space_watch(uint64_t frames)
{
    free(shown);
    shown = calloc(frames, sizeof(*shown));
    memory_host_released = check_released;
}

static struct played_view *played(struct memory_view *view)
{
    return LIST_ENTRY(view, struct played_view, view);
}

static void check_range(const struct memory_view *view, uint64_t first, uint64_t pages)
{
    if (pages == 0 || first < view->first || first + pages > view->first + view->count ||
        !spin_holds(&played((struct memory_view *)(uintptr_t)view)->memory->lock)) {
        panic("a view is told of pages that it does not have");
    }
}

static uint64_t hide(struct memory_view *view, uint64_t first, uint64_t pages)
{
    uint64_t leaves = 0;
    struct played_view *self = played(view);
    check_range(view, first, pages);
    __atomic_fetch_add(&space_told, 1, __ATOMIC_RELAXED);
    spin_lock(&self->tables_lock);
    for (uint64_t i = first - view->first; i < first - view->first + pages; i++) {
        leaves += self->table[i].present;
        set(&self->table[i], (struct played_entry){0});
    }
    spin_unlock(&self->tables_lock);
    return leaves;
}

static uint64_t restrict_(struct memory_view *view, uint64_t first, uint64_t pages)
{
    uint64_t leaves = 0;
    struct played_view *self = played(view);
    check_range(view, first, pages);
    __atomic_fetch_add(&space_told, 1, __ATOMIC_RELAXED);
    spin_lock(&self->tables_lock);
    for (uint64_t i = first - view->first; i < first - view->first + pages; i++) {
        leaves += self->table[i].writable;
        self->table[i].writable = false;
    }
    spin_unlock(&self->tables_lock);
    return leaves;
}

static void forget(struct played_view *self, uint64_t from, uint64_t pages)
{
    spin_lock(&self->tables_lock);
    for (uint64_t i = from; self->remembered != NULL && i < from + pages; i++) {
        set(&self->remembered[i], self->table[i]);
    }
    spin_unlock(&self->tables_lock);
}

static void flush(struct memory_view *view, uint64_t first, uint64_t pages)
{
    check_range(view, first, pages);
    forget(played(view), first - view->first, pages);
}

static void wait(struct memory_view *view)
{
    struct played_view *self = played(view);
    spin_lock(&self->tables_lock);
    uint64_t request = self->request;
    spin_unlock(&self->tables_lock);
    tlb_wait_for(request); /* of a view that is about to go: others are forgotten at once */
}

static const struct memory_view_kind view_kind = {hide, restrict_, flush, wait};

struct played_view *space_show(struct memory *memory, uint64_t first, uint64_t pages, bool large)
{
    struct played_view *self = calloc(1, sizeof(*self));
    self->view = (struct memory_view){.first = first, .count = pages, .kind = &view_kind};
    self->memory = memory;
    self->large = large;
    self->table = calloc(pages, sizeof(*self->table));
    self->remembered = calloc(pages, sizeof(*self->table));
    spin_init(&self->tables_lock, "played tables", LOCK_TABLES);
    memory_retain(memory);
    memory_view_add(memory, &self->view);
    return self;
}

void space_unshow(struct played_view *view)
{
    bool lingers = lingering_is_next();
    spin_lock(&view->tables_lock);
    for (uint64_t i = 0; i < view->view.count; i++) {
        set(&view->table[i], (struct played_entry){0});
        if (lingers) {
            count(&view->remembered[i], -1); /* it is counted where it lingers */
        } else {
            set(&view->remembered[i], (struct played_entry){0});
        }
    }
    if (lingers) {
        view->request = lingering_keep(view);
    }
    spin_unlock(&view->tables_lock);
    if (lingers) {
        memory_view_lingers(view->memory, view->request);
    }
    memory_view_remove(view->memory, &view->view);
    memory_release(view->memory);
    free(view->table);
    free(view->remembered);
    free(view);
}

/* One entry; true when another one was there. What is remembered of that stays until the flush. */
static bool enter(struct played_view *view, uint64_t i, struct played_entry entry)
{
    struct played_entry old = view->table[i];
    bool same = old.frame.value == entry.frame.value && old.writable == entry.writable;
    set(&view->table[i], entry);
    if (!view->remembered[i].present) {
        set(&view->remembered[i], entry);
    }
    return old.present && !same;
}

/* The 2 MiB around the page, in the view. */
static uint64_t large_start(const struct played_view *view, uint64_t page)
{
    return (page & ~(uint64_t)(MEMORY_LEAF_PAGES - 1)) - view->view.first;
}

static bool fits_large(const struct played_view *view, uint64_t page)
{
    uint64_t start = page & ~(uint64_t)(MEMORY_LEAF_PAGES - 1);
    return view->large && start >= view->view.first &&
           start + MEMORY_LEAF_PAGES <= view->view.first + view->view.count;
}

/* Enter what the fault has found; true when there is something to flush. */
static bool show(struct played_view *view, uint64_t page, const struct memory_page *found)
{
    bool replaced = false;
    uint64_t index = page - view->view.first;
    spin_lock(&view->tables_lock);
    if (found->large) {
        uint64_t start = large_start(view, page);
        for (uint64_t i = 0; i < MEMORY_LEAF_PAGES; i++) {
            struct played_entry entry = {pfn(found->frame.value + i), true, found->writable, true};
            replaced |= enter(view, start + i, entry);
        }
    } else {
        if (view->table[index].present && view->table[index].large) {
            /* A large leaf is in its place: out with all of it. */
            uint64_t start = large_start(view, page);
            for (uint64_t i = 0; i < MEMORY_LEAF_PAGES; i++) {
                replaced |= view->table[start + i].present;
                set(&view->table[start + i], (struct played_entry){0});
            }
        }
        replaced |= enter(view, index, (struct played_entry){found->frame, true, found->writable, false});
    }
    spin_unlock(&view->tables_lock);
    return replaced;
}

/* As the faults of a space do (aspace_fault.c). */
static enum error bring_block(struct memory *memory, uint64_t page, struct memory_page *found)
{
    *found = (struct memory_page){.large = true, .writable = true};
    enum error error = memory_make_block(memory->object.account->number, &found->frame);
    return error == ERR_NONE ? memory_put_block(memory, page, found->frame) : error;
}

static enum error bring(struct memory *memory, uint64_t page, bool write, bool large,
                        struct memory_page *found)
{
    enum error error;
    while ((error = memory_fault(memory, page, write, large, found)) == ERR_NOT_READY) {
        error = memory_await(memory, page, found);
        if (error != ERR_NONE) {
            break;
        }
    }
    return error;
}

static enum error fault(struct played_view *view, uint64_t page, bool write)
{
    struct memory_page found;
    bool large = fits_large(view, page);
    bool likely = !large && memory_touch_is_likely(view->memory);
    pfn_t touched;
    enum error error = ERR_NONE;
    if (likely && memory_touch(view->memory, page, &touched)) {
        found = (struct memory_page){.frame = touched, .writable = true};
        bool replaced = show(view, page, &found);
        memory_fault_unlock(view->memory);
        return replaced ? ERR_EXISTS : ERR_NONE; /* it cannot have replaced anything */
    }
    bool block = large && memory_wants_block(view->memory, page);
    error = block ? bring_block(view->memory, page, &found) : ERR_EXISTS;
    if (error == ERR_EXISTS || error == ERR_LIMIT || error == ERR_NO_MEMORY) {
        error = bring(view->memory, page, write, large, &found);
    }
    if (error != ERR_NONE) {
        return error;
    }
    if (write && !found.writable) {
        panic("a page that is to be written may not be");
    }
    bool replaced = show(view, page, &found);
    memory_fault_unlock(view->memory);
    void (*others)(void) = space_before_flush;
    if (replaced && others != NULL) {
        space_before_flush = NULL;
        others();
    }
    if (replaced && found.large) {
        forget(view, large_start(view, page), MEMORY_LEAF_PAGES);
    } else if (replaced) {
        uint64_t start = fits_large(view, page) ? large_start(view, page) : page - view->view.first;
        forget(view, start, fits_large(view, page) ? MEMORY_LEAF_PAGES : 1);
    }
    memory_page_drop(&found);
    return ERR_NONE;
}

/* The access itself, if what is remembered allows it: no flush is done in the midst of it. */
static bool access_page(struct played_view *view, uint64_t page, bool write, uint32_t *value)
{
    spin_lock(&view->tables_lock);
    struct played_entry entry = view->remembered[page - view->view.first];
    bool can = entry.present && (!write || entry.writable);
    if (can) {
        uint32_t *words = memory_host_frame(entry.frame);
        lingering_check_use(view->memory, entry.frame, write);
        if (write) {
            __atomic_store_n(&words[0], *value, __ATOMIC_RELAXED);
            __atomic_store_n(&words[LAST_WORD], *value, __ATOMIC_RELAXED);
        } else {
            *value = __atomic_load_n(&words[0], __ATOMIC_RELAXED);
        }
    }
    spin_unlock(&view->tables_lock);
    return can;
}

static enum error access_with_faults(struct played_view *view, uint64_t page, bool write, uint32_t *value)
{
    while (!access_page(view, page, write, value)) {
        enum error error = fault(view, page, write);
        if (error != ERR_NONE) {
            return error;
        }
    }
    return ERR_NONE;
}

enum error space_read(struct played_view *view, uint64_t page, uint32_t *value)
{
    return access_with_faults(view, page, false, value);
}

enum error space_write(struct played_view *view, uint64_t page, uint32_t value)
{
    return access_with_faults(view, page, true, &value);
}

bool space_is_flushed(struct played_view *view)
{
    bool flushed = true;
    for (uint64_t i = 0; i < view->view.count; i++) {
        const struct played_entry *table = &view->table[i], *other = &view->remembered[i];
        flushed =
            flushed && (!other->present || (table->present && table->frame.value == other->frame.value &&
                                            table->writable >= other->writable));
    }
    return flushed;
}
