/*
 * Threads that touch, copy, give back, resize, pin and promote the same objects at once. Each page holds its
 * own number, so that a frame in a wrong place shows; a copy, which one thread has alone, must not change
 * when others write to the original. And threads that all want the same pages of a pager, which is asked once
 * for each. Under the thread sanitizer by make -f build.mk memory-threads.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "tests/host/host.h"
#include "tests/host/memory_books.h"
#include "tests/host/memory_host.h"
#include "tests/host/memory_lingering.h"
#include "tests/host/memory_space.h"
#include "tests/host/pager_host.h"
#include "tests/host/workers.h"

#include "kernel/mm/memory_tree.h"

#define FRAMES  32768
#define CPUS    4
#define OBJECTS 3
#define PAGES   1200
#define STEPS   8000
#define NUMBER  0xfffu /* of the page, in what it holds */

static struct account *account;
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;
static struct memory *places[OBJECTS]; /* guarded by places_lock; each with a reference */
static struct memory *paged;

/* Views of each object that nobody uses, so that what is hidden goes in steps. */
#define CROWD 30
static bool crowded;
static struct played_view *crowd[OBJECTS][CROWD]; /* guarded by places_lock */

struct worker {
    struct host_worker base;
    struct played_view *views[OBJECTS];
    unsigned long copies, refused;
};

static uint64_t below(struct worker *self, uint64_t most)
{
    return random_below(&self->base.dice, most);
}

static struct memory *object(unsigned which)
{
    pthread_mutex_lock(&places_lock);
    struct memory *memory = places[which];
    memory_retain(memory);
    pthread_mutex_unlock(&places_lock);
    return memory;
}

static struct memory *make(struct worker *self)
{
    struct memory *memory;
    pages_t pages = {1 + below(self, PAGES)};
    assert_int_equal(memory_make(account, pages, below(self, 2) ? MEMORY_SPARSE : 0, &memory), ERR_NONE);
    return memory;
}

static void show_crowd(unsigned which)
{
    for (unsigned i = 0; i < CROWD; i++) {
        if (crowd[which][i] != NULL) {
            space_unshow(crowd[which][i]);
        }
        crowd[which][i] = crowded ? space_show(places[which], 0, PAGES, false) : NULL;
    }
}

static void replace(struct worker *self, unsigned which)
{
    struct memory *fresh = make(self);
    pthread_mutex_lock(&places_lock);
    struct memory *old = places[which];
    places[which] = fresh;
    show_crowd(which);
    pthread_mutex_unlock(&places_lock);
    memory_release(old);
}

/* The thread's own view of the object, made anew when there is another one. */
static struct played_view *view_of(struct worker *self, unsigned which, struct memory *memory)
{
    struct played_view **view = &self->views[which];
    if (*view != NULL && ((*view)->memory != memory || below(self, 50) == 0)) {
        space_unshow(*view);
        *view = NULL;
    }
    if (*view == NULL) {
        *view = space_show(memory, 0, PAGES, below(self, 2));
    }
    return *view;
}

static void check_page(uint64_t page, uint32_t seen)
{
    assert_true(seen == 0 || (seen & NUMBER) == page);
}

static void touch(struct worker *self, struct played_view *view, uint64_t page)
{
    uint32_t seen;
    enum error error;
    if (below(self, 2)) {
        error = space_write(view, page, (uint32_t)(page | below(self, 1 << 20) << 12));
    } else {
        error = space_read(view, page, &seen);
        if (error == ERR_NONE) {
            check_page(page, seen);
        }
    }
    assert_true(error == ERR_NONE || error == ERR_BAD_ARGUMENT); /* it may have shrunk */
}

static void touch_some(struct worker *self, struct played_view *view)
{
    uint64_t page = below(self, PAGES);
    for (uint64_t n = 1 + below(self, below(self, 8) ? 4 : 200); n > 0 && page < PAGES; n--, page++) {
        touch(self, view, page);
    }
}

/* Nobody else writes to the copy. */
static void copy(struct worker *self, struct memory *memory)
{
    static _Thread_local uint32_t seen[PAGES];
    struct memory *copied;
    enum error error = memory_clone(memory, account, &copied);
    if (error != ERR_NONE) {
        assert_int_equal(error, ERR_NOT_READY);
        self->refused++;
        return;
    }
    self->copies++;
    uint64_t pages = copied->pages.value;
    struct played_view *view = space_show(copied, 0, pages, below(self, 2));
    for (uint64_t i = 0; i < pages; i++) {
        assert_int_equal(space_read(view, i, &seen[i]), ERR_NONE);
        check_page(i, seen[i]);
    }
    for (unsigned n = 0; n < 30; n++) {
        uint64_t page = below(self, pages);
        seen[page] = (uint32_t)(page | below(self, 1 << 20) << 12);
        assert_int_equal(space_write(view, page, seen[page]), ERR_NONE);
    }
    for (uint64_t i = 0; i < pages; i++) {
        uint32_t again;
        assert_int_equal(space_read(view, i, &again), ERR_NONE);
        assert_int_equal(again, seen[i]);
    }
    space_unshow(view);
    memory_release(copied);
}

static void give_back(struct worker *self, struct memory *memory)
{
    struct memory_decommit_plan plan;
    uint64_t first = below(self, PAGES);
    enum error error = memory_decommit_prepare(memory, first, 1 + below(self, PAGES - first), &plan);
    if (error == ERR_NONE) {
        memory_decommit_commit(&plan);
    } else {
        assert_true(error == ERR_BAD_ARGUMENT || error == ERR_NOT_READY);
    }
}

static void pin(struct worker *self, struct memory *memory)
{
    paddr_t where[4];
    uint64_t first = below(self, PAGES);
    enum error error = memory_pin(memory, first, 4, where);
    if (error == ERR_NONE) {
        /* They cannot go while they are pinned. */
        assert_int_equal(frame_class_of(paddr_to_pfn(where[0])), FRAME_USER_ANONYMOUS);
        sched_yield();
        assert_int_equal(memory_unpin(memory, first, 4), ERR_NONE);
    } else {
        assert_int_equal(error, ERR_BAD_ARGUMENT);
    }
}

static void change(struct worker *self, struct memory *memory)
{
    enum error error = ERR_NONE;
    switch (below(self, 5)) {
    case 0:
        error = memory_resize(memory, (pages_t){1 + below(self, PAGES)});
        assert_true(error == ERR_NONE || error == ERR_NOT_READY);
        break;
    case 1:
        error = memory_commit_pages(memory, 0, 1 + below(self, PAGES));
        assert_true(error == ERR_NONE || error == ERR_BAD_ARGUMENT);
        break;
    case 2:
        (void)memory_promote(memory, below(self, PAGES), below(self, 2));
        break;
    case 3:
        pin(self, memory);
        break;
    default:
        give_back(self, memory);
    }
}

static void *work(void *argument)
{
    struct worker *self = argument;
    memory_host_enter(self->base.number);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned which = (unsigned)below(self, OBJECTS);
        struct memory *memory = object(which);
        uint64_t what = below(self, 400);
        if (below(self, 64) == 0) {
            lingering_answer();
        }
        if (what == 0) {
            replace(self, which);
        } else if (what < 10) {
            copy(self, memory);
        } else if (what < 60) {
            change(self, memory);
        } else {
            touch_some(self, view_of(self, which, memory));
        }
        memory_release(memory);
        host_leave_kernel();
    }
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (self->views[i] != NULL) {
            space_unshow(self->views[i]);
        }
    }
    host_leave_kernel();
    return NULL;
}

static void begin(void)
{
    memory_host_start(FRAMES, CPUS + 1);
    space_watch(FRAMES);
    books_open((uint64_t)1 << 40, (uint64_t)1 << 40);
    account = books_account("memory", (uint64_t)1 << 30, (uint64_t)1 << 30);
}

static void end(void)
{
    for (unsigned i = 0; i <= CPUS; i++) {
        memory_host_enter(i);
        host_leave_kernel();
    }
    memory_host_enter(0);
    lingering_answer();
    books_close();
}

static void work_on_objects(void)
{
    static struct worker workers[CPUS];
    unsigned long copies = 0;
    memset(workers, 0, sizeof workers);
    begin();
    lingering_one_in = 2;
    for (unsigned i = 0; i < OBJECTS; i++) {
        workers[0].base.dice = (struct random){i};
        places[i] = make(&workers[0]);
        show_crowd(i);
    }
    WORKERS_RUN(workers, 0, work);
    for (unsigned i = 0; i < CPUS; i++) {
        copies += workers[i].copies;
    }
    assert_true(copies > CPUS * STEPS / 200);
    crowded = false;
    for (unsigned i = 0; i < OBJECTS; i++) {
        show_crowd(i);
        memory_release(places[i]);
    }
    end();
}

static void objects_stay_whole(void **state)
{
    (void)state;
    work_on_objects();
}

static void objects_that_many_views_show_stay_whole(void **state)
{
    (void)state;
    crowded = true;
    work_on_objects();
}

/* --- pagers -----------------------------------------------------------------------------------------------
 */

#define PAGED 700

static uint32_t asked[PAGED]; /* atomic */

/* The pager's thread gives them all, and takes its time. */
static bool count_asked(uint64_t page)
{
    __atomic_fetch_add(&asked[page], 1, __ATOMIC_RELAXED);
    return false;
}

static void let_others_run(void)
{
    sched_yield();
}

static void *want_all(void *argument)
{
    struct worker *self = argument;
    memory_host_enter(self->base.number);
    struct played_view *view = space_show(paged, 0, PAGED, false);
    for (uint64_t page = 0; page < PAGED; page++) {
        uint32_t seen;
        assert_int_equal(space_read(view, page, &seen), ERR_NONE);
        assert_int_equal(seen, page);
    }
    space_unshow(view);
    host_leave_kernel();
    return NULL;
}

static void pagers_are_asked_once(void **state)
{
    static struct worker workers[CPUS];
    (void)state;
    begin();
    assert_int_equal(memory_make_paged(account, (pages_t){PAGED}, 0, &pager_host, &paged), ERR_NONE);
    pager_host_start(CPUS, count_asked, let_others_run);
    WORKERS_RUN(workers, 0, want_all);
    pager_host_stop();
    for (unsigned i = 0; i < PAGED; i++) {
        assert_int_equal(asked[i], 1);
    }
    memory_release(paged);
    end();
    assert_int_equal(pager_host_released, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_stay_whole),
        cmocka_unit_test(objects_that_many_views_show_stay_whole),
        cmocka_unit_test(pagers_are_asked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
