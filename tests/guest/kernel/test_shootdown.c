/*
 * Unmapping on one CPU while another one runs the space and does not answer: nobody waits for it, it goes on
 * seeing what it remembers, and none of that is given to anybody before it has answered.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/mm/account.h"
#include "kernel/mm/aspace.h"
#include "kernel/mm/contents.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/usercopy.h"
#include "kernel/obj/object.h"

#define AT       0x0000020000000000u
#define PAGES    16u
#define MARK     0x6d61726bu
#define OTHERS   512u       /* frames that are taken meanwhile */
#define PATIENCE 5000000000 /* ns */

static struct aspace space;

static struct watcher {
    uint32_t ready, answer, ended; /* atomic */
    uint32_t wrong;                /* what it saw was neither as before nor gone */
    uint32_t looks;                /* atomic */
    bool gone;                     /* and nothing is there after the answer */
    bool gave_up;
} watcher;

static bool see(uint64_t page, uint32_t *value)
{
    return copy_from_user(value, uaddr(AT + page * PAGE_SIZE), sizeof(*value)) == ERR_NONE;
}

/* Interrupts are off, and nothing here answers. */
static void look_on(struct watcher *self)
{
    uint64_t end = arch_clock() + PATIENCE;
    while (__atomic_load_n(&self->answer, __ATOMIC_ACQUIRE) == 0 && !self->gave_up) {
        for (uint64_t i = 0; i < PAGES; i++) {
            uint32_t value = MARK + (uint32_t)i;
            self->wrong += see(i, &value) && value != MARK + i;
        }
        __atomic_fetch_add(&self->looks, 1, __ATOMIC_RELAXED);
        self->gave_up = arch_clock() > end;
    }
}

static void watch(void *argument)
{
    struct watcher *self = argument;
    uint32_t value;
    thread_current()->space = &space;
    aspace_load(&space);
    for (uint64_t i = 0; i < PAGES; i++) {
        self->wrong += !see(i, &value) || value != MARK + i;
    }
    __atomic_store_n(&self->ready, 1, __ATOMIC_RELEASE);
    look_on(self);
    tlb_serve();
    self->gone = !see(0, &value) && !see(PAGES - 1, &value);
    thread_current()->space = NULL;
    aspace_load(NULL);
    __atomic_store_n(&self->ended, 1, __ATOMIC_RELEASE);
    thread_exit();
}

/* An object that ends with its mapping; its frames, for later. */
static const char *show(pfn_t frames[PAGES])
{
    struct memory *memory;
    struct map_plan plan;
    EXPECT(memory_make(&kernel_account, (pages_t){PAGES}, 0, &memory) == ERR_NONE);
    for (uint64_t i = 0; i < PAGES; i++) {
        uint32_t value = MARK + (uint32_t)i;
        EXPECT(memory_frame(memory, i, &frames[i]) == ERR_NONE);
        contents_write(frames[i], 0, &value, sizeof(value));
    }
    const struct map_request request = {memory, 0, AT, PAGES * PAGE_SIZE,
                                        ACCESS_READ | ACCESS_WRITE | MAP_MODE_POPULATE | MAP_MODE_SMALL};
    EXPECT(aspace_map_prepare(&space, &request, &plan) == ERR_NONE);
    EXPECT(aspace_map_commit(&plan) == AT);
    memory_release(memory);
    return NULL;
}

/* Take frames and write to them; true when none of them is one of those. */
static bool others_are_given(const pfn_t frames[PAGES])
{
    static pfn_t others[OTHERS];
    unsigned count = 0;
    bool good = true;
    while (count < OTHERS && frame_alloc(0, FRAME_USER_ANONYMOUS, &others[count]) == ERR_NONE) {
        uint32_t value = 0;
        contents_write(others[count], 0, &value, sizeof(value));
        for (unsigned i = 0; i < PAGES; i++) {
            good = good && others[count].value != frames[i].value;
        }
        count++;
    }
    while (count > 0) {
        frame_release(others[--count], 0);
    }
    return good;
}

/* This CPU has the space loaded, too. */
static const char *unmap_quietly(const pfn_t frames[PAGES])
{
    const struct tlb_cpu *own = &arch_this_cpu()->tlb;
    struct range_plan plan;
    struct tlb_figures now;
    uint64_t requests = own->requests, interrupts = own->interrupts, waits = own->waits;
    EXPECT(aspace_unmap_prepare(&space, AT, 0, &plan) == ERR_NONE);
    aspace_unmap_commit(&plan);
    EXPECT(own->requests == requests + 1 && own->interrupts == interrupts + 1);
    EXPECT(own->waits == waits);
    objects_bury();
    EXPECT(own->waits == waits);
    tlb_count(&now);
    EXPECT(now.quarantined >= PAGES);
    EXPECT(others_are_given(frames));
    uint32_t looks = __atomic_load_n(&watcher.looks, __ATOMIC_RELAXED);
    while (__atomic_load_n(&watcher.looks, __ATOMIC_RELAXED) < looks + 2 && !watcher.gave_up) {
        __builtin_ia32_pause();
    }
    tlb_settle(false);
    tlb_count(&now);
    EXPECT(now.quarantined >= PAGES);
    return NULL;
}

static const char *wait_for_watcher(uint32_t *word)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0) {
        EXPECT(wait_until(arch_clock() + 100000, 0) == ERR_NONE);
    }
    return NULL;
}

static const char *with_watcher(void)
{
    pfn_t frames[PAGES];
    struct thread *thread;
    const char *wrong = show(frames);
    EXPECT(wrong == NULL);
    watcher = (struct watcher){0};
    EXPECT(thread_create("watcher", watch, &watcher, 1, &thread) == ERR_NONE);
    thread_start(thread);
    wrong = wait_for_watcher(&watcher.ready);
    thread_current()->space = &space;
    aspace_load(&space);
    wrong = wrong == NULL ? unmap_quietly(frames) : wrong;
    __atomic_store_n(&watcher.answer, 1, __ATOMIC_RELEASE);
    thread_current()->space = NULL;
    aspace_load(NULL);
    const char *stuck = wait_for_watcher(&watcher.ended);
    wrong = wrong == NULL ? stuck : wrong;
    EXPECT(wrong == NULL || stuck == NULL);
    return wrong;
}

SELFTEST(shootdown,
         "spaces: a CPU that does not answer goes on seeing what another one unmaps, and nobody waits")
{
    if (arch_cpu_count() < 2) {
        return NULL; /* nobody is to be asked */
    }
    thread_bind(0);
    EXPECT(test_make_stacks() == NULL);
    aspace_init(&space, &kernel_account);
    EXPECT(aspace_open(&space) == ERR_NONE);
    const char *wrong = with_watcher();
    aspace_close(&space);
    objects_bury();
    tlb_settle(true);
    thread_bind(CPU_ANY);
    if (wrong != NULL) {
        return wrong;
    }
    EXPECT(!watcher.gave_up);
    EXPECT(watcher.wrong == 0);
    EXPECT(watcher.gone);
    return NULL;
}
