/*
 * From the loader's memory map to a working frame allocator; see boot_memory.h.
 */
#include "kernel/init/boot_memory.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/paging.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/init/handover.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "lib/text.h"

#define EXCLUDED_MAX 128
#define RANGES_MAX   512

/* Firmware scribbles over the lowest memory, and the start-up code of other cores lies there. */
#define LOW_PAGES 16

/* Every loader maps at least this much one to one. */
#define IDENTITY_LIMIT (4 * GIB)

/* Loader memory that is in use, or could be until all cores have left it. */
static struct memory_range excluded[EXCLUDED_MAX];
static size_t excluded_count;
static uint64_t excluded_ram; /* pages */

/* Free RAM; sorted, disjoint. */
static struct memory_range ranges[RANGES_MAX];
static size_t range_count;

/* Tables are cut off the front of this range until the frame allocator works. */
static struct memory_range *early;
static uint64_t reserved_pages;

extern const char image_start[], image_end[], text_start[], text_end[], rodata_start[], rodata_end[],
    data_start[];

/* Grow a recorded range by one that touches it; false when it does not. */
static bool exclude_join(struct memory_range *r, uint64_t first, uint64_t end)
{
    uint64_t r_first = r->first.value, r_end = r_first + r->count.value;
    if (first > r_end || end < r_first) {
        return false;
    }
    uint64_t low = first < r_first ? first : r_first;
    uint64_t high = end > r_end ? end : r_end;
    *r = (struct memory_range){pfn(low), {high - low}};
    return true;
}

static void exclude(uint64_t start, uint64_t bytes)
{
    if (bytes == 0 || start + bytes < start) {
        return;
    }
    uint64_t first = start >> PAGE_SHIFT;
    uint64_t end = ((start + bytes - 1) >> PAGE_SHIFT) + 1;
    for (size_t i = 0; i < excluded_count; i++) {
        if (exclude_join(&excluded[i], first, end)) {
            return;
        }
    }
    if (excluded_count < EXCLUDED_MAX) {
        excluded[excluded_count++] = (struct memory_range){pfn(first), {end - first}};
        return;
    }
    /* Rather lose some RAM than use what is in use: let the last range reach as far. */
    struct memory_range *last = &excluded[EXCLUDED_MAX - 1];
    uint64_t last_end = last->first.value + last->count.value;
    exclude_join(last, first < last_end ? first : last_end,
                 end > last->first.value ? end : last->first.value);
}

static void exclude_table(paddr_t table, void *context)
{
    (void)context;
    exclude(table.value, PAGE_SIZE);
}

/* The frames behind a range of virtual addresses, by the loader's tables. */
static void exclude_virtual(const void *start, uint64_t bytes)
{
    uint64_t virtual = align_down((uint64_t)(uintptr_t)start, PAGE_SIZE);
    for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
        struct arch_translation t = arch_translate(paging_loaded(), virtual + at);
        if (t.present) {
            exclude(t.physical.value, PAGE_SIZE);
        }
    }
}

static void exclude_all(void)
{
    const struct bootboot *info = &handover.info;
    extern const char bootboot[], environment[];
    exclude(0, LOW_PAGES * PAGE_SIZE);
    exclude_virtual(image_start, (uint64_t)(image_end - image_start));
    exclude_virtual(bootboot, PAGE_SIZE);
    exclude_virtual(environment, PAGE_SIZE);
    exclude(info->initrd_ptr, info->initrd_size);
    exclude_virtual((const void *)(uintptr_t) - (MIB / 4), MIB / 4); /* stacks of waiting cores */
    paging_visit_tables(paging_loaded(), exclude_table, NULL);
    excluded_ram = 0;
    for (size_t i = 0; i < excluded_count; i++) {
        excluded_ram += excluded[i].count.value;
    }
    exclude(info->fb_ptr, info->fb_size); /* no RAM, so not counted */
}

static uint64_t pages_in_ranges(void)
{
    uint64_t pages = 0;
    for (size_t i = 0; i < range_count; i++) {
        pages += ranges[i].count.value;
    }
    return pages;
}

void boot_memory_find(void)
{
    exclude_all();
    enum error error = memory_map_build(handover.info.map, handover.map_entries, excluded, excluded_count,
                                        ranges, RANGES_MAX, &range_count);
    if (error != ERR_NONE) {
        panic("the memory map has more than %d pieces of free RAM", RANGES_MAX);
    }
    for (size_t i = 0; i < range_count; i++) {
        struct memory_range *r = &ranges[i];
        bool low = r->first.value + r->count.value <= IDENTITY_LIMIT >> PAGE_SHIFT;
        if (low && (early == NULL || r->count.value > early->count.value)) {
            early = r;
        }
    }
    if (early == NULL) {
        panic("the memory map has no free RAM below 4 GiB");
    }
    uint64_t pages = pages_in_ranges();
    log_info("memory: %lu MiB free in %zu ranges of %zu map entries", pages * PAGE_SIZE / MIB, range_count,
             handover.map_entries);
}

/* A page from the front of the early range, zeroed through the loader's identity map or the aperture. */
static uint64_t early_offset;

static enum error early_take(paddr_t *frame)
{
    if (early->count.value == 0) {
        return ERR_NO_MEMORY;
    }
    *frame = pfn_to_paddr(early->first);
    early->first.value++;
    early->count.value--;
    reserved_pages++;
    memset((void *)(uintptr_t)(frame->value + early_offset), 0, PAGE_SIZE);
    return ERR_NONE;
}

static void early_give(paddr_t frame)
{
    (void)frame; /* nothing is given back before the allocator works */
}

static void must(enum error error, const char *what)
{
    if (error != ERR_NONE) {
        panic("boot: not enough memory below 4 GiB for %s", what);
    }
}

/* The image, page by page, since the loader need not have put it in one piece. */
static void map_image(paddr_t root)
{
    for (uint64_t at = (uint64_t)(uintptr_t)image_start; at < (uint64_t)(uintptr_t)image_end;
         at += PAGE_SIZE) {
        struct arch_translation t = arch_translate(paging_loaded(), at);
        bool text = at < (uint64_t)(uintptr_t)text_end;
        bool rodata = !text && at < (uint64_t)(uintptr_t)rodata_end;
        unsigned flags = MAP_READ | (text ? MAP_EXECUTE : rodata ? 0 : MAP_WRITE);
        must(arch_map(root, at, t.physical, PAGE_SIZE, flags), "the map of the kernel");
    }
}

static void map_aperture(paddr_t root)
{
    for (size_t i = 0; i < range_count; i++) {
        struct memory_range r = ranges[i];
        uint64_t start = r.first.value << PAGE_SHIFT;
        uint64_t bytes = r.count.value << PAGE_SHIFT;
        if (&ranges[i] == early) { /* tables were cut off its front; they are to be seen too */
            start -= reserved_pages << PAGE_SHIFT;
            bytes += reserved_pages << PAGE_SHIFT;
        }
        if (start >= APERTURE_SIZE) {
            log_warn("memory: %lu MiB at %lx are beyond the aperture and not used", bytes / MIB, start);
            ranges[i].count.value = 0;
            continue;
        }
        if (start + bytes > APERTURE_SIZE) {
            log_warn("memory: %lu MiB are beyond the aperture and not used",
                     (start + bytes - APERTURE_SIZE) / MIB);
            bytes = APERTURE_SIZE - start;
            ranges[i].count.value = bytes >> PAGE_SHIFT;
        }
        unsigned flags = MAP_READ | MAP_WRITE | MAP_LARGE;
        must(arch_map(root, APERTURE_BASE + start, paddr(start), bytes, flags), "the map of the aperture");
    }
}

void boot_memory_map(void)
{
    static const struct paging_source by_identity = {early_take, early_give, 0};
    static const struct paging_source by_aperture = {early_take, early_give, 0xffff800000000000};
    paging_set_source(&by_identity);
    paddr_t root;
    must(early_take(&root), "page tables");
    must(paging_prepare_kernel_half(root), "page tables");
    map_image(root);
    map_aperture(root);
    paging_load(root);
    paging_set_source(&by_aperture);
    early_offset = APERTURE_BASE;
    paging_set_kernel_root(root);
}

static enum error frame_take_table(paddr_t *frame)
{
    pfn_t taken;
    enum error error = frame_alloc(0, FRAME_PAGE_TABLE, &taken);
    if (error == ERR_NONE) {
        *frame = pfn_to_paddr(taken);
        arch_zero_pages(aperture_at(*frame), 1);
    }
    return error;
}

static void frame_give_table(paddr_t frame)
{
    enum error error = frame_free(paddr_to_pfn(frame), 0);
    ASSERT(error == ERR_NONE);
}

/* Drop ranges that became empty, so that the allocator sees only real ones. */
static void compact_ranges(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < range_count; i++) {
        if (ranges[i].count.value > 0) {
            ranges[kept++] = ranges[i];
        }
    }
    range_count = kept;
}

/* The metadata comes out of the front of the largest range. */
static void *metadata_take(void)
{
    struct memory_range *largest = &ranges[0];
    for (size_t i = 1; i < range_count; i++) {
        if (ranges[i].count.value > largest->count.value) {
            largest = &ranges[i];
        }
    }
    uint64_t pages = pages_for_bytes(frame_metadata_bytes(ranges, range_count)).value;
    if (pages >= largest->count.value) {
        panic("boot: no range of RAM is large enough for %lu KiB of frame records", pages * PAGE_SIZE / KIB);
    }
    void *metadata = aperture_at(pfn_to_paddr(largest->first));
    largest->first.value += pages;
    largest->count.value -= pages;
    reserved_pages += pages;
    arch_zero_pages(metadata, pages);
    return metadata;
}

void boot_memory_start(unsigned cpus)
{
    static const struct paging_source by_frames = {frame_take_table, frame_give_table, 0xffff800000000000};
    compact_ranges();
    void *metadata = metadata_take();
    enum error error = frame_init(ranges, range_count, metadata, cpus);
    if (error != ERR_NONE) {
        panic("boot: the frame allocator refuses the memory map (error %d)", (int)error);
    }
    paging_set_source(&by_frames);
    log_info("memory: %lu MiB in frames, %lu KiB for their records and the first tables",
             pages_in_ranges() * PAGE_SIZE / MIB, reserved_pages * PAGE_SIZE / KIB);
}

uint64_t boot_memory_reserved(void)
{
    return (reserved_pages + excluded_ram) * PAGE_SIZE;
}

uint64_t boot_memory_next_chunk(uint64_t chunk)
{
    const uint64_t frames = 2 * MIB / PAGE_SIZE;
    for (size_t i = 0; i < range_count; i++) {
        uint64_t first = ranges[i].first.value / frames;
        uint64_t last = (ranges[i].first.value + ranges[i].count.value - 1) / frames;
        if (chunk <= last) {
            return chunk > first ? chunk : first;
        }
    }
    return UINT64_MAX;
}

paddr_t boot_memory_bundle(void)
{
    return paddr(handover.info.initrd_ptr);
}
