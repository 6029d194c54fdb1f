/* Processors that translate by page tables; see mmu_host.h. SDM vol. 3A 4.5 and 4.10. */
#include "tests/host/mmu_host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arch_tlb.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/page_entry.h"
#include "kernel/debug/inject.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/window.h"
#include "tests/host/memory_host.h"

/* What the aperture shows: memory_host.c. */
extern char *host_memory;

#define SIZES     3u /* of leaves */
#define SETS      256u
#define TABLES    64u
#define LAST_WORD (PAGE_SIZE / sizeof(uint32_t) - 1)
#define RESERVED  (PTE_COUNT_MASK | (uint64_t)1 << 62 | (uint64_t)15 << 48)

/* What a CPU remembers of a leaf, or of a table of level 1. */
struct remembered {
    uint64_t page; /* the address, less what is inside the leaf */
    paddr_t physical;
    uint64_t since; /* by the count of frames given back */
    uint32_t tag;
    bool valid, write, execute;
};

struct processor {
    struct remembered leaves[SIZES][SETS];
    struct remembered tables[TABLES];
    uint32_t tag;
    paddr_t root;
    uint32_t interrupted; /* atomic */
    uint32_t accesses;
};

static struct processor processors[HOST_CPUS];
static uint64_t *given_back; /* atomic; by frame: which one it was that was given back, the last time */
static uint64_t count_given; /* atomic */
static uint64_t frames;
static bool tagged, huge_leaves;
bool mmu_alone;
static uint64_t kernel_table[TABLE_ENTRIES] __attribute__((aligned(4096)));
uint64_t mmu_hits, mmu_walks;
void (*mmu_before_flush)(void);

/* Of the bytes of a leaf, by size. */
static const unsigned shifts[SIZES] = {12, 21, 30};

static struct processor *me(void)
{
    return &processors[arch_this_cpu()->number];
}

/* --- what the kernel asks of the architecture --------------------------------------------------------------
 */

bool feature_used(enum feature feature)
{
    return feature == FEATURE_pdpe1gb && huge_leaves;
}

paddr_t arch_kernel_root(void)
{
    return paddr((uint64_t)(uintptr_t)kernel_table - table_reach);
}

uint64_t arch_random_seed(void)
{
    static uint64_t seed; /* atomic */
    return __atomic_add_fetch(&seed, 0x9e3779b97f4a7c15, __ATOMIC_RELAXED);
}

void *window_open(enum window use, pfn_t frame)
{
    (void)use;
    return memory_host_frame(frame);
}

void window_close(enum window use)
{
    (void)use;
}

bool arch_tlb_tags(void)
{
    return tagged;
}

static void forget_tag(struct processor *p, uint32_t tag, bool all)
{
    for (unsigned size = 0; size < SIZES; size++) {
        for (unsigned i = 0; i < SETS; i++) {
            p->leaves[size][i].valid = p->leaves[size][i].valid && !all && p->leaves[size][i].tag != tag;
        }
    }
    for (unsigned i = 0; i < TABLES; i++) {
        p->tables[i].valid = p->tables[i].valid && !all && p->tables[i].tag != tag;
    }
}

void arch_tlb_switch_tagged(paddr_t root, uint32_t tag, bool keep)
{
    struct processor *p = me();
    p->root = root;
    p->tag = tag;
    if (!keep) {
        forget_tag(p, tag, false);
    }
}

void arch_tlb_switch(paddr_t root)
{
    arch_tlb_switch_tagged(root, 0, false);
}

static struct remembered *leaf_place(struct processor *p, unsigned size, uint64_t address)
{
    return &p->leaves[size][(address >> shifts[size]) % SETS];
}

static bool is_of(const struct remembered *r, uint32_t tag, uint64_t address, unsigned shift)
{
    return r->valid && r->tag == tag && r->page == address >> shift;
}

/* A page is forgotten with leaves of any size around it, and all tables of the tag. */
void arch_tlb_forget(uint64_t start, uint64_t pages)
{
    struct processor *p = me();
    for (uint64_t i = 0; i < pages; i++) {
        for (unsigned size = 0; size < SIZES; size++) {
            struct remembered *r = leaf_place(p, size, start + i * PAGE_SIZE);
            r->valid = r->valid && !is_of(r, p->tag, start + i * PAGE_SIZE, shifts[size]);
        }
    }
    for (unsigned i = 0; i < TABLES; i++) {
        p->tables[i].valid = p->tables[i].valid && p->tables[i].tag != p->tag;
    }
}

void arch_tlb_forget_space(void)
{
    forget_tag(me(), me()->tag, false);
}

void arch_tlb_forget_all(void)
{
    forget_tag(me(), 0, true);
}

void arch_tlb_interrupt(const struct cpu *cpu)
{
    __atomic_store_n(&processors[cpu->number].interrupted, 1, __ATOMIC_RELEASE);
}

/* The kernel's own, which the linker puts behind this one (--wrap). */
void __real_tlb_flush(struct tlb *tlb, uint64_t start, uint64_t bytes);
void __wrap_tlb_flush(struct tlb *tlb, uint64_t start, uint64_t bytes);
uint64_t __real_tlb_flush_later(struct tlb *tlb, uint64_t start, uint64_t bytes);
uint64_t __wrap_tlb_flush_later(struct tlb *tlb, uint64_t start, uint64_t bytes);

static void before_flush(void)
{
    if (mmu_before_flush != NULL) {
        mmu_before_flush();
    }
}

void __wrap_tlb_flush(struct tlb *tlb, uint64_t start, uint64_t bytes)
{
    before_flush();
    __real_tlb_flush(tlb, start, bytes);
}

uint64_t __wrap_tlb_flush_later(struct tlb *tlb, uint64_t start, uint64_t bytes)
{
    before_flush();
    return __real_tlb_flush_later(tlb, start, bytes);
}

/* --- who answers -------------------------------------------------------------------------------------------
 */

void mmu_answer(void)
{
    if (__atomic_exchange_n(&me()->interrupted, 0, __ATOMIC_ACQ_REL) != 0) {
        tlb_serve();
    }
}

void mmu_be(unsigned number)
{
    uint32_t left = thread_current()->inject_left; /* whose turn it is to fail does not depend on the CPU */
    inject_arm(0);
    host_enter(number);
    inject_arm(left);
}

/* Whoever waits answers; and so do the others, if the thread is those, too. */
static void meanwhile(void)
{
    mmu_answer();
    unsigned self = arch_this_cpu()->number;
    for (unsigned i = 0; mmu_alone && i < arch_cpu_count(); i++) {
        host_enter(i);
        mmu_answer();
    }
    if (mmu_alone) {
        host_enter(self);
    }
}

/* A CPU that remembers it could use it from now on. */
static void check_forgotten(const struct processor *p, pfn_t first, uint64_t count)
{
    for (unsigned k = 0; k < SETS; k++) {
        for (unsigned size = 0; size < 2; size++) {
            const struct remembered *r = &p->leaves[size][k];
            if (r->valid && r->tag == p->tag && paddr_to_pfn(r->physical).value - first.value < count) {
                panic("frame %lx is given back, and a CPU remembers it", (unsigned long)first.value);
            }
        }
    }
}

static void note_given_back(pfn_t first, uint64_t count)
{
    uint64_t now = __atomic_add_fetch(&count_given, 1, __ATOMIC_SEQ_CST);
    for (uint64_t i = 0; i < count; i++) {
        __atomic_store_n(&given_back[first.value + i], now, __ATOMIC_RELAXED);
    }
    for (unsigned i = 0; mmu_alone && now % 8 == 0 && i < arch_cpu_count(); i++) {
        if (cpus[i]->tlb.loaded != NULL) {
            check_forgotten(&processors[i], first, count);
        }
    }
}

void mmu_start(uint64_t ram_frames, bool tags, bool huge, unsigned levels)
{
    memset(processors, 0, sizeof(processors));
    frames = ram_frames;
    free(given_back);
    given_back = calloc(frames, sizeof(*given_back));
    if (given_back == NULL) {
        panic("the host has no memory");
    }
    count_given = 0;
    tagged = tags;
    huge_leaves = huge;
    table_levels = levels;
    table_reach = (uint64_t)(uintptr_t)host_memory;
    memory_host_released = note_given_back;
    host_meanwhile = meanwhile;
    for (unsigned i = 0; i < arch_cpu_count(); i++) { /* requests go on counting */
        processors[i].interrupted = 1;
        processors[i].root = arch_kernel_root();
    }
}

/* --- walks -------------------------------------------------------------------------------------------------
 */

/*
 * Entries that lead to tables are counted in by the kernel with plain stores while processors read them: to a
 * processor these are whole. So the thread sanitizer is told not to mind what this and mmu_mark do.
 */
uint64_t mmu_load(const uint64_t *entry);
__attribute__((noinline)) uint64_t mmu_load(const uint64_t *entry)
{
    return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

/* Note the use in a leaf; false when it is another one by now. */
bool mmu_mark(uint64_t *entry, uint64_t seen, bool write);
__attribute__((noinline)) bool mmu_mark(uint64_t *entry, uint64_t seen, bool write)
{
    uint64_t marked = seen | PTE_ACCESSED | (write ? PTE_DIRTY : 0);
    return marked == seen ||
           __atomic_compare_exchange_n(entry, &seen, marked, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:^mmu_load$\nrace:^mmu_mark$\n";
}

static bool is_leaf(uint64_t entry, unsigned level)
{
    return level == 1 || (entry & PTE_LARGE) != 0;
}

static void check_entry(uint64_t entry, unsigned level, uint64_t address)
{
    bool leaf = is_leaf(entry, level);
    uint64_t inside = level > 1 && leaf ? level_span(level) - ((uint64_t)1 << 13) : 0;
    if ((entry & (leaf ? RESERVED : RESERVED & ~PTE_COUNT_MASK)) != 0 || (entry & inside) != 0 ||
        (level > 3 && leaf) || (entry & PTE_USER) == 0 || (leaf && (entry & PTE_GLOBAL) != 0) ||
        (!leaf && (entry & PTE_ACCESSED) == 0)) {
        panic("entry %lx of level %u for %lx is wrong", (unsigned long)entry, level, (unsigned long)address);
    }
}

struct walk {
    uint64_t *at; /* the leaf's entry; NULL: not present */
    uint64_t entry;
    unsigned level;
    bool write, execute; /* all of the way */
    paddr_t lowest;      /* the table of level 1, if it got there */
};

/* From a table of this level on. */
static struct walk walk_from(paddr_t table, unsigned level, uint64_t address)
{
    struct walk w = {.write = true, .execute = true};
    for (;; level--) {
        uint64_t *at = &table_at(table)[level_index(level, address)];
        uint64_t entry = mmu_load(at);
        if ((entry & PTE_PRESENT) == 0) {
            return (struct walk){0};
        }
        check_entry(entry, level, address);
        w.write = w.write && (entry & PTE_WRITE) != 0;
        w.execute = w.execute && (entry & PTE_NX) == 0;
        w.lowest = level == 1 ? table : paddr(0);
        if (is_leaf(entry, level)) {
            w.at = at;
            w.entry = entry;
            w.level = level;
            return w;
        }
        table = entry_table(entry);
    }
}

static paddr_t leaf_physical(const struct walk *w, uint64_t address)
{
    uint64_t inside = level_span(w->level) - 1;
    return paddr((w->entry & PTE_FRAME & ~inside) | (address & inside));
}

struct mmu_leaf mmu_look(paddr_t root, uint64_t address)
{
    struct walk w = walk_from(root, table_levels, address);
    if (w.at == NULL) {
        return (struct mmu_leaf){0};
    }
    bool pat = (w.entry & (w.level == 1 ? PTE_PAT_SMALL : PTE_PAT_LARGE)) != 0;
    unsigned cache = (w.entry & PTE_PCD) != 0 ? MAP_UNCACHED : pat ? MAP_COMBINE : 0;
    return (struct mmu_leaf){paddr_to_pfn(leaf_physical(&w, address)), level_span(w.level), w.write,
                             w.execute, cache};
}

static uint64_t count_tables(paddr_t table, unsigned level, unsigned entries)
{
    uint64_t count = 1;
    for (unsigned i = 0; level > 1 && i < entries; i++) {
        uint64_t entry = table_at(table)[i];
        if (entry_is_table(entry)) {
            count += count_tables(entry_table(entry), level - 1, TABLE_ENTRIES);
        }
    }
    return count;
}

uint64_t mmu_tables(paddr_t root)
{
    return root.value != 0 ? count_tables(root, table_levels, TABLE_ENTRIES / 2) : 0;
}

/* --- accesses ----------------------------------------------------------------------------------------------
 */

static void check_alive(const struct remembered *r, paddr_t physical, const char *what)
{
    uint64_t frame = paddr_to_pfn(physical).value;
    if (frame < frames && __atomic_load_n(&given_back[frame], __ATOMIC_RELAXED) > r->since) {
        panic("CPU %u uses %s %lx, which has been given back, and ought to have forgotten it",
              arch_this_cpu()->number, what, (unsigned long)frame);
    }
}

/* What is remembered for the address; NULL when nothing is. */
static struct remembered *recall(struct processor *p, uint64_t address, unsigned *size)
{
    for (*size = 0; *size < SIZES; ++*size) {
        struct remembered *r = leaf_place(p, *size, address);
        if (is_of(r, p->tag, address, shifts[*size])) {
            return r;
        }
    }
    return NULL;
}

static bool allows(bool write, bool execute, uint32_t access)
{
    return access == ACCESS_WRITE ? write : access == ACCESS_EXECUTE ? execute : true;
}

/* By the tables, from the one of level 1 if that is remembered. */
static struct walk walk(struct processor *p, uint64_t address)
{
    struct remembered *below = &p->tables[(address >> 21) % TABLES];
    if (is_of(below, p->tag, address, 21)) {
        check_alive(below, below->physical, "page table");
        return walk_from(below->physical, 1, address);
    }
    struct walk w = walk_from(p->root, table_levels, address);
    if (w.lowest.value != 0) {
        *below = (struct remembered){.page = address >> 21,
                                     .physical = w.lowest,
                                     .since = __atomic_load_n(&count_given, __ATOMIC_SEQ_CST),
                                     .tag = p->tag,
                                     .valid = true};
    }
    return w;
}

/* Where the address leads, if this access is allowed. */
static bool translate(struct processor *p, uint64_t address, uint32_t access, paddr_t *out)
{
    unsigned size;
    struct remembered *r = recall(p, address, &size);
    if (r != NULL) {
        *out = paddr(r->physical.value | (address & (((uint64_t)1 << shifts[size]) - 1)));
        check_alive(r, *out, "frame");
        r->valid = allows(r->write, r->execute, access); /* the fault makes it forget */
        __atomic_fetch_add(&mmu_hits, 1, __ATOMIC_RELAXED);
        return r->valid;
    }
    struct walk w;
    do {
        w = walk(p, address);
        __atomic_fetch_add(&mmu_walks, 1, __ATOMIC_RELAXED);
        if (w.at == NULL || !allows(w.write, w.execute, access)) {
            return false;
        }
    } while (!mmu_mark(w.at, w.entry, access == ACCESS_WRITE));
    *out = leaf_physical(&w, address);
    unsigned shift = level_shift(w.level);
    *leaf_place(p, w.level - 1, address) = (struct remembered){
        .page = address >> shift,
        .physical = paddr(out->value & ~(level_span(w.level) - 1)),
        .since = __atomic_load_n(&count_given, __ATOMIC_SEQ_CST),
        .tag = p->tag,
        .valid = true,
        .write = w.write,
        .execute = w.execute,
    };
    return true;
}

static void use(paddr_t physical, uint32_t access, uint32_t *value)
{
    uint32_t *words = memory_host_frame(paddr_to_pfn(physical));
    if (access == ACCESS_WRITE) {
        __atomic_store_n(&words[0], *value, __ATOMIC_RELAXED);
        __atomic_store_n(&words[LAST_WORD], *value, __ATOMIC_RELAXED);
        return;
    }
    *value = __atomic_load_n(&words[0], __ATOMIC_RELAXED);
    uint32_t last = __atomic_load_n(&words[LAST_WORD], __ATOMIC_RELAXED);
    if (mmu_alone && last != *value) {
        panic("a page has %x at one end and %x at the other", *value, last);
    }
}

enum error mmu_access(uint64_t address, uint32_t access, uint32_t *value)
{
    struct aspace *space = arch_this_cpu()->space;
    paddr_t physical;
    for (unsigned tries = 0;; tries++) {
        if (mmu_alone || ++me()->accesses % 8 == 0) { /* interrupts come some time */
            mmu_answer();
        }
        if (translate(me(), address, access, &physical)) {
            use(physical, access, value);
            return ERR_NONE;
        }
        me()->tables[(address >> 21) % TABLES].valid = false; /* as a page fault does */
        if (space == NULL) {
            return ERR_BAD_ADDRESS;
        }
        if (mmu_alone && tries > 3) {
            panic("the fault at %lx does not end", (unsigned long)address);
        }
        enum error error = aspace_fault(space, address, access);
        if (error != ERR_NONE) {
            return error;
        }
    }
}

/* --- checks ------------------------------------------------------------------------------------------------
 */

/* The tag by which a CPU would know the space, with what it remembers being up to date; false if none. */
static bool tag_of(const struct cpu *cpu, const struct aspace *space, uint32_t *tag)
{
    const struct tlb_cpu *own = &cpu->tlb;
    if (!tagged) {
        *tag = 0;
        return own->loaded == &space->tlb;
    }
    for (uint32_t i = 0; i < TLB_SLOTS; i++) {
        if (own->slots[i].identity == space->tlb.identity) {
            *tag = i + 1;
            bool loaded = own->loaded == &space->tlb && own->current == i;
            return loaded || own->slots[i].generation == space->tlb.generation;
        }
    }
    return false;
}

static bool leaf_is_wrong(const struct aspace *space, const struct remembered *r, unsigned size, uint32_t tag)
{
    if (!r->valid || r->tag != tag) {
        return false;
    }
    struct mmu_leaf leaf = mmu_look(space->root, r->page << shifts[size]);
    return leaf.size == 0 || leaf.frame.value != paddr_to_pfn(r->physical).value || r->write > leaf.write ||
           r->execute > leaf.execute;
}

void mmu_check_alive(void)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct processor *p = &processors[i];
        for (unsigned k = 0; cpus[i]->tlb.loaded != NULL && k < SETS; k++) {
            const struct remembered *r = &p->leaves[0][k];
            if (r->valid && r->tag == p->tag) {
                check_alive(r, r->physical, "frame");
            }
        }
    }
}

bool mmu_would_write(const struct aspace *space, uint64_t address)
{
    bool would = false;
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        uint32_t tag;
        for (unsigned size = 0; tag_of(cpus[i], space, &tag) && size < SIZES; size++) {
            const struct remembered *r = leaf_place(&processors[i], size, address);
            would = would || (is_of(r, tag, address, shifts[size]) && r->write);
        }
    }
    return would;
}

bool mmu_remembers(const struct aspace *space, uint64_t address, uint64_t pages)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        uint32_t tag;
        for (unsigned size = 0; tag_of(cpus[i], space, &tag) && size < SIZES; size++) {
            for (unsigned k = 0; k < SETS; k++) {
                const struct remembered *r = &processors[i].leaves[size][k];
                uint64_t start = r->page << shifts[size], end = start + ((uint64_t)1 << shifts[size]);
                if (r->valid && r->tag == tag && start < address + (pages << PAGE_SHIFT) && end > address) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* What was unmapped without waiting it may remember until it has answered. */
static bool has_yet_to_answer(const struct cpu *cpu)
{
    return cpu->tlb.wanted > cpu->tlb.answered;
}

bool mmu_remembers_wrongly(const struct aspace *space)
{
    for (unsigned i = 0; i < arch_cpu_count(); i++) {
        const struct processor *p = &processors[i];
        uint32_t tag;
        if (!tag_of(cpus[i], space, &tag) || has_yet_to_answer(cpus[i])) {
            continue;
        }
        for (unsigned size = 0; size < SIZES; size++) {
            for (unsigned k = 0; k < SETS; k++) {
                if (leaf_is_wrong(space, &p->leaves[size][k], size, tag)) {
                    return true;
                }
            }
        }
    }
    return false;
}
