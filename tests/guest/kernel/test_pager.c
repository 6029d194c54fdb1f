/*
 * A pager in the running kernel: a thread that makes pages as they are asked for, in an object that nobody
 * maps. The product has none; what is tested is what memory_pager.h promises of any.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/ipc/notification.h"
#include "kernel/mm/account.h"
#include "kernel/mm/charged.h"
#include "kernel/mm/contents.h"
#include "kernel/mm/memory_pager.h"

#define PAGES 64u
#define DEAD  (PAGES - 1) /* the page at which the pager dies */
#define NONE  (PAGES - 2) /* the one that it refuses */
#define DEAF  (PAGES - 3) /* the one that it forgets */

#define PATIENCE 200000000u /* ns */

struct maker {
    struct memory_pager pager;
    struct notification *wanted; /* bit n: page n is asked for */
    struct memory *memory;
    uint32_t asked[PAGES]; /* atomic */
    uint32_t released;     /* atomic */
    uint32_t gone;         /* atomic: its thread has ended */
};

static struct maker maker;

static enum error maker_fetch(struct memory_pager *pager, struct memory *memory, uint64_t page)
{
    struct maker *self = (struct maker *)pager;
    (void)memory;
    __atomic_fetch_add(&self->asked[page], 1, __ATOMIC_RELAXED);
    notification_signal(self->wanted, (uint64_t)1 << page);
    return ERR_NONE;
}

static void maker_release(struct memory_pager *pager)
{
    __atomic_fetch_add(&((struct maker *)pager)->released, 1, __ATOMIC_RELEASE);
}

/* Page n holds its number. */
static void supply(struct maker *self, uint64_t page)
{
    pfn_t frame;
    uint32_t value = (uint32_t)page + 1;
    if (uncharged_zeroed_frame(&kernel_account, FRAME_USER_ANONYMOUS, &frame) != ERR_NONE) {
        memory_refuse(self->memory, page, ERR_NO_MEMORY);
        return;
    }
    contents_write(frame, 0, &value, sizeof(value));
    if (memory_supply(self->memory, page, frame) != ERR_NONE) {
        frame_release(frame, 0);
    }
}

/* False when the pager dies of it. */
static bool answer(struct maker *self, uint64_t page)
{
    if (page == DEAD) {
        memory_abandon(self->memory);
    } else if (page == NONE) {
        memory_refuse(self->memory, page, ERR_DEVICE);
    } else if (page != DEAF) {
        supply(self, page);
    }
    return page != DEAD;
}

static void maker_run(void *argument)
{
    struct maker *self = argument;
    uint64_t bits;
    bool alive = true;
    while (alive && notification_wait(self->wanted, ~(uint64_t)0, DEADLINE_NEVER, &bits) == ERR_NONE) {
        for (uint64_t page = 0; alive && page < PAGES; page++) {
            alive = (bits >> page & 1) == 0 || answer(self, page);
        }
        thread_yield();
    }
    __atomic_store_n(&self->gone, 1, __ATOMIC_RELEASE);
    thread_exit();
}

/* Make the page be there, as a fault does; its frame. */
static enum error fetch_page(struct memory *memory, uint64_t page, pfn_t *frame)
{
    struct memory_page found;
    enum error error;
    while ((error = memory_fault(memory, page, false, false, &found)) == ERR_NOT_READY) {
        error = pager_ask(memory, page);
        if (error != ERR_NONE) {
            return error;
        }
    }
    if (error == ERR_NONE) {
        *frame = found.frame;
        memory_fault_unlock(memory);
    }
    return error;
}

static const char *maker_start(void)
{
    static const struct memory_pager_kind kind = {maker_fetch, maker_release};
    struct thread *thread;
    maker = (struct maker){.pager = {&kind, PATIENCE}};
    EXPECT(notification_make(&kernel_account, &maker.wanted) == ERR_NONE);
    EXPECT(memory_make_paged(&kernel_account, (pages_t){PAGES}, 0, &maker.pager, &maker.memory) == ERR_NONE);
    EXPECT(thread_create("pager", maker_run, &maker, 0, &thread) == ERR_NONE);
    thread_start(thread);
    return NULL;
}

/* Its thread has ended, or does so by being asked for the page that kills it. */
static const char *maker_end(void)
{
    pfn_t frame;
    EXPECT(fetch_page(maker.memory, DEAD, &frame) == ERR_DEAD);
    while (__atomic_load_n(&maker.gone, __ATOMIC_ACQUIRE) == 0) {
        thread_yield();
        EXPECT(thread_preemption_point() == ERR_NONE);
    }
    memory_release(maker.memory);
    objects_bury();
    EXPECT(__atomic_load_n(&maker.released, __ATOMIC_ACQUIRE) == 1);
    notification_release(maker.wanted);
    objects_bury();
    return NULL;
}

static const char *want_all(unsigned number)
{
    (void)number;
    for (uint64_t page = 0; page < DEAF; page++) {
        pfn_t frame;
        EXPECT(fetch_page(maker.memory, page, &frame) == ERR_NONE);
    }
    return NULL;
}

SELFTEST(pager_once, "pagers: threads that touch one page at once make one request, and get one page")
{
    const char *wrong = maker_start();
    if (wrong == NULL) {
        wrong = test_on_all_cpus(2, want_all);
    }
    if (wrong != NULL) {
        return wrong;
    }
    for (unsigned i = 0; i < DEAF; i++) {
        EXPECT(maker.asked[i] == 1);
    }
    EXPECT(maker.memory->resident == DEAF);
    return maker_end();
}

SELFTEST(pager_errors, "pagers: one that refuses, is late or dies gives an error, and what was there stays")
{
    pfn_t frame, again;
    const char *wrong = maker_start();
    if (wrong != NULL) {
        return wrong;
    }
    EXPECT(fetch_page(maker.memory, 0, &frame) == ERR_NONE);
    EXPECT(fetch_page(maker.memory, NONE, &again) == ERR_DEVICE);
    EXPECT(fetch_page(maker.memory, NONE, &again) == ERR_DEVICE);
    EXPECT(maker.asked[NONE] == 2);
    uint64_t start = arch_clock();
    EXPECT(fetch_page(maker.memory, DEAF, &again) == ERR_TIMED_OUT);
    EXPECT(arch_clock() - start >= PATIENCE);
    EXPECT(fetch_page(maker.memory, DEAD, &again) == ERR_DEAD);
    EXPECT(fetch_page(maker.memory, 1, &again) == ERR_DEAD);
    EXPECT(fetch_page(maker.memory, 0, &again) == ERR_NONE && again.value == frame.value);
    return maker_end();
}
