/* Physical memory for page tables, and a memory management unit; see tables_model.h. */
#include "tests/host/host.h"

#include "tests/host/tables_model.h"

#define FRAMES       8192u
#define FIRST        0x7654000000u /* physical */
#define WIDTH        46u           /* bits of a physical address */
#define FRAME_BITS   ((((uint64_t)1 << WIDTH) - 1) & ~(uint64_t)0xfff)
#define RESERVED     (((uint64_t)1 << 52) - ((uint64_t)1 << WIDTH))
#define BIT(n)       ((uint64_t)1 << (n))
#define HALF_ENTRIES 256u

/* The walker's own. */
extern uint64_t table_reach;

static char *memory;
static uint32_t unused[FRAMES];
static bool in_use[FRAMES];
static unsigned unused_count;
uint64_t memory_taken;

void memory_start(void)
{
    memory = aligned_alloc(4096, FRAMES * 4096ul);
    assert_non_null(memory);
    for (unused_count = 0; unused_count < FRAMES; unused_count++) {
        unused[unused_count] = FRAMES - 1 - unused_count;
    }
    memory_taken = 0;
    table_reach = (uint64_t)(uintptr_t)memory - FIRST;
}

void memory_end(void)
{
    assert_int_equal(memory_taken, 0);
    free(memory);
}

uint64_t *memory_at(paddr_t frame)
{
    assert_true(frame.value >= FIRST && frame.value % 4096 == 0);
    uint64_t index = (frame.value - FIRST) / 4096;
    assert_true(index < FRAMES && in_use[index]);
    return (uint64_t *)(void *)(memory + index * 4096);
}

paddr_t memory_take(void)
{
    assert_true(unused_count > 0);
    uint32_t index = unused[--unused_count];
    in_use[index] = true;
    memory_taken++;
    memset(memory + index * 4096ul, 0, 4096);
    return paddr(FIRST + index * 4096ul);
}

void memory_give(paddr_t frame)
{
    memset(memory_at(frame), 0x5a, 4096);
    uint32_t index = (uint32_t)((frame.value - FIRST) / 4096);
    in_use[index] = false;
    unused[unused_count++] = index;
    memory_taken--;
}

void stock_fill(struct table_stock *stock, uint64_t count)
{
    while (stock->count < count) {
        paddr_t frame = memory_take();
        memory_at(frame)[0] = stock->first.value;
        stock->first = frame;
        stock->count++;
    }
}

void stock_empty(struct table_stock *stock)
{
    for (; stock->count > 0; stock->count--) {
        paddr_t frame = stock->first;
        stock->first = paddr(memory_at(frame)[0]);
        memory_give(frame);
    }
}

void gather_give(struct table_gather *gather, bool clean)
{
    for (; gather->tables > 0; gather->tables--) {
        paddr_t frame = gather->first;
        uint64_t *words = memory_at(frame);
        gather->first = paddr(words[0]);
        assert_int_equal(words[0] & 1, 0);
        for (unsigned i = 1; clean && i < 512; i++) {
            assert_int_equal(words[i], 0);
        }
        memory_give(frame);
    }
    assert_int_equal(gather->first.value, 0);
    gather->leaves = 0;
}

/* The entry of a level for an address, with the checks of the processor for bits that must be 0. */
static uint64_t *mmu_entry(paddr_t table, unsigned level, uint64_t virtual)
{
    uint64_t *entry = &memory_at(table)[virtual >> (3 + 9 * level) & 511];
    if ((*entry & 1) == 0) {
        assert_int_equal(*entry, 0); /* nothing of the walker's own in entries that are not present */
        return entry;
    }
    assert_int_equal(*entry & RESERVED, 0);
    if (level >= 4) {
        assert_int_equal(*entry & BIT(7), 0);
    } else if (level > 1 && (*entry & BIT(7)) != 0) {
        assert_int_equal(*entry & (BIT(3 + 9 * level) - BIT(13)), 0);
    }
    return entry;
}

static bool mmu_is_leaf(uint64_t entry, unsigned level)
{
    return level == 1 || (level < 4 && (entry & BIT(7)) != 0);
}

/* By the table of attributes as the kernel programs it: WB WT UC- UC WC WT UC- UC. */
static enum memory_kind kind_of(uint64_t entry, unsigned level)
{
    unsigned index = (entry & BIT(3)) != 0 ? 1 : 0;
    index += (entry & BIT(4)) != 0 ? 2 : 0;
    index += (entry & (level == 1 ? BIT(7) : BIT(12))) != 0 ? 4 : 0;
    assert_true(index == 0 || index == 3 || index == 4 || index == 7);
    return index == 0 ? KIND_WRITE_BACK : index == 4 ? KIND_COMBINING : KIND_UNCACHED;
}

struct mmu_result mmu_translate(paddr_t root, unsigned levels, uint64_t virtual)
{
    struct mmu_result r = {.present = true, .write = true, .user = true, .execute = true};
    paddr_t table = root;
    for (unsigned level = levels;; level--) {
        uint64_t entry = *mmu_entry(table, level, virtual);
        if ((entry & 1) == 0) {
            return (struct mmu_result){0};
        }
        r.write = r.write && (entry & BIT(1)) != 0;
        r.user = r.user && (entry & BIT(2)) != 0;
        r.execute = r.execute && (entry & BIT(63)) == 0;
        if (mmu_is_leaf(entry, level)) {
            r.leaf_size = BIT(3 + 9 * level);
            r.physical = (entry & FRAME_BITS & ~(r.leaf_size - 1)) + (virtual & (r.leaf_size - 1));
            r.entry = entry;
            r.accessed = (entry & BIT(5)) != 0;
            r.dirty = (entry & BIT(6)) != 0;
            r.global = (entry & BIT(8)) != 0;
            r.kind = kind_of(entry, level);
            return r;
        }
        table = paddr(entry & FRAME_BITS);
    }
}

void mmu_touch(paddr_t root, unsigned levels, uint64_t virtual, bool write)
{
    paddr_t table = root;
    for (unsigned level = levels;; level--) {
        uint64_t *entry = mmu_entry(table, level, virtual);
        assert_int_equal(*entry & 1, 1);
        if (mmu_is_leaf(*entry, level)) {
            *entry |= BIT(5) | (write ? BIT(6) : 0);
            return;
        }
        assert_true((*entry & BIT(5)) !=
                    0); /* or a processor would write to what is changed without a lock */
        table = paddr(*entry & FRAME_BITS);
    }
}

bool mmu_has_table(paddr_t root, unsigned levels, uint64_t virtual, unsigned wanted)
{
    paddr_t table = root;
    for (unsigned level = levels; level > wanted; level--) {
        uint64_t entry = *mmu_entry(table, level, virtual);
        if (entry == 0 || mmu_is_leaf(entry, level)) {
            return false;
        }
        table = paddr(entry & FRAME_BITS);
    }
    return true;
}

static uint64_t audit(paddr_t table, unsigned level, unsigned entries, uint64_t *used)
{
    uint64_t tables = 1;
    *used = 0;
    for (unsigned i = 0; i < entries; i++) {
        uint64_t entry = *mmu_entry(table, level, (uint64_t)i << (3 + 9 * level)), below;
        *used += entry != 0;
        if (entry != 0 && !mmu_is_leaf(entry, level)) {
            tables += audit(paddr(entry & FRAME_BITS), level - 1, 512, &below);
            assert_int_not_equal(below, 0);
            assert_int_equal(entry >> 52, below);
        }
    }
    return tables;
}

uint64_t mmu_audit(paddr_t root, unsigned levels)
{
    uint64_t used;
    return audit(root, levels, HALF_ENTRIES, &used);
}
