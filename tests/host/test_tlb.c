/*
 * Generations, requests and quarantine with threads in place of CPUs, each with a memory of page tables that
 * keeps whatever it is not told to forget. CPUs load two dozen spaces in turn, so that tags are taken away
 * and come back, use pages, unmap them, with and without waiting, and map others in their place. Whatever a
 * CPU uses, the frame is in that place, or has not gone back to the allocator. Once with tags, once without.
 */
#include <pthread.h>
#include <sched.h>

#include "arch_tlb.h"
#include "kernel/arch/host/host.h"
#include "tests/host/host.h"
#include "tests/host/random.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/tables.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/frame_share.h"
#include "kernel/mm/tlb.h"
#include "kernel/mm/window.h"
#include "kernel/sched/cpu.h"

#define CPUS   4
#define SPACES 24
#define PAGES  40 /* more than are forgotten one by one */
#define FRAMES 4096
#define STEPS  60000
#define TAGS   (TLB_SLOTS + 1)

struct space {
    struct tlb tlb;
    struct spinlock lock;
    uint64_t pages[PAGES]; /* atomic: frame number, 0 none; the page table */
};

/* What a CPU remembers. Its own thread only. */
struct memory_of_cpu {
    uint32_t tag;
    struct space *loaded;
    uint64_t frames[TAGS][PAGES];
    uint32_t interrupted; /* atomic */
};

struct cpu *cpus[CPU_MAX];
unsigned cpus_online = CPUS;
char *host_memory; /* of tables, which are not retired here */

static struct cpu areas[CPUS];
static struct memory_of_cpu remembered[CPUS];
static struct space spaces[SPACES];
static uint8_t in_use[FRAMES]; /* atomic: 1 from taking to giving back */
static bool tagged;
static unsigned long uses, kept; /* atomic */
static _Thread_local unsigned me;

struct cpu *arch_this_cpu(void)
{
    return &areas[me];
}

uint64_t arch_locks_held(void)
{
    return areas[me].locks_held;
}

void arch_set_locks_held(uint64_t held)
{
    areas[me].locks_held = held;
}

void panic(const char *format, ...)
{
    fail_msg("panic: %s", format);
    abort();
}

static void take_interrupt(void)
{
    if (__atomic_exchange_n(&remembered[me].interrupted, 0, __ATOMIC_ACQ_REL) != 0) {
        tlb_serve();
    }
}

void arch_spin_wait(void)
{
    sched_yield();
    tlb_serve();
}

/* --- the processor --- */

bool arch_tlb_tags(void)
{
    return tagged;
}

static void forget_tag(uint32_t tag)
{
    memset(remembered[me].frames[tag], 0, sizeof(remembered[me].frames[tag]));
}

/* A root is the number of a space, plus one; 0: the kernel's. */
void arch_tlb_switch_tagged(paddr_t root, uint32_t tag, bool keep)
{
    struct memory_of_cpu *m = &remembered[me];
    m->tag = tag;
    m->loaded = root.value != 0 ? &spaces[root.value - 1] : NULL;
    if (!keep) {
        forget_tag(tag);
    } else if (m->loaded != NULL) {
        __atomic_fetch_add(&kept, 1, __ATOMIC_RELAXED);
    }
}

void arch_tlb_switch(paddr_t root)
{
    arch_tlb_switch_tagged(root, 0, false);
}

void arch_tlb_forget(uint64_t start, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        remembered[me].frames[remembered[me].tag][start / PAGE_SIZE + i] = 0;
    }
}

void arch_tlb_forget_space(void)
{
    forget_tag(remembered[me].tag);
}

void arch_tlb_forget_all(void)
{
    for (uint32_t i = 0; i < TAGS; i++) {
        forget_tag(i);
    }
}

void arch_tlb_interrupt(const struct cpu *cpu)
{
    __atomic_store_n(&remembered[cpu->number].interrupted, 1, __ATOMIC_RELEASE);
}

/* --- frames --- */

void frame_release(pfn_t first, unsigned order)
{
    assert_int_equal(order, 0);
    assert_int_equal(__atomic_exchange_n(&in_use[first.value], 0, __ATOMIC_SEQ_CST), 1);
}

bool frame_drop(pfn_t first)
{
    (void)first;
    return true;
}

bool frame_is_shared(pfn_t first)
{
    (void)first;
    return false;
}

void *window_open(enum window use, pfn_t frame)
{
    (void)use;
    (void)frame;
    panic("no window is needed");
}

void window_close(enum window use)
{
    (void)use;
}

static uint64_t frame_take_any(struct random *dice)
{
    for (;;) {
        uint64_t frame = 1 + random_below(dice, FRAMES - 1);
        uint8_t is_free = 0;
        if (__atomic_compare_exchange_n(&in_use[frame], &is_free, 1, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED)) {
            return frame;
        }
    }
}

/* --- what CPUs do --- */

static void use(struct random *dice)
{
    struct memory_of_cpu *m = &remembered[me];
    if (m->loaded == NULL) {
        return;
    }
    uint64_t page = random_below(dice, PAGES);
    uint64_t *entry = &m->frames[m->tag][page];
    if (*entry == 0) { /* a walk: an interrupt comes before or after */
        *entry = __atomic_load_n(&m->loaded->pages[page], __ATOMIC_SEQ_CST);
    }
    if (*entry != 0) {
        assert_int_equal(__atomic_load_n(&in_use[*entry], __ATOMIC_SEQ_CST), 1);
        __atomic_fetch_add(&uses, 1, __ATOMIC_RELAXED);
    }
}

/* Ask all CPUs to forget, and wait, or do not. Returns the request that is to be waited for. */
static uint64_t flush(struct tlb *tlb, uint64_t start, uint64_t count, bool later)
{
    if (count == 1 && later) {
        return tlb_flush_page_later(tlb, start * PAGE_SIZE);
    }
    if (later) {
        return tlb_flush_later(tlb, start * PAGE_SIZE, count * PAGE_SIZE);
    }
    if (count == 1) {
        tlb_flush_page(tlb, start * PAGE_SIZE);
    } else {
        tlb_flush(tlb, start * PAGE_SIZE, count * PAGE_SIZE);
    }
    return 0;
}

/* As an object does that ends, or gives pages back, when CPUs may remember a view of it that is gone. */
static void let_go(uint64_t frame, uint64_t request, bool ends)
{
    if (ends && !tlb_answered(request)) {
        tlb_retire_frame(pfn(frame), 0);
        return;
    }
    tlb_wait_for(request);
    frame_release(pfn(frame), 0);
}

static void unmap(struct space *space, struct random *dice)
{
    uint64_t out[PAGES];
    uint64_t start = random_below(dice, PAGES), count = 1 + random_below(dice, PAGES - start);
    bool later = random_below(dice, 2) == 0, ends = random_below(dice, 4) != 0;
    count = random_below(dice, 3) == 0 ? 1 : count;
    spin_lock_ranked(&space->lock, LOCK_TABLES);
    for (uint64_t i = 0; i < count; i++) {
        out[i] = __atomic_exchange_n(&space->pages[start + i], 0, __ATOMIC_SEQ_CST);
    }
    uint64_t request = flush(&space->tlb, start, count, later);
    spin_unlock_ranked(&space->lock, LOCK_TABLES);
    for (uint64_t i = 0; i < count; i++) {
        if (out[i] != 0) {
            let_go(out[i], request, ends);
        }
    }
}

static void map(struct space *space, struct random *dice)
{
    uint64_t page = random_below(dice, PAGES);
    spin_lock_ranked(&space->lock, LOCK_TABLES);
    if (space->pages[page] == 0) {
        tlb_wait(&space->tlb);
        __atomic_store_n(&space->pages[page], frame_take_any(dice), __ATOMIC_SEQ_CST);
    }
    spin_unlock_ranked(&space->lock, LOCK_TABLES);
}

static void *work(void *argument)
{
    me = (unsigned)(uintptr_t)argument;
    struct random dice = {me + 1};
    for (unsigned step = 0; step < STEPS; step++) {
        /* Mostly a few spaces, so that CPUs meet in them. */
        uint64_t number = random_below(&dice, random_below(&dice, 4) == 0 ? SPACES : 3);
        switch (random_below(&dice, 16)) {
        case 0:
            assert_true(tlb_load(&spaces[number].tlb, paddr(number + 1)));
            break;
        case 1:
            assert_true(random_below(&dice, 4) != 0 || tlb_load(NULL, paddr(0)));
            break;
        case 2:
            unmap(&spaces[number], &dice);
            break;
        case 3:
            tlb_settle(random_below(&dice, 64) == 0);
            break;
        case 4:
        case 5:
        case 6:
        case 7:
            map(&spaces[number], &dice);
            break;
        default:
            use(&dice);
        }
        take_interrupt();
    }
    assert_true(tlb_load(NULL, paddr(0)));
    return NULL;
}

static uint32_t workers_left; /* atomic */

static void *work_and_answer(void *argument)
{
    work(argument);
    __atomic_fetch_sub(&workers_left, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&workers_left, __ATOMIC_SEQ_CST) != 0) {
        sched_yield();
        take_interrupt();
    }
    return NULL;
}

static void start(bool with_tags)
{
    tagged = with_tags;
    uses = kept = 0;
    memset(in_use, 0, sizeof(in_use));
    memset(remembered, 0, sizeof(remembered));
    for (unsigned i = 0; i < CPUS; i++) { /* requests go on counting */
        uint64_t answered = areas[i].tlb.answered;
        areas[i] = (struct cpu){.number = i, .tlb.answered = answered, .tlb.wanted = answered};
        cpus[i] = &areas[i];
    }
    for (unsigned i = 0; i < SPACES; i++) {
        memset(&spaces[i], 0, sizeof(spaces[i]));
        spin_init(&spaces[i].lock, "page tables", LOCK_TABLES);
        tlb_init(&spaces[i].tlb);
    }
}

static void run(bool with_tags)
{
    pthread_t threads[CPUS];
    uint64_t mapped = 0, held = 0;
    start(with_tags);
    workers_left = CPUS;
    for (uintptr_t i = 0; i < CPUS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work_and_answer, (void *)i), 0);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (me = 0; me < CPUS; me++) { /* what was asked when a CPU had just looked */
        tlb_serve();
    }
    me = 0;
    tlb_settle(true);
    for (unsigned i = 0; i < SPACES; i++) {
        for (unsigned k = 0; k < PAGES; k++) {
            mapped += spaces[i].pages[k] != 0;
        }
    }
    for (unsigned i = 0; i < FRAMES; i++) {
        held += in_use[i];
    }
    assert_int_equal(mapped, held); /* to the very frame */
    assert_true(uses > STEPS / 8);
}

static void no_cpu_uses_what_was_given_back(void **state)
{
    (void)state;
    run(false);
    assert_int_equal(kept, 0);
}

static void nor_with_tags_which_keep_something(void **state)
{
    (void)state;
    run(true);
    assert_true(kept > 0);
}

static void a_range_costs_one_interrupt_for_each_other_cpu_that_has_the_space(void **state)
{
    struct tlb_figures before, after;
    (void)state;
    start(false);
    for (me = 0; me < 2; me++) {
        assert_true(tlb_load(&spaces[0].tlb, paddr(1)));
    }
    me = 2;
    assert_true(tlb_load(&spaces[1].tlb, paddr(2)));
    me = 0;
    tlb_count(&before);
    uint64_t request = tlb_flush_later(&spaces[0].tlb, 0, PAGES * PAGE_SIZE);
    tlb_count(&after);
    assert_int_equal(after.interrupts - before.interrupts, 1);
    assert_int_equal(after.waits, before.waits);
    assert_false(tlb_answered(request));
    assert_int_equal(remembered[1].interrupted, 1);
    in_use[7] = 1;
    tlb_retire_frame(pfn(7), 0);
    tlb_count(&after);
    assert_int_equal(after.quarantined, 1);
    assert_false(tlb_settle(false)); /* CPU 1 has yet to answer */
    me = 1;
    take_interrupt();
    me = 0;
    assert_true(tlb_answered(request));
    tlb_wait_for(request); /* which is none */
    assert_true(tlb_settle(false));
    assert_int_equal(in_use[7], 0);
    assert_int_equal(tlb_flush_later(&spaces[2].tlb, 0, PAGE_SIZE), 0); /* nobody has it */
    assert_int_equal(tlb_flush_page_later(&spaces[2].tlb, 0), 0);
    uint64_t most = after.quarantined_most;
    tlb_count(&after);
    assert_int_equal(after.waits, before.waits);
    assert_int_equal(after.quarantined, 0);
    assert_true(most > 0 && after.quarantined_most == most);
}

/* CPUs may still walk a table that was taken out, and even read what it named before, until they answer. */
static void tables_wait_for_the_answers_too(void **state)
{
    static uint64_t tables[4][PAGE_SIZE / sizeof(uint64_t)];
    struct table_gather gather = {.first = paddr(1 * PAGE_SIZE), .tables = 3};
    struct tlb_figures figures;
    (void)state;
    start(false);
    host_memory = (char *)tables;
    for (uint64_t i = 1; i < 4; i++) {
        tables[i][0] = (i + 1) * PAGE_SIZE; /* the chain; its end is not looked at */
        in_use[i] = 1;
    }
    for (me = 0; me < 2; me++) {
        assert_true(tlb_load(&spaces[0].tlb, paddr(1)));
    }
    me = 0;
    tlb_flush_later(&spaces[0].tlb, 0, PAGES * PAGE_SIZE);
    tlb_retire_tables(&gather);
    assert_int_equal(gather.tables, 0);
    tlb_count(&figures);
    assert_int_equal(figures.quarantined, 3);
    assert_true(in_use[1] && in_use[2] && in_use[3]);
    me = 1;
    take_interrupt();
    me = 0;
    assert_true(tlb_settle(false));
    assert_false(in_use[1] || in_use[2] || in_use[3]);
}

/* A flush has a generation before it says of which: who catches up with it at that moment must not take what
 * an older flush has left there for it. */
static void what_is_not_known_to_be_flushed_is_all_forgotten(void **state)
{
    struct memory_of_cpu *m = &remembered[0];
    (void)state;
    start(false);
    for (me = 0; me < 2; me++) {
        assert_true(tlb_load(&spaces[0].tlb, paddr(1)));
    }
    me = 1;
    for (unsigned i = 0; i < 2 * TLB_RECENT; i++) {
        tlb_flush_later(&spaces[0].tlb, 3 * PAGE_SIZE, PAGE_SIZE);
        me = 0;
        take_interrupt();
        me = 1;
    }
    m->frames[0][3] = m->frames[0][5] = 7;
    tlb_flush_later(&spaces[0].tlb, 3 * PAGE_SIZE, PAGE_SIZE);
    me = 0;
    take_interrupt();
    assert_int_equal(m->frames[0][3], 0);
    assert_int_equal(m->frames[0][5], 7); /* what was flushed is known */
    me = 1;
    tlb_flush_later(&spaces[0].tlb, 3 * PAGE_SIZE, PAGE_SIZE);
    spaces[0].tlb.generation++; /* a third CPU flushes page 5 */
    me = 0;
    take_interrupt();
    assert_int_equal(m->frames[0][5], 0);
}

static void a_closed_space_is_not_loaded(void **state)
{
    (void)state;
    start(false);
    me = 0;
    tlb_close(&spaces[0].tlb);
    assert_false(tlb_load(&spaces[0].tlb, paddr(1)));
    assert_null(areas[0].tlb.loaded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_costs_one_interrupt_for_each_other_cpu_that_has_the_space),
        cmocka_unit_test(tables_wait_for_the_answers_too),
        cmocka_unit_test(what_is_not_known_to_be_flushed_is_all_forgotten),
        cmocka_unit_test(a_closed_space_is_not_loaded),
        cmocka_unit_test(no_cpu_uses_what_was_given_back),
        cmocka_unit_test(nor_with_tags_which_keep_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
