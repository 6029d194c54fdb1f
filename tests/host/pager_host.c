/* A pager with a thread of its own; see pager_host.h. */
#include "tests/host/pager_host.h"

#include <pthread.h>
#include <sched.h>

#include "tests/host/host.h"
#include "tests/host/kernel_host.h"
#include "tests/host/memory_host.h"

#define WANTED_MOST 4096

static struct {
    pthread_mutex_t lock;
    struct wanted {
        struct memory *memory;
        uint64_t page;
    } pages[WANTED_MOST];
    unsigned count;
    bool over;
} wanted = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool (*is_at_once)(uint64_t page);
static void (*do_between)(void);
static unsigned pager_cpu;
static pthread_t pager_thread;

uint32_t pager_host_released;

static void supply(struct memory *memory, uint64_t page)
{
    pfn_t frame;
    if (frame_alloc(0, FRAME_USER_SHARED, &frame) != ERR_NONE) {
        memory_refuse(memory, page, ERR_NO_MEMORY);
        return;
    }
    memset(memory_host_frame(frame), 0, PAGE_SIZE);
    *(uint32_t *)memory_host_frame(frame) = (uint32_t)page;
    if (memory_supply(memory, page, frame) != ERR_NONE) { /* the object has become smaller */
        frame_release(frame, 0);
    }
}

static enum error fetch(struct memory_pager *pager, struct memory *memory, uint64_t page)
{
    (void)pager;
    if (is_at_once(page)) {
        supply(memory, page);
        return ERR_NONE;
    }
    pthread_mutex_lock(&wanted.lock);
    bool room = wanted.count < WANTED_MOST;
    if (room) {
        wanted.pages[wanted.count++] = (struct wanted){memory, page};
    }
    pthread_mutex_unlock(&wanted.lock);
    return room ? ERR_NONE : ERR_NOT_READY;
}

static void release(struct memory_pager *pager)
{
    (void)pager;
    __atomic_fetch_add(&pager_host_released, 1, __ATOMIC_RELAXED);
}

static const struct memory_pager_kind kind = {fetch, release};
struct memory_pager pager_host = {&kind, 600000000000u};

/* What is wanted next; true when there is nothing, and nothing will come. */
static bool next_wanted(struct wanted *next)
{
    *next = (struct wanted){0};
    pthread_mutex_lock(&wanted.lock);
    if (wanted.count > 0) {
        *next = wanted.pages[--wanted.count];
    }
    bool over = wanted.over && next->memory == NULL;
    pthread_mutex_unlock(&wanted.lock);
    return over;
}

static void *answer(void *argument)
{
    struct wanted next;
    (void)argument;
    memory_host_enter(pager_cpu);
    while (!next_wanted(&next)) {
        do_between();
        if (next.memory != NULL) {
            supply(next.memory, next.page);
            host_leave_kernel();
        }
        sched_yield();
    }
    return NULL;
}

void pager_host_start(unsigned cpu, bool (*at_once)(uint64_t page), void (*between)(void))
{
    pager_cpu = cpu;
    is_at_once = at_once;
    do_between = between;
    wanted.over = false;
    assert_int_equal(pthread_create(&pager_thread, NULL, answer, NULL), 0);
}

void pager_host_stop(void)
{
    pthread_mutex_lock(&wanted.lock);
    wanted.over = true;
    pthread_mutex_unlock(&wanted.lock);
    assert_int_equal(pthread_join(pager_thread, NULL), 0);
}
