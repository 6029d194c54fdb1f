/*
 * How it works: RAM is cut into regions of 1 GiB, the existing ones numbered in order of address. The frames
 * of the existing regions have compact numbers ("index" below): region number x 2^18 + frame in the region,
 * so that buddies are found by flipping one bit of the index. Per order one frame_set has a member for each
 * free block (its index >> order). A record of four bytes a frame says, at the first frame of a held block,
 * its order and class. One lock guards everything.
 */
#include "kernel/mm/frame.h"
#include "kernel/mm/frame_set.h"

#define REGION_ORDER (FRAME_ORDERS - 1)
#define REGION_SIZE  ((uint64_t)1 << REGION_ORDER)
#define NO_REGION    0u /* region numbers in the map are one higher, so that zeroed memory maps nothing */

/* A record: 0 for a free frame or the inside of a block; else HELD, order and class, or just a class. */
#define RECORD_HELD        0x20u
#define RECORD_CLASS_SHIFT 8

static struct frame_allocator {
    /* Set once. */
    uint64_t regions;       /* existing ones */
    uint64_t mapped;        /* entries of region_of */
    uint32_t *region_of;    /* by frame number >> REGION_ORDER: region number + 1 */
    uint32_t *region_first; /* by region number: frame number >> REGION_ORDER */
    /* Guarded by lock. */
    uint32_t *record; /* by index */
    struct frame_set free[FRAME_ORDERS];
    struct frame_counts counts;
    bool lock;
} frames;

static void lock(void)
{
    while (__atomic_exchange_n(&frames.lock, true, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&frames.lock, __ATOMIC_RELAXED))
            __builtin_ia32_pause();
}

static void unlock(void)
{
    __atomic_store_n(&frames.lock, false, __ATOMIC_RELEASE);
}

static uint64_t range_end(const struct memory_range *range)
{
    uint64_t end = range->first.value + range->count.value;
    return end < FRAME_LIMIT ? end : FRAME_LIMIT;
}

/* Visit the regions that the ranges touch, in order; returns how many there are. */
static uint64_t number_regions(const struct memory_range *ram, size_t count, bool record)
{
    uint64_t regions = 0, next = 0;
    for (size_t i = 0; i < count; i++) {
        if (ram[i].first.value >= FRAME_LIMIT)
            break;
        uint64_t last = (range_end(&ram[i]) - 1) >> REGION_ORDER;
        uint64_t region = ram[i].first.value >> REGION_ORDER;
        for (region = region > next ? region : next; region <= last; region++, regions++) {
            if (record) {
                frames.region_of[region] = (uint32_t)regions + 1;
                frames.region_first[regions] = (uint32_t)region;
            }
            next = region + 1;
        }
    }
    return regions;
}

static uint64_t mapped_regions(const struct memory_range *ram, size_t count)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < count; i++)
        if (ram[i].first.value < FRAME_LIMIT)
            highest = ((range_end(&ram[i]) - 1) >> REGION_ORDER) + 1;
    return highest;
}

/* Assign the parts of the metadata, from its start; returns its length. With base NULL, only the length. */
static uint64_t lay_out(struct frame_allocator *a, uint8_t *base)
{
    uint64_t at = 0;
    for (unsigned order = 0; order < FRAME_ORDERS; order++) {
        uint64_t blocks = a->regions << (REGION_ORDER - order);
        if (base)
            frame_set_place(&a->free[order], (uint64_t *)(void *)(base + at), blocks);
        at += 8 * frame_set_words(blocks);
    }
    if (base) {
        a->record = (uint32_t *)(void *)(base + at);
        a->region_of = a->record + (a->regions << REGION_ORDER);
        a->region_first = a->region_of + a->mapped;
    }
    return at + 4 * ((a->regions << REGION_ORDER) + a->mapped + a->regions);
}

uint64_t frame_metadata_bytes(const struct memory_range *ram, size_t count)
{
    struct frame_allocator sketch = {.regions = number_regions(ram, count, false),
                                     .mapped = mapped_regions(ram, count)};
    return align_up(lay_out(&sketch, NULL), PAGE_SIZE);
}

#define NO_INDEX UINT64_MAX

static uint64_t index_of(pfn_t frame)
{
    uint64_t region = frame.value >> REGION_ORDER;
    if (region >= frames.mapped || frames.region_of[region] == NO_REGION)
        return NO_INDEX;
    return ((uint64_t)(frames.region_of[region] - 1) << REGION_ORDER) + (frame.value & (REGION_SIZE - 1));
}

static pfn_t frame_at(uint64_t index)
{
    uint64_t region = frames.region_first[index >> REGION_ORDER];
    return pfn((region << REGION_ORDER) + (index & (REGION_SIZE - 1)));
}

static void add_block(uint64_t index, unsigned order)
{
    frame_set_add(&frames.free[order], index >> order);
    frames.counts.free_blocks[order]++;
}

static void remove_block(uint64_t index, unsigned order)
{
    frame_set_remove(&frames.free[order], index >> order);
    frames.counts.free_blocks[order]--;
}

static void add_range(const struct memory_range *range)
{
    uint64_t at = range->first.value, end = range_end(range);
    while (at < end) {
        unsigned order = at ? (unsigned)__builtin_ctzll(at) : REGION_ORDER;
        if (order > REGION_ORDER)
            order = REGION_ORDER;
        while (((uint64_t)1 << order) > end - at)
            order--;
        add_block(index_of(pfn(at)), order);
        at += (uint64_t)1 << order;
    }
    frames.counts.total += end - range->first.value;
}

static bool ranges_are_proper(const struct memory_range *ram, size_t count)
{
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        if (ram[i].count.value == 0 || ram[i].first.value < end ||
            ram[i].first.value + ram[i].count.value < ram[i].first.value)
            return false;
        end = ram[i].first.value + ram[i].count.value;
    }
    return true;
}

/* Frames of existing regions that no range covers. */
static void record_absent(const struct memory_range *ram, size_t count)
{
    size_t i = 0;
    for (uint64_t region = 0; region < frames.regions; region++) {
        uint64_t at = (uint64_t)frames.region_first[region] << REGION_ORDER;
        uint64_t end = at + REGION_SIZE;
        while (at < end) {
            while (i < count && range_end(&ram[i]) <= at)
                i++;
            uint64_t begin = i < count && ram[i].first.value < end ? ram[i].first.value : end;
            for (; at < begin; at++)
                frames.record[index_of(pfn(at))] = (uint32_t)FRAME_RESERVED << RECORD_CLASS_SHIFT;
            at = i < count && begin < end ? range_end(&ram[i]) : end;
        }
    }
}

enum error frame_init(const struct memory_range *ram, size_t count, void *metadata, unsigned cpus)
{
    if (cpus == 0 || !ranges_are_proper(ram, count))
        return ERR_BAD_ARGUMENT;
    frames = (struct frame_allocator){.regions = number_regions(ram, count, false),
                                      .mapped = mapped_regions(ram, count)};
    lay_out(&frames, metadata);
    number_regions(ram, count, true);
    record_absent(ram, count);
    for (size_t i = 0; i < count && ram[i].first.value < FRAME_LIMIT; i++)
        add_range(&ram[i]);
    frames.counts.free = frames.counts.total;
    return ERR_NONE;
}

/* Account a block that is taken (or given back). */
static void count_block(unsigned order, enum frame_class class, bool taken)
{
    uint64_t size = (uint64_t)1 << order;
    frames.counts.free += taken ? -size : size;
    frames.counts.classes[class] += taken ? size : -size;
}

static bool take_block(unsigned order, uint64_t *index)
{
    unsigned found = order;
    while (found < FRAME_ORDERS && (frames.regions == 0 || frame_set_is_empty(&frames.free[found])))
        found++;
    if (found == FRAME_ORDERS)
        return false;
    *index = frame_set_lowest(&frames.free[found]) << found;
    remove_block(*index, found);
    while (found-- > order)
        add_block(*index + ((uint64_t)1 << found), found);
    return true;
}

enum error frame_alloc(unsigned order, enum frame_class class, pfn_t *out)
{
    if (order >= FRAME_ORDERS || class < FRAME_KERNEL || class > FRAME_RESERVED)
        return ERR_BAD_ARGUMENT;
    uint64_t index;
    lock();
    bool taken = take_block(order, &index);
    if (taken) {
        frames.record[index] = RECORD_HELD | order | (uint32_t) class << RECORD_CLASS_SHIFT;
        count_block(order, class, true);
        *out = frame_at(index);
    }
    unlock();
    return taken ? ERR_NONE : ERR_NO_MEMORY;
}

static void merge_block(uint64_t index, unsigned order)
{
    for (; order < REGION_ORDER; order++) {
        uint64_t buddy = index ^ (uint64_t)1 << order;
        if (!frame_set_has(&frames.free[order], buddy >> order))
            break;
        remove_block(buddy, order);
        index &= ~((uint64_t)1 << order);
    }
    add_block(index, order);
}

enum error frame_free(pfn_t first, unsigned order)
{
    uint64_t index = index_of(first);
    if (index == NO_INDEX || order >= FRAME_ORDERS)
        return ERR_BAD_FREE;
    lock();
    uint32_t record = frames.record[index];
    bool held = (record & ((1u << RECORD_CLASS_SHIFT) - 1)) == (RECORD_HELD | order);
    if (held) {
        frames.record[index] = 0;
        count_block(order, (enum frame_class)(record >> RECORD_CLASS_SHIFT), false);
        merge_block(index, order);
    }
    unlock();
    return held ? ERR_NONE : ERR_BAD_FREE;
}

void frame_count(struct frame_counts *out)
{
    lock();
    *out = frames.counts;
    unlock();
    out->classes[FRAME_FREE] = out->free;
}

/* The class at this index, looked up at the first frame of the block that holds it. */
static enum frame_class class_at(uint64_t index)
{
    if (frames.record[index] == (uint32_t)FRAME_RESERVED << RECORD_CLASS_SHIFT)
        return FRAME_ABSENT;
    for (unsigned order = 0; order < FRAME_ORDERS; order++) {
        uint32_t record = frames.record[align_down(index, (uint64_t)1 << order)];
        if ((record & RECORD_HELD) && (record & (RECORD_HELD - 1)) >= order)
            return (enum frame_class)(record >> RECORD_CLASS_SHIFT);
    }
    return FRAME_FREE;
}

enum frame_class frame_class_of(pfn_t frame)
{
    uint64_t index = index_of(frame);
    if (index == NO_INDEX)
        return FRAME_ABSENT;
    lock();
    enum frame_class class = class_at(index);
    unlock();
    return class;
}

/* The free block that this index is in: its order, or -1. */
static int free_order_at(uint64_t index)
{
    for (unsigned order = 0; order < FRAME_ORDERS; order++)
        if (frame_set_has(&frames.free[order], index >> order))
            return (int)order;
    return -1;
}

static const char *audit_free_block(uint64_t index, unsigned order)
{
    if (!is_aligned(index, (uint64_t)1 << order))
        return "a free block begins inside another block";
    if (order < REGION_ORDER && frame_set_has(&frames.free[order], (index >> order) ^ 1))
        return "two free buddies are not merged";
    for (uint64_t i = index; i < index + ((uint64_t)1 << order); i++)
        if (frames.record[i] != 0 || free_order_at(i) != (int)order)
            return "a frame of a free block is also held or in a second free block";
    return NULL;
}

bool frame_audit(const char **what, pfn_t *where)
{
    struct frame_counts seen = {0};
    *what = NULL;
    for (uint64_t i = 0; i < frames.regions << REGION_ORDER && *what == NULL;) {
        *where = frame_at(i);
        int order = free_order_at(i);
        uint32_t record = frames.record[i];
        if (order >= 0) {
            *what = audit_free_block(i, (unsigned)order);
            seen.free_blocks[order]++;
            seen.free += (uint64_t)1 << order;
        } else if (record & RECORD_HELD) {
            order = (int)(record & (RECORD_HELD - 1));
            seen.classes[record >> RECORD_CLASS_SHIFT] += (uint64_t)1 << order;
        } else if (record == 0) {
            *what = "a frame is neither free nor held";
        }
        i += (uint64_t)1 << (order < 0 ? 0 : order);
    }
    if (*what == NULL && seen.free != frames.counts.free)
        *what = "the count of free frames is wrong";
    for (unsigned i = 0; i < FRAME_ORDERS && *what == NULL; i++)
        if (seen.free_blocks[i] != frames.counts.free_blocks[i])
            *what = "the count of free blocks of an order is wrong";
    for (unsigned i = 0; i < FRAME_CLASSES && *what == NULL; i++)
        if (seen.classes[i] != frames.counts.classes[i])
            *what = "the count of a class is wrong";
    return *what == NULL;
}
