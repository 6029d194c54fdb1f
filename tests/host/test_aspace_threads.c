/*
 * Threads in place of CPUs that touch, map, unmap, protect, copy and end the same spaces, and change the
 * objects in them, all at once. Each CPU remembers what it is not told to forget (mmu_host.h), and no frame
 * may be given back that it still uses. A page of an object is mapped only where its number follows from the
 * address, and holds that number, so that a frame in a wrong place shows. A copy of a space, which one thread
 * has alone, must not change when others write to the original. Under the thread sanitizer by make -f
 * build.mk aspace-threads.
 *
 * A number as argument multiplies the steps.
 */
#include <pthread.h>
#include <sched.h>

#include "tests/host/host.h"
#include "tests/host/memory_books.h"
#include "tests/host/memory_host.h"
#include "tests/host/mmu_host.h"
#include "tests/host/pager_host.h"
#include "tests/host/workers.h"

#include "abi/memory.h"

#define FRAMES  32768 /* 128 MiB */
#define CPUS    4
#define SPACES  3
#define OBJECTS 4 /* the last is paged */
#define PAGES   1200
#define STEPS   20000
#define NUMBER  0xfffu                          /* of the page, in what it holds */
#define BASE    (0x0000004000000000u - 2 * MIB) /* of page 0; 1 GiB ends inside */

/* What several threads have; closed by who takes it out of its place. */
struct shared_space {
    struct aspace space;
    uint32_t references; /* guarded by places_lock */
};

struct worker {
    struct host_worker base;
    unsigned long forks, refused, done;
};

static struct account *account;
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared_space *spaces[SPACES]; /* guarded by places_lock, each with a reference */
static struct memory *objects[OBJECTS];     /* the same */
static uint64_t steps_factor = 1;
static uint32_t workers_left; /* atomic */
static uint32_t paged_made;   /* atomic */

static uint64_t below(struct worker *self, uint64_t limit)
{
    return random_below(&self->base.dice, limit);
}

static void expect(enum error error, uint64_t allowed)
{
    if (error != ERR_NONE && (allowed >> error & 1) == 0) {
        fail_msg("error %d", error);
    }
}
#define MAY(error) ((uint64_t)1 << (error))

static uint64_t address_of(uint64_t page)
{
    return BASE + (page << PAGE_SHIFT);
}

/* --- what is shared ----------------------------------------------------------------------------------------
 */

static struct memory *make_object(struct worker *self, unsigned which)
{
    struct memory *memory;
    pages_t pages = {1 + below(self, PAGES)};
    unsigned flags = below(self, 2) ? MEMORY_SPARSE : 0;
    enum error error = which == OBJECTS - 1 ? memory_make_paged(account, pages, flags, &pager_host, &memory)
                                            : memory_make(account, pages, flags, &memory);
    assert_int_equal(error, ERR_NONE);
    __atomic_fetch_add(&paged_made, which == OBJECTS - 1, __ATOMIC_RELAXED);
    return memory;
}

static struct memory *object(unsigned which)
{
    pthread_mutex_lock(&places_lock);
    struct memory *memory = objects[which];
    memory_retain(memory);
    pthread_mutex_unlock(&places_lock);
    return memory;
}

static void replace_object(struct worker *self, unsigned which)
{
    struct memory *fresh = make_object(self, which);
    pthread_mutex_lock(&places_lock);
    struct memory *old = objects[which];
    objects[which] = fresh;
    pthread_mutex_unlock(&places_lock);
    memory_release(old);
}

static struct shared_space *make_space(void)
{
    struct shared_space *shared = calloc(1, sizeof(*shared));
    assert_non_null(shared);
    shared->references = 1;
    aspace_init(&shared->space, account);
    assert_int_equal(aspace_open(&shared->space), ERR_NONE);
    return shared;
}

static struct shared_space *space_at(unsigned which)
{
    pthread_mutex_lock(&places_lock);
    struct shared_space *shared = spaces[which];
    shared->references++;
    pthread_mutex_unlock(&places_lock);
    return shared;
}

static void drop_space(struct shared_space *shared)
{
    pthread_mutex_lock(&places_lock);
    bool last = --shared->references == 0;
    pthread_mutex_unlock(&places_lock);
    if (last) {
        free(shared);
    }
}

/* As a task that ends: this thread has left it, others are about to. */
static void close_space(struct shared_space *shared)
{
    aspace_load(NULL);
    aspace_close(&shared->space);
    drop_space(shared);
}

static void replace_space(struct worker *self, unsigned which)
{
    struct shared_space *old = space_at(which), *fresh = make_space();
    if (below(self, 2)) {
        expect(aspace_clone(&old->space, &fresh->space, account), MAY(ERR_DEAD) | MAY(ERR_NOT_READY));
    }
    pthread_mutex_lock(&places_lock);
    struct shared_space *taken = spaces[which];
    spaces[which] = fresh;
    pthread_mutex_unlock(&places_lock);
    close_space(taken);
    drop_space(old);
}

/* --- accesses ----------------------------------------------------------------------------------------------
 */

static void check_page(uint64_t page, uint32_t seen)
{
    if (seen != 0 && (seen & NUMBER) != page) {
        fail_msg("page %lu holds %x", page, seen);
    }
}

static enum error touch(struct worker *self, uint64_t address, uint64_t page, uint32_t access)
{
    uint32_t value = (uint32_t)(page | below(self, 1 << 20) << 12);
    enum error error = mmu_access(address, access, &value);
    expect(error, MAY(ERR_BAD_ADDRESS) | MAY(ERR_NO_RIGHT));
    if (error == ERR_NONE && access != ACCESS_WRITE) {
        check_page(page, value);
    }
    self->done += error == ERR_NONE;
    return error;
}

static uint32_t some_access(struct worker *self)
{
    static const uint32_t accesses[] = {ACCESS_READ, ACCESS_READ, ACCESS_WRITE, ACCESS_WRITE, ACCESS_EXECUTE};
    return accesses[below(self, 5)];
}

static void touch_some(struct worker *self)
{
    uint64_t page = below(self, PAGES);
    uint64_t n = 1 + below(self, below(self, 8) ? 16 : below(self, 4) ? 60 : 600);
    for (unsigned misses = 0; n > 0 && misses < 12; n--) {
        if (touch(self, address_of(page), page, some_access(self)) == ERR_BAD_ADDRESS) {
            misses++;
            page = below(self, PAGES); /* to where something is */
        } else {
            touch(self, address_of(page), page, some_access(self));
            page = (page + 1) % PAGES;
        }
    }
}

/* --- mappings ----------------------------------------------------------------------------------------------
 */

static uint32_t some_mode(struct worker *self, const struct memory *memory)
{
    uint32_t mode = ACCESS_READ | MAP_MODE_MAY(7) | (below(self, 4) ? ACCESS_WRITE : 0);
    mode |= below(self, 4) ? 0 : ACCESS_EXECUTE;
    mode |= below(self, 3) ? 0 : MAP_MODE_POPULATE;
    mode |= below(self, 4) ? 0 : MAP_MODE_SMALL;
    mode |= below(self, 3) || (mode & MAP_MODE_SMALL) != 0 ? 0 : MAP_MODE_LARGE;
    mode |= below(self, 6) && memory->kind != MEMORY_PAGED ? 0 : MAP_MODE_SHARED;
    mode |= below(self, 8) ? 0 : MAP_MODE_GROWS;
    return mode;
}

static void some_range(struct worker *self, uint64_t *first, uint64_t *count)
{
    *first = below(self, 4) ? below(self, PAGES) : below(self, 2) ? 0 : 512;
    *count = 1 + below(self, below(self, 4) == 0 ? 8 : PAGES);
    *count = *count < PAGES - *first ? *count : PAGES - *first;
}

static void map(struct worker *self, struct aspace *space, struct memory *memory)
{
    uint64_t first, count, pages = __atomic_load_n(&memory->pages.value, __ATOMIC_RELAXED);
    struct map_plan plan;
    bool anywhere = below(self, 6) == 0;
    some_range(self, &first, &count);
    if (first >= pages) {
        return;
    }
    count = count < pages - first ? count : pages - first;
    const struct map_request request = {memory, first << PAGE_SHIFT, anywhere ? 0 : address_of(first),
                                        count << PAGE_SHIFT,
                                        some_mode(self, memory) & (anywhere ? ~MAP_MODE_GROWS : ~0u)};
    enum error error = aspace_map_prepare(space, &request, &plan);
    expect(error, MAY(ERR_EXISTS) | MAY(ERR_DEAD));
    if (error != ERR_NONE) {
        return;
    }
    uint64_t at = aspace_map_commit(&plan);
    for (unsigned i = 0; anywhere && i < 4; i++) { /* nobody else knows where it is */
        uint64_t page = below(self, count);
        touch(self, at + (page << PAGE_SHIFT), first + page, some_access(self));
    }
    struct range_plan range;
    if (anywhere && below(self, 2)) {
        error = aspace_unmap_prepare(space, at, below(self, 2) ? 0 : count << PAGE_SHIFT, &range);
        expect(error, MAY(ERR_DEAD));
        if (error == ERR_NONE) {
            aspace_unmap_commit(&range);
        }
    }
}

static void unmap(struct worker *self, struct aspace *space)
{
    uint64_t first, count;
    struct range_plan plan;
    some_range(self, &first, &count);
    count = below(self, 8) ? 1 + count / 32 : count;
    enum error error = aspace_unmap_prepare(space, address_of(first), count << PAGE_SHIFT, &plan);
    expect(error, MAY(ERR_NOT_FOUND) | MAY(ERR_DEAD));
    if (error == ERR_NONE) {
        aspace_unmap_commit(&plan);
    }
}

static void protect(struct worker *self, struct aspace *space)
{
    uint64_t first, count;
    struct range_plan plan;
    some_range(self, &first, &count);
    uint32_t access = ACCESS_READ | (uint32_t)below(self, 8);
    enum error error =
        aspace_protect_prepare(space, address_of(first), (1 + count / 16) << PAGE_SHIFT, access, &plan);
    expect(error, MAY(ERR_NOT_FOUND) | MAY(ERR_DEAD));
    if (error == ERR_NONE) {
        aspace_protect_commit(&plan);
    }
}

static void describe(struct worker *self, struct aspace *space)
{
    struct memory_mapping told;
    struct table_step steps[TABLE_LEVELS_MOST];
    for (uint64_t from = 0; aspace_describe(space, from, &told); from = told.start + told.bytes) {
        assert_true(told.start + told.bytes > from);
    }
    (void)aspace_translate(space, address_of(below(self, PAGES)), steps);
}

/* --- objects -----------------------------------------------------------------------------------------------
 */

static void give_back(struct worker *self, struct memory *memory)
{
    struct memory_decommit_plan plan;
    uint64_t first, count;
    some_range(self, &first, &count);
    enum error error = memory_decommit_prepare(memory, first, count, &plan);
    expect(error, MAY(ERR_BAD_ARGUMENT) | MAY(ERR_NOT_READY));
    if (error == ERR_NONE) {
        memory_decommit_commit(&plan);
    }
}

static void pin(struct worker *self, struct memory *memory)
{
    paddr_t where[4];
    uint64_t first = below(self, PAGES);
    enum error error = memory_pin(memory, first, 4, where);
    expect(error, MAY(ERR_BAD_ARGUMENT));
    if (error != ERR_NONE) {
        return;
    }
    for (unsigned i = 0; i < 4; i++) { /* a device writes; the pages stay where they are */
        uint32_t *words = memory_host_frame(paddr_to_pfn(where[i]));
        check_page(first + i, __atomic_load_n(words, __ATOMIC_RELAXED));
        __atomic_store_n(words, (uint32_t)(first + i), __ATOMIC_RELAXED);
    }
    sched_yield();
    for (unsigned i = 0; i < 4; i++) {
        check_page(first + i,
                   __atomic_load_n((uint32_t *)memory_host_frame(paddr_to_pfn(where[i])), __ATOMIC_RELAXED));
    }
    assert_int_equal(memory_unpin(memory, first, 4), ERR_NONE);
}

static void change(struct worker *self, struct memory *memory)
{
    uint64_t first, count;
    some_range(self, &first, &count);
    switch (below(self, 6)) {
    case 0:
        expect(memory_resize(memory, (pages_t){1 + below(self, PAGES)}), MAY(ERR_NOT_READY));
        break;
    case 1:
        expect(memory_commit_pages(memory, first, count), MAY(ERR_BAD_ARGUMENT));
        break;
    case 2:
        (void)memory_promote(memory, first, below(self, 2));
        break;
    case 3:
        pin(self, memory);
        break;
    default:
        give_back(self, memory);
    }
}

/* --- copies ------------------------------------------------------------------------------------------------
 */

/* Of a space that the thread has alone, pages of a mapping that nobody else sees: they stay what they are,
 * but for what it writes itself. */
static void check_copy(struct worker *self, const struct memory_mapping *m)
{
    static _Thread_local uint32_t seen[PAGES];
    uint64_t first = (m->start - BASE) >> PAGE_SHIFT, count = m->bytes >> PAGE_SHIFT;
    count = count < 40 ? count : 40;
    for (uint64_t i = first; i < first + count; i++) {
        if (mmu_access(address_of(i), ACCESS_READ, &seen[i]) != ERR_NONE) {
            count = i - first; /* here the object has ended */
            break;
        }
        check_page(i, seen[i]);
    }
    for (uint64_t i = first + below(self, 3); (m->mode & ACCESS_WRITE) != 0 && i < first + count; i += 3) {
        seen[i] = (uint32_t)(i | below(self, 1 << 20) << 12);
        assert_int_equal(mmu_access(address_of(i), ACCESS_WRITE, &seen[i]), ERR_NONE);
    }
    sched_yield();
    for (uint64_t i = first; i < first + count; i++) {
        uint32_t again;
        assert_int_equal(mmu_access(address_of(i), ACCESS_READ, &again), ERR_NONE);
        assert_int_equal(again, seen[i]);
    }
}

static void fork_and_check(struct worker *self, struct aspace *space)
{
    struct shared_space *copy = make_space();
    enum error error = aspace_clone(space, &copy->space, account);
    expect(error, MAY(ERR_DEAD) | MAY(ERR_NOT_READY));
    self->forks += error == ERR_NONE;
    self->refused += error != ERR_NONE;
    struct memory_mapping told;
    uint64_t from = BASE;
    aspace_load(&copy->space);
    while (error == ERR_NONE && aspace_describe(&copy->space, from, &told) &&
           told.start < address_of(PAGES)) {
        if ((told.mode & MAP_MODE_SHARED) == 0) {
            check_copy(self, &told);
        }
        from = told.start + told.bytes;
    }
    close_space(copy);
}

/* --- threads -----------------------------------------------------------------------------------------------
 */

static void step(struct worker *self)
{
    unsigned which = (unsigned)below(self, OBJECTS), place = (unsigned)below(self, SPACES);
    struct memory *memory = object(which);
    struct shared_space *shared = space_at(place);
    uint64_t what = below(self, 1000);
    aspace_load(&shared->space);
    if (what < 3) {
        replace_object(self, which);
    } else if (what < 8) {
        drop_space(shared);
        replace_space(self, place);
        shared = NULL;
    } else if (what < 30) {
        fork_and_check(self, &shared->space);
    } else if (what < 150) {
        change(self, memory);
    } else if (what < 300) {
        map(self, &shared->space, memory);
    } else if (what < 360) {
        unmap(self, &shared->space);
    } else if (what < 420) {
        protect(self, &shared->space);
    } else if (what < 430) {
        describe(self, &shared->space);
    } else {
        touch_some(self);
    }
    if (shared != NULL) {
        aspace_load(below(self, 2) ? arch_this_cpu()->space : NULL);
        drop_space(shared);
    }
    memory_release(memory);
    host_leave_kernel();
    mmu_answer();
}

static void *work(void *argument)
{
    struct worker *self = argument;
    memory_host_enter(self->base.number);
    for (uint64_t i = 0; i < STEPS * steps_factor; i++) {
        step(self);
    }
    aspace_load(NULL);
    __atomic_fetch_sub(&workers_left, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&workers_left, __ATOMIC_SEQ_CST) != 0) {
        sched_yield();
        mmu_answer();
    }
    host_leave_kernel();
    return NULL;
}

/* The time between a change of the tables and the flush becomes longer. */
static void let_others_run(void)
{
    sched_yield();
}

static void begin(bool tags)
{
    memory_host_start(FRAMES, CPUS + 1);
    mmu_start(FRAMES, tags, true, 4);
    books_open((uint64_t)1 << 40, (uint64_t)1 << 40);
    account = books_account("spaces", (uint64_t)1 << 30, (uint64_t)1 << 30);
    mmu_before_flush = let_others_run;
}

static void end(void)
{
    for (unsigned i = 0; i < SPACES; i++) {
        close_space(spaces[i]);
    }
    for (unsigned i = 0; i < OBJECTS; i++) {
        memory_release(objects[i]);
    }
    for (unsigned i = 0; i <= CPUS; i++) {
        memory_host_enter(i);
        mmu_answer();
        host_leave_kernel();
    }
    memory_host_enter(0);
    host_leave_kernel();
    tlb_settle(true);
    assert_int_equal(pager_host_released, paged_made);
    books_close();
}

/* The others come from the pager's thread. */
static bool every_other(uint64_t page)
{
    return page % 2 == 0;
}

static void run(bool tags)
{
    static struct worker workers[CPUS];
    unsigned long forks = 0, refused = 0, done = 0;
    begin(tags);
    for (unsigned i = 0; i < OBJECTS; i++) {
        workers[0].base.dice = (struct random){i};
        objects[i] = make_object(&workers[0], i);
    }
    for (unsigned i = 0; i < SPACES; i++) {
        spaces[i] = make_space();
    }
    workers_left = CPUS;
    pager_host_start(CPUS, every_other, mmu_answer);
    memset(workers, 0, sizeof(workers));
    WORKERS_RUN(workers, (uint64_t)CPUS * tags, work);
    for (unsigned i = 0; i < CPUS; i++) {
        forks += workers[i].forks;
        refused += workers[i].refused;
        done += workers[i].done;
    }
    pager_host_stop();
    print_message("# %lu accesses done, %lu copies, %lu refused\n", done, forks, refused);
    assert_true(forks > STEPS / 200 && done > STEPS);
    end();
}

static void spaces_stay_whole_with_tags(void **state)
{
    (void)state;
    run(true);
}

static void spaces_stay_whole_without_tags(void **state)
{
    (void)state;
    run(false);
}

/* With it what was retired is filled, and looked at before it goes back. */
static void nobody_writes_to_what_was_retired(void **state)
{
    (void)state;
    tlb_debug_start();
    run(true);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spaces_stay_whole_with_tags),
        cmocka_unit_test(spaces_stay_whole_without_tags),
        cmocka_unit_test(nobody_writes_to_what_was_retired),
    };
    steps_factor = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
