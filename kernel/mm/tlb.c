/*
 * Generations, requests and answers; see tlb.h.
 *
 * Why nobody is missed: a CPU that loads a space sets its bit in the mask, and then reads the generation; a
 * flush raises the generation, and then reads the mask. Both with a full barrier in between, so that one sees
 * the other. A CPU that leaves takes its bit away after the other tables are loaded.
 */
#include "kernel/mm/tlb.h"

#include "arch_tlb.h"
#include "kernel/arch/arch.h"
#include "kernel/mm/quarantine.h"
#include "kernel/sched/cpu.h"

/* More pages than this are not forgotten one by one. */
#define FEW 32u

/*
 * A word of `recent`: the number of the first page in 45 bits, as it stands in addresses of up to 57 bits,
 * then the count of pages in 6 bits (0: everything), then the low bits of the generation.
 */
#define PAGE_BITS  45
#define COUNT_BITS 6
#define STAMP_AT   (PAGE_BITS + COUNT_BITS)
_Static_assert(FEW < 1u << COUNT_BITS, "width of the count");

/* Set in the generation of a space that nobody loads any more. */
#define CLOSED ((uint64_t)1 << 63)

/* Requests so far, and those that have a number but have not yet told everybody. */
static uint64_t requests; /* atomic */
static uint32_t telling;  /* atomic */
static uint64_t settled;  /* atomic: all up to this one are answered */

static uint64_t identities; /* atomic */

/* The kernel half, which is loaded everywhere. */
static struct tlb kernel_tlb = {.generation = 1};

void tlb_init(struct tlb *tlb)
{
    *tlb = (struct tlb){.identity = __atomic_add_fetch(&identities, 1, __ATOMIC_RELAXED), .generation = 1};
}

/* --- forgetting on this CPU --- */

static uint64_t range_word(uint64_t generation, uint64_t start, uint64_t bytes)
{
    uint64_t page = start >> PAGE_SHIFT & (((uint64_t)1 << PAGE_BITS) - 1);
    uint64_t count = bytes <= FEW * PAGE_SIZE ? bytes >> PAGE_SHIFT : 0;
    return page | count << PAGE_BITS | generation << STAMP_AT;
}

/* Forget page by page what the flushes after generation `from` up to `to` were for; false when that is not
 * known, or too much. */
static bool forget_pages(const struct tlb *tlb, uint64_t from, uint64_t to)
{
    uint64_t words[TLB_RECENT];
    uint64_t total = 0;
    if (to - from > TLB_RECENT) {
        return false;
    }
    for (uint64_t i = 0; i < to - from; i++) {
        uint64_t generation = from + 1 + i;
        words[i] = __atomic_load_n(&tlb->recent[generation % TLB_RECENT], __ATOMIC_ACQUIRE);
        uint64_t count = words[i] >> PAGE_BITS & ((1u << COUNT_BITS) - 1);
        if (words[i] >> STAMP_AT != generation << STAMP_AT >> STAMP_AT || count == 0) {
            return false;
        }
        total += count;
    }
    if (total > FEW) {
        return false;
    }
    for (uint64_t i = 0; i < to - from; i++) {
        uint64_t start = (uint64_t)((int64_t)(words[i] << (64 - PAGE_BITS)) >> (64 - PAGE_BITS - PAGE_SHIFT));
        arch_tlb_forget(start, words[i] >> PAGE_BITS & ((1u << COUNT_BITS) - 1));
    }
    return true;
}

static void catch_up(struct tlb_cpu *own)
{
    struct tlb *tlb = own->loaded;
    struct tlb_slot *slot = &own->slots[own->current];
    uint64_t generation = __atomic_load_n(&tlb->generation, __ATOMIC_SEQ_CST);
    if (slot->generation != generation) {
        if (!forget_pages(tlb, slot->generation, generation)) {
            arch_tlb_forget_space();
        }
        slot->generation = generation;
    }
}

static void catch_up_kernel(struct tlb_cpu *own)
{
    uint64_t generation = __atomic_load_n(&kernel_tlb.generation, __ATOMIC_SEQ_CST);
    if (own->kernel_generation != generation) {
        if (!forget_pages(&kernel_tlb, own->kernel_generation, generation)) {
            arch_tlb_forget_all();
        }
        own->kernel_generation = generation;
    }
}

void tlb_serve(void)
{
    struct tlb_cpu *own = &arch_this_cpu()->tlb;
    uint64_t last = __atomic_load_n(&requests, __ATOMIC_ACQUIRE);
    if (last == own->answered) {
        return;
    }
    catch_up_kernel(own);
    if (own->loaded != NULL) {
        catch_up(own);
    }
    __atomic_exchange_n(&own->answered, last, __ATOMIC_SEQ_CST); /* the barrier of tlb_barrier */
}

void tlb_admit(void)
{
    struct tlb_cpu *own = &arch_this_cpu()->tlb;
    own->kernel_generation = __atomic_load_n(&kernel_tlb.generation, __ATOMIC_SEQ_CST);
    arch_tlb_forget_all();
}

/* --- loading --- */

/* The slot of this space among those with tags, with what the CPU still knows, or another one with nothing.
 */
static bool slot_find(struct tlb_cpu *own, uint64_t identity, uint64_t generation)
{
    for (uint32_t i = 0; i < TLB_SLOTS; i++) {
        if (own->slots[i].identity == identity) {
            own->current = i;
            return own->slots[i].generation == generation;
        }
    }
    own->current = own->next;
    own->next = (own->next + 1) % TLB_SLOTS;
    own->slots[own->current].identity = identity;
    return false;
}

static __attribute__((noinline)) void load_tagged(struct tlb_cpu *own, struct tlb *tlb, uint64_t generation,
                                                  paddr_t root)
{
    if (tlb == NULL) {
        arch_tlb_switch_tagged(root, 0, true); /* what is remembered with this tag is the kernel's */
        return;
    }
    bool knows = slot_find(own, tlb->identity, generation);
    own->slots[own->current].generation = generation;
    arch_tlb_switch_tagged(root, own->current + 1, knows);
}

bool tlb_load(struct tlb *tlb, paddr_t root)
{
    struct cpu *cpu = arch_this_cpu();
    struct tlb_cpu *own = &cpu->tlb;
    struct tlb *old = own->loaded;
    uint32_t word = cpu->number / 64;
    uint64_t bit = (uint64_t)1 << cpu->number % 64, generation = 0;
    if (tlb == old) {
        return true;
    }
    if (tlb != NULL) {
        __atomic_fetch_or(&tlb->loaded[word], bit, __ATOMIC_SEQ_CST);
        generation = __atomic_load_n(&tlb->generation, __ATOMIC_SEQ_CST);
        if (__builtin_expect((generation & CLOSED) != 0, 0)) {
            __atomic_fetch_and(&tlb->loaded[word], ~bit, __ATOMIC_SEQ_CST);
            return false;
        }
    }
    own->loaded = tlb;
    if (arch_tlb_tags()) {
        load_tagged(own, tlb, generation, root);
    } else {
        own->slots[0].generation = generation;
        arch_tlb_switch(root);
    }
    if (old != NULL) {
        __atomic_fetch_and(&old->loaded[word], ~bit, __ATOMIC_SEQ_CST);
    }
    return true;
}

static bool is_loaded(const struct tlb *tlb)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < CPU_MASK_WORDS; i++) {
        any |= __atomic_load_n(&tlb->loaded[i], __ATOMIC_SEQ_CST);
    }
    return any != 0;
}

void tlb_close(struct tlb *tlb)
{
    __atomic_fetch_or(&tlb->generation, CLOSED, __ATOMIC_SEQ_CST);
    while (is_loaded(tlb)) {
        arch_spin_wait();
    }
}

/* --- asking the others --- */

static void raise_to(uint64_t *word, uint64_t value)
{
    uint64_t before = __atomic_load_n(word, __ATOMIC_RELAXED);
    while (before < value &&
           !__atomic_compare_exchange_n(word, &before, value, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
    }
}

/* Send the next request to these CPUs, of which this one is none. Returns its number. */
static __attribute__((noinline)) uint64_t tell(struct tlb_cpu *own, const struct cpu_mask *mask)
{
    unsigned count = arch_cpu_count(); /* one that comes up meanwhile forgets all: tlb_admit */
    __atomic_fetch_add(&telling, 1, __ATOMIC_SEQ_CST);
    uint64_t request = __atomic_add_fetch(&requests, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < count; i++) {
        if (cpu_mask_has(mask, i)) {
            raise_to(&cpus[i]->tlb.wanted, request);
        }
    }
    __atomic_fetch_sub(&telling, 1, __ATOMIC_SEQ_CST);
    own->requests++;
    for (unsigned i = 0; i < count; i++) {
        if (cpu_mask_has(mask, i)) {
            arch_tlb_interrupt(cpus[i]);
            own->interrupts++;
        }
    }
    return request;
}

/* Have those CPUs answered that were told of requests up to this one? */
static bool is_answered(uint64_t request)
{
    unsigned count = arch_cpu_count();
    for (unsigned i = 0; i < count; i++) {
        const struct tlb_cpu *tlb = &cpus[i]->tlb;
        uint64_t wanted = __atomic_load_n(&tlb->wanted, __ATOMIC_SEQ_CST);
        uint64_t answered = __atomic_load_n(&tlb->answered, __ATOMIC_SEQ_CST);
        if (answered < request && answered < wanted) {
            return false;
        }
    }
    return true;
}

bool tlb_answered(uint64_t request)
{
    return __atomic_load_n(&settled, __ATOMIC_ACQUIRE) >= request || is_answered(request);
}

bool tlb_all_answered(uint64_t *last)
{
    *last = __atomic_load_n(&requests, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&settled, __ATOMIC_ACQUIRE) >= *last) {
        return true;
    }
    /* What has a number but has not told everybody must not count as answered for others, who know of it. */
    bool all_told = __atomic_load_n(&telling, __ATOMIC_SEQ_CST) == 0;
    if (!is_answered(*last)) {
        return false;
    }
    if (all_told) {
        raise_to(&settled, *last);
    }
    return true;
}

void tlb_wait_for(uint64_t request)
{
    if (tlb_answered(request)) {
        return;
    }
    arch_this_cpu()->tlb.waits++;
    while (!tlb_answered(request)) {
        arch_spin_wait();
    }
}

/* The other CPUs that have the space loaded; false when there are none. */
static bool others(const struct tlb *tlb, const struct cpu *self, struct cpu_mask *mask)
{
    unsigned words =
        (arch_cpu_count() + 63) / 64; /* who is counted later loads it later, and reads the generation */
    uint64_t any = 0;
    for (unsigned i = 0; i < words; i++) {
        uint64_t bit = i == self->number / 64 ? (uint64_t)1 << self->number % 64 : 0;
        mask->words[i] = __atomic_load_n(&tlb->loaded[i], __ATOMIC_SEQ_CST) & ~bit;
        any |= mask->words[i];
    }
    return any != 0;
}

/* The number of the request, 0 where there is nobody to ask. This CPU has forgotten on return. */
static uint64_t ask(struct tlb *tlb, uint64_t start, uint64_t bytes)
{
    struct cpu *self = arch_this_cpu();
    struct cpu_mask mask;
    uint64_t generation = __atomic_add_fetch(&tlb->generation, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&tlb->recent[generation % TLB_RECENT], range_word(generation, start, bytes),
                     __ATOMIC_RELEASE);
    uint64_t request = others(tlb, self, &mask) ? tell(&self->tlb, &mask) : 0;
    if (self->tlb.loaded == tlb) {
        catch_up(&self->tlb);
    }
    return request;
}

void tlb_flush(struct tlb *tlb, uint64_t start, uint64_t bytes)
{
    uint64_t request = ask(tlb, start, bytes);
    if (request != 0) {
        tlb_wait_for(request);
    }
}

/* The generation is raised: have it known. Returns as ask. */
static uint64_t spread(struct tlb *tlb)
{
    struct cpu *self = arch_this_cpu();
    struct cpu_mask mask;
    uint64_t request = others(tlb, self, &mask) ? tell(&self->tlb, &mask) : 0;
    if (self->tlb.loaded == tlb) {
        catch_up(&self->tlb);
    }
    return request;
}

static __attribute__((noinline)) void spread_and_wait(struct tlb *tlb)
{
    uint64_t request = spread(tlb);
    if (request != 0) {
        tlb_wait_for(request);
    }
}

static __attribute__((noinline)) uint64_t spread_later(struct tlb *tlb)
{
    uint64_t request = spread(tlb);
    if (request != 0) {
        raise_to(&tlb->asked, request);
    }
    return request;
}

/* Raise the generation for one page. True when nobody else is to be told. */
static inline bool forget_page(struct tlb *tlb, uint64_t page)
{
    struct cpu *self = arch_this_cpu();
    struct tlb_slot *slot = &self->tlb.slots[self->tlb.current];
    uint64_t generation = __atomic_add_fetch(&tlb->generation, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&tlb->recent[generation % TLB_RECENT], range_word(generation, page, PAGE_SIZE),
                     __ATOMIC_RELEASE);
    bool alone = arch_cpu_count() <= 64 &&
                 __atomic_load_n(&tlb->loaded[0], __ATOMIC_SEQ_CST) == (uint64_t)1 << self->number % 64;
    if (__builtin_expect(alone && self->tlb.loaded == tlb && slot->generation + 1 == generation, 1)) {
        arch_tlb_forget(page, 1);
        slot->generation = generation;
        return true;
    }
    return false;
}

void tlb_flush_page(struct tlb *tlb, uint64_t page)
{
    if (!forget_page(tlb, page)) {
        spread_and_wait(tlb);
    }
}

uint64_t tlb_flush_page_later(struct tlb *tlb, uint64_t page)
{
    return forget_page(tlb, page) ? 0 : spread_later(tlb);
}

uint64_t tlb_flush_later(struct tlb *tlb, uint64_t start, uint64_t bytes)
{
    uint64_t request = ask(tlb, start, bytes);
    if (request != 0) {
        raise_to(&tlb->asked, request);
    }
    return request;
}

void tlb_wait(struct tlb *tlb)
{
    tlb_wait_for(__atomic_load_n(&tlb->asked, __ATOMIC_ACQUIRE));
}

static void ask_everybody(void)
{
    struct cpu *self = arch_this_cpu();
    struct cpu_mask mask = cpu_mask_all();
    mask.words[self->number / 64] &= ~((uint64_t)1 << self->number % 64);
    if (arch_cpu_count() > 1) {
        tlb_wait_for(tell(&self->tlb, &mask));
    }
}

void tlb_flush_kernel(uint64_t start, uint64_t bytes)
{
    uint64_t generation = __atomic_add_fetch(&kernel_tlb.generation, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&kernel_tlb.recent[generation % TLB_RECENT], range_word(generation, start, bytes),
                     __ATOMIC_RELEASE);
    catch_up_kernel(&arch_this_cpu()->tlb);
    ask_everybody();
}

void tlb_flush_kernel_half(void)
{
    tlb_flush_kernel(0, UINT64_MAX);
}

void tlb_barrier(void)
{
    ask_everybody();
}

void tlb_count(struct tlb_figures *out)
{
    *out = (struct tlb_figures){0};
    out->quarantined = quarantine_frames(&out->quarantined_most);
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        out->interrupts += __atomic_load_n(&cpus[i]->tlb.interrupts, __ATOMIC_RELAXED);
        out->requests += __atomic_load_n(&cpus[i]->tlb.requests, __ATOMIC_RELAXED);
        out->waits += __atomic_load_n(&cpus[i]->tlb.waits, __ATOMIC_RELAXED);
    }
}
