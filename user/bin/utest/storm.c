/*
 * Threads of one space that map, touch, protect, copy, give back and unmap, while the others do the same:
 * what each has written is what it reads, and in the end all is back. And what that costs the other CPUs.
 *
 * Each thread has a lane of addresses, with objects of its own, and every so many pages of an object that all
 * share. There a page has the number of the page in its upper half, or is zero.
 */
#include "abi/system.h"
#include "user/bin/utest/books.h"
#include "user/bin/utest/counting.h"
#include "user/bin/utest/space.h"
#include "user/bin/utest/test.h"
#include "user/libq/system.h"
#include "user/libq/thread.h"

#define THREADS    9u
#define ROUNDS     240u /* of one thread on one CPU */
#define FEWEST     4u
#define LANE       (16 * GIB)
#define ALL_AT     (FIELD + 1024 * GIB)
#define ALL_BYTES  (4 * MIB)
#define ALL_PAGES  (ALL_BYTES / PAGE_SIZE)
#define ROOMY      (192 * MIB) /* free memory with which the storm may be a large one */
#define OWN_PAGES  40u
#define MORE_PAGES 1024u

static uint32_t all; /* the object of all */
static uint64_t all_pages, thread_count, rounds;
static uint64_t last[ALL_PAGES]; /* that the owner of the page has written */
static _Atomic unsigned well;    /* threads that came to their end */

struct storm {
    struct thread thread;
    uint64_t number, random;
};

static uint64_t draw(struct storm *storm, uint64_t below)
{
    storm->random = storm->random * 6364136223846793005ull + 1442695040888963407ull;
    return (storm->random >> 33) % below;
}

static uint64_t stamp_of(uint64_t page, uint64_t value)
{
    return (page + 1) << 32 | (value & 0xffffffff);
}

/* One of the thread's pages of the object of all. */
static uint64_t own_page(struct storm *storm)
{
    uint64_t page = draw(storm, all_pages / thread_count) * thread_count + storm->number;
    return page < all_pages ? page : storm->number;
}

static bool use_all(struct storm *storm, uint64_t base)
{
    for (unsigned i = 0; i < 16; i++) {
        uint64_t page = own_page(storm);
        volatile uint64_t *word = word_at(base + page * PAGE_SIZE);
        CHECK_EQUAL(*word, last[page]);
        if (draw(storm, 8) == 0) {
            CHECK_OK(sys_memory_decommit(all, page * PAGE_SIZE, PAGE_SIZE));
            last[page] = 0;
            CHECK_EQUAL(*word, 0);
        } else {
            last[page] = stamp_of(page, draw(storm, 1u << 30));
            *word = last[page];
        }
    }
    return true;
}

/* Another view of the object of all, for a moment. */
static bool view_all(struct storm *storm, uint64_t lane)
{
    static const uint64_t modes[] = {0, MAP_MODE_POPULATE, MAP_MODE_SMALL, MAP_MODE_LARGE};
    CHECK_OK(space_map(all, 0, lane, all_pages * PAGE_SIZE, READ_WRITE | modes[draw(storm, 4)]));
    if (!use_all(storm, lane)) {
        return false;
    }
    CHECK_OK(space_unmap(lane, 0));
    return true;
}

/* A copy has of each page what the page has had at some moment; of one's own, what is there now. */
static bool copy_all(struct storm *storm, uint64_t lane)
{
    uint32_t copy;
    enum error error = sys_memory_clone(all, 0, &copy);
    if (error == ERR_LIMIT || error == ERR_NO_MEMORY) { /* others have copies, too */
        return true;
    }
    CHECK_OK(error);
    CHECK_OK(space_map(copy, 0, lane, all_pages * PAGE_SIZE, READ_WRITE));
    for (uint64_t page = draw(storm, 7); page < all_pages; page += 7) {
        uint64_t word = *word_at(lane + page * PAGE_SIZE);
        CHECK(word == 0 || word >> 32 == page + 1);
        if (page % thread_count == storm->number) {
            CHECK_EQUAL(word, last[page]);
            *word_at(lane + page * PAGE_SIZE) = ~word;
            CHECK_EQUAL(*word_at(ALL_AT + page * PAGE_SIZE), last[page]);
        }
    }
    CHECK_OK(space_unmap(lane, 0));
    CHECK_OK(sys_handle_close(copy));
    return true;
}

static bool own_stamped(uint64_t where, uint64_t from, uint64_t to, uint64_t value)
{
    for (uint64_t i = from; i < to; i++) {
        CHECK_EQUAL(*word_at(where + i * PAGE_SIZE), stamp_of(i, value));
    }
    return true;
}

/* An object of the thread's own: made, copied, protected, cut, gone. */
static bool use_own(struct storm *storm, uint64_t lane)
{
    const uint64_t bytes = OWN_PAGES * PAGE_SIZE, other = lane + GIB, value = draw(storm, 1u << 30);
    uint64_t cut = 1 + draw(storm, OWN_PAGES - 2);
    uint32_t memory, copy;
    CHECK_OK(sys_memory_create(0, bytes, draw(storm, 2) * MEMORY_CREATE_SPARSE, &memory));
    CHECK_OK(space_map(memory, 0, lane, bytes, READ_WRITE));
    for (uint64_t i = 0; i < OWN_PAGES; i++) {
        CHECK_EQUAL(*word_at(lane + i * PAGE_SIZE), 0);
        *word_at(lane + i * PAGE_SIZE) = stamp_of(i, value);
    }
    CHECK_OK(space_protect(lane + cut * PAGE_SIZE, PAGE_SIZE, READ));
    CHECK(kernel_cannot_write(lane + cut * PAGE_SIZE));
    CHECK_OK(sys_memory_clone(memory, 0, &copy));
    CHECK_OK(space_map(copy, 0, other, bytes, READ_WRITE));
    CHECK_OK(space_protect(lane, bytes, READ_WRITE));
    *word_at(lane + cut * PAGE_SIZE) = 1;
    *word_at(other + (cut - 1) * PAGE_SIZE) = 2;
    CHECK(own_stamped(lane, 0, cut, value) && own_stamped(lane, cut + 1, OWN_PAGES, value));
    CHECK(own_stamped(other, 0, cut - 1, value) && own_stamped(other, cut, OWN_PAGES, value));
    CHECK_OK(sys_memory_decommit(memory, 0, cut * PAGE_SIZE));
    CHECK_EQUAL(*word_at(lane), 0);
    CHECK(own_stamped(other, cut, OWN_PAGES, value) && own_stamped(lane, cut + 1, OWN_PAGES, value));
    CHECK_OK(space_unmap(lane + cut * PAGE_SIZE, PAGE_SIZE));
    CHECK(kernel_cannot_write(lane + cut * PAGE_SIZE));
    CHECK_OK(space_unmap(lane, LANE / 2));
    CHECK_OK(sys_handle_close(memory));
    CHECK_OK(sys_handle_close(copy));
    return true;
}

static bool storm_round(struct storm *storm, uint64_t lane)
{
    switch (draw(storm, 4)) {
    case 0:
        return view_all(storm, lane);
    case 1:
        return copy_all(storm, lane);
    case 2:
        return use_all(storm, ALL_AT);
    default:
        return use_own(storm, lane);
    }
}

static void blow(void *argument)
{
    struct storm *storm = argument;
    bool good = true;
    for (unsigned round = 0; good && round < rounds; round++) {
        good = storm_round(storm, FIELD + storm->number * LANE);
    }
    atomic_fetch_add(&well, good);
}

static bool free_bytes(uint64_t *out)
{
    struct system_memory memory;
    CHECK_OK(system_record(TOPIC_MEMORY, 0, &memory, sizeof memory));
    *out = memory.free;
    return true;
}

static bool one_storm(void)
{
    static struct storm storms[THREADS];
    struct system_boot boot;
    uint64_t roomy;
    CHECK_OK(system_record(TOPIC_BOOT, 0, &boot, sizeof boot));
    CHECK(free_bytes(&roomy));
    thread_count = boot.cpus_online + 1 < THREADS ? boot.cpus_online + 1 : THREADS;
    thread_count = thread_count < 3 ? 3 : thread_count;
    /* With each CPU there are more threads, and each flush waits for one more. */
    rounds = ROUNDS / ((uint64_t)boot.cpus_online * boot.cpus_online);
    rounds = rounds < FEWEST ? FEWEST : rounds;
    all_pages = roomy >= ROOMY ? ALL_PAGES : ALL_PAGES / 8;
    well = 0;
    CHECK_OK(sys_memory_create(0, all_pages * PAGE_SIZE, MEMORY_CREATE_SPARSE, &all));
    CHECK_OK(space_map(all, 0, ALL_AT, all_pages * PAGE_SIZE, READ_WRITE));
    for (uint64_t i = 0; i < ALL_PAGES; i++) {
        last[i] = 0;
    }
    for (uint64_t i = 0; i < thread_count; i++) {
        storms[i].number = i;
        storms[i].random = i * 0x9e3779b97f4a7c15ull + 7;
        CHECK_OK(thread_create(&storms[i].thread, blow, &storms[i]));
    }
    for (uint64_t i = 0; i < thread_count; i++) {
        CHECK_OK(thread_join(&storms[i].thread, clock_after(120 * SECOND)));
    }
    if (well != thread_count) {
        return false; /* who failed has said why */
    }
    for (uint64_t i = 0; i < all_pages; i++) {
        CHECK_EQUAL(*word_at(ALL_AT + i * PAGE_SIZE), last[i]);
    }
    CHECK_OK(space_unmap(ALL_AT, 0));
    CHECK_OK(sys_handle_close(all));
    return true;
}

static bool threads_change_one_space_together_and_nobody_loses_a_page(void)
{
    return gives_all_back(one_storm, 1);
}

/* --- interrupts ------------------------------------------------------------------------------------------
 */

/* Map and touch so many pages, then unmap them: flushes that asked others, interrupts for them, and waits. */
static bool cost_of_unmap(uint64_t pages, uint64_t *requests, uint64_t *interrupts, uint64_t *waits)
{
    uint32_t memory;
    struct system_spaces before, after;
    CHECK_OK(sys_memory_create(0, pages * PAGE_SIZE, 0, &memory));
    CHECK_OK(space_map(memory, 0, FIELD, pages * PAGE_SIZE, READ_WRITE | MAP_MODE_SMALL));
    for (uint64_t i = 0; i < pages; i++) {
        *word_at(FIELD + i * PAGE_SIZE) = i;
    }
    CHECK(spaces_figures(&before));
    CHECK_OK(space_unmap(FIELD, pages * PAGE_SIZE));
    CHECK(spaces_figures(&after));
    CHECK_OK(sys_handle_close(memory));
    *requests = after.shootdowns - before.shootdowns;
    *interrupts = after.interrupts - before.interrupts;
    *waits = after.waits - before.waits;
    return true;
}

struct spinner {
    struct thread thread;
    _Atomic uint64_t count;
    uint64_t cpu;
};

static void spin_there(void *argument)
{
    struct spinner *spinner = argument;
    if (sys_thread_affinity(spinner->cpu) == ERR_NONE) {
        count_on(&spinner->count);
    }
}

static bool a_range_costs_one_interrupt_for_each_other_cpu_however_many_pages(void)
{
    static struct spinner spinners[THREADS];
    struct system_boot boot;
    struct books books;
    CHECK_OK(system_record(TOPIC_BOOT, 0, &boot, sizeof boot));
    uint64_t others = boot.cpus_online - 1 < THREADS ? boot.cpus_online - 1 : THREADS;
    CHECK_OK(sys_thread_affinity(0));
    counting_over = false;
    for (uint64_t i = 0; i < others; i++) {
        spinners[i].cpu = i + 1;
        spinners[i].count = 0;
        CHECK_OK(thread_create(&spinners[i].thread, spin_there, &spinners[i]));
    }
    for (uint64_t i = 0; i < others; i++) {
        CHECK(comes(&spinners[i].count, 1));
    }
    CHECK(books_at_rest(&books));
    uint64_t requests[3], interrupts[3], waits[3];
    CHECK(cost_of_unmap(1, &requests[0], &interrupts[0], &waits[0]));
    CHECK(cost_of_unmap(32, &requests[1], &interrupts[1], &waits[1]));
    CHECK(cost_of_unmap(MORE_PAGES, &requests[2], &interrupts[2], &waits[2]));
    counting_over = true;
    for (uint64_t i = 0; i < others; i++) {
        CHECK_OK(thread_join(&spinners[i].thread, clock_after(LONG)));
    }
    CHECK_OK(sys_thread_affinity(~0ull));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQUAL(requests[i], others > 0);
        CHECK_EQUAL(interrupts[i], others);
        CHECK_EQUAL(waits[i], 0);
    }
    return true;
}

static const struct test tests[] = {
    TEST(threads_change_one_space_together_and_nobody_loses_a_page),
    TEST(a_range_costs_one_interrupt_for_each_other_cpu_however_many_pages),
};
const struct area area_storm = AREA("storm", tests);
