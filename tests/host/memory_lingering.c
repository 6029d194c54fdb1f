/* Views that are gone, and not forgotten yet; see memory_lingering.h. */
#include "tests/host/memory_lingering.h"

#include <pthread.h>
#include <stdlib.h>

#include "kernel/debug/panic.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/frame_share.h"
#include "kernel/mm/tlb.h"

#define RETIRED_MOST 4096u

struct lingering {
    struct lingering *next;
    const struct memory *memory; /* may be gone */
    uint64_t request, count;
    struct played_entry *entries;
};

struct retired {
    pfn_t first;
    unsigned order;
};

unsigned lingering_one_in;
unsigned long lingering_waits, lingering_retired;

/* Guards what follows. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct lingering *all;
static struct retired retired[RETIRED_MOST];
static unsigned retired_count;
static uint64_t requests, answered;

bool lingering_is_next(void)
{
    static unsigned long calls; /* atomic */
    uint64_t dice = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) * 0x9e3779b97f4a7c15u >> 40;
    return lingering_one_in != 0 && dice % lingering_one_in == 0;
}

uint64_t lingering_keep(struct played_view *view)
{
    struct lingering *entry = malloc(sizeof(*entry));
    *entry =
        (struct lingering){.memory = view->memory, .count = view->view.count, .entries = view->remembered};
    view->remembered = NULL;
    pthread_mutex_lock(&mutex);
    uint64_t request = entry->request = ++requests;
    entry->next = all;
    all = entry;
    pthread_mutex_unlock(&mutex);
    return request;
}

static bool names(const struct lingering *entry, pfn_t frame, bool write)
{
    for (uint64_t i = 0; i < entry->count; i++) {
        const struct played_entry *e = &entry->entries[i];
        if (e->present && e->frame.value == frame.value && (!write || e->writable)) {
            return true;
        }
    }
    return false;
}

void lingering_check_use(const struct memory *memory, pfn_t frame, bool write)
{
    pthread_mutex_lock(&mutex);
    for (const struct lingering *entry = all; entry != NULL; entry = entry->next) {
        if (entry->memory != memory && names(entry, frame, !write)) {
            panic("frame %lx is %s, and a CPU still %s it as another object's", (unsigned long)frame.value,
                  write ? "written" : "read", write ? "sees" : "writes to");
        }
    }
    pthread_mutex_unlock(&mutex);
}

bool lingering_has(pfn_t frame)
{
    bool has = false;
    pthread_mutex_lock(&mutex);
    for (const struct lingering *entry = all; !has && entry != NULL; entry = entry->next) {
        has = names(entry, frame, false);
    }
    pthread_mutex_unlock(&mutex);
    return has;
}

/* To the allocator, after the lock: it looks here whether somebody remembers the frame. */
static void give_back(struct retired *what, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (frame_drop(what[i].first)) {
            frame_release(what[i].first, what[i].order);
        }
    }
    free(what);
}

void lingering_answer(void)
{
    pthread_mutex_lock(&mutex);
    answered = requests;
    while (all != NULL) {
        struct lingering *entry = all;
        all = entry->next;
        free(entry->entries);
        free(entry);
    }
    unsigned count = retired_count;
    struct retired *out = malloc(sizeof(retired));
    for (unsigned i = 0; i < count; i++) {
        out[i] = retired[i];
    }
    retired_count = 0;
    pthread_mutex_unlock(&mutex);
    give_back(out, count);
}

bool tlb_answered(uint64_t request)
{
    pthread_mutex_lock(&mutex);
    bool done = request <= answered;
    pthread_mutex_unlock(&mutex);
    return done;
}

void tlb_wait_for(uint64_t request)
{
    if (!tlb_answered(request)) {
        __atomic_fetch_add(&lingering_waits, 1, __ATOMIC_RELAXED);
        lingering_answer();
    }
}

void tlb_retire_frame(pfn_t first, unsigned order)
{
    __atomic_fetch_add(&lingering_retired, 1, __ATOMIC_RELAXED);
    for (;;) {
        pthread_mutex_lock(&mutex);
        bool room = retired_count < RETIRED_MOST;
        if (room) {
            retired[retired_count++] = (struct retired){first, order};
        }
        pthread_mutex_unlock(&mutex);
        if (room) {
            return;
        }
        lingering_answer();
    }
}
