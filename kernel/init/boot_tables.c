/*
 * The kernel's own page tables; see boot_tables.h.
 */
#include "kernel/init/boot_tables.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/paging.h"
#include "kernel/debug/panic.h"
#include "kernel/init/boot_ram.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/frame_table.h"
#include "kernel/mm/window.h"

#define CHUNK (2 * MIB)

/* Every loader maps at least this much one to one. */
#define IDENTITY_LIMIT (4 * GIB)

extern const char image_start[], image_end[], text_end[], rodata_end[];

/* Frames for tables: cut off the front of whole chunks, which the aperture shows as they are broken into. */
static struct memory_range early;
static uint64_t taken;
static uint64_t reach; /* from a physical address to where it can be written */
static bool loaded;

static void must(enum error error, const char *what)
{
    if (error != ERR_NONE) {
        panic("boot: not enough memory below 4 GiB for %s", what);
    }
}

/* The largest free range of whole chunks that the loader's tables reach; of the same size the lowest. */
static struct memory_range largest_of_chunks(void)
{
    size_t count;
    const struct memory_range *ranges = boot_ram_free(&count);
    struct memory_range best = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t frames = CHUNK / PAGE_SIZE;
        uint64_t first = align_up(ranges[i].first.value, frames);
        uint64_t end = align_down(ranges[i].first.value + ranges[i].count.value, frames);
        end = end < IDENTITY_LIMIT >> PAGE_SHIFT ? end : IDENTITY_LIMIT >> PAGE_SHIFT;
        if (first < end && end - first > best.count.value) {
            best = (struct memory_range){pfn(first), {end - first}};
        }
    }
    return best;
}

/* Show a chunk in the aperture. Its tables are there. */
static void show_chunk(paddr_t root, paddr_t chunk)
{
    struct arch_leaf *leaf;
    must(arch_leaf_find(root, APERTURE_BASE + chunk.value, CHUNK, &leaf), "the map of the aperture");
    if (leaf->bits == 0) {
        arch_leaf_set(leaf, chunk, CHUNK, MAP_READ | MAP_WRITE);
    }
}

static enum error early_take(paddr_t *frame)
{
    if (taken == early.count.value) {
        return ERR_NO_MEMORY;
    }
    *frame = pfn_to_paddr(pfn(early.first.value + taken++));
    if (loaded && is_aligned(frame->value, CHUNK)) {
        show_chunk(arch_kernel_root(), *frame);
    }
    arch_zero_pages((void *)(uintptr_t)(frame->value + reach), 1);
    return ERR_NONE;
}

static void early_give(paddr_t frame)
{
    (void)frame; /* nothing is given back before the allocator works */
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

/* What lies between held parts of the image: [first, end). */
static void show_all(paddr_t root, uint64_t first, uint64_t end)
{
    if (first < end) {
        must(arch_map(root, APERTURE_BASE + (first << PAGE_SHIFT), pfn_to_paddr(pfn(first)),
                      (end - first) << PAGE_SHIFT, MAP_READ | MAP_WRITE | MAP_LARGE),
             "the map of the aperture");
    }
}

/* One range of RAM, less what of the image lies in it: text must not become writable by another name. */
static void show_range(paddr_t root, struct memory_range r)
{
    size_t count;
    const struct held_range *held = boot_ram_held(&count);
    uint64_t at = r.first.value, end = at + r.count.value;
    while (at < end) {
        uint64_t image = end, after = end;
        for (size_t i = 0; i < count; i++) {
            uint64_t first = held[i].frames.first.value;
            if (held[i].reason == HELD_IMAGE && first >= at && first < image) {
                image = first;
                after = first + held[i].frames.count.value;
            }
        }
        show_all(root, at, image);
        at = after;
    }
}

/* Tables for leaves of a chunk wherever there is RAM, so that a chunk can be shown later without memory. */
static void prepare_aperture(paddr_t root)
{
    size_t count;
    const struct memory_range *ranges = boot_ram(&count);
    for (size_t i = 0; i < count; i++) {
        uint64_t at = align_down(ranges[i].first.value << PAGE_SHIFT, GIB);
        uint64_t end = (ranges[i].first.value + ranges[i].count.value) << PAGE_SHIFT;
        for (; at < end && at < APERTURE_SIZE; at += GIB) {
            struct arch_leaf *leaf;
            must(arch_leaf_find(root, APERTURE_BASE + at, CHUNK, &leaf), "tables of the aperture");
        }
    }
}

static void make_aperture(paddr_t root, bool safe)
{
    if (safe) {
        prepare_aperture(root);
        for (uint64_t frame = 0; frame < taken; frame += CHUNK / PAGE_SIZE) {
            show_chunk(root, pfn_to_paddr(pfn(early.first.value + frame)));
        }
        return;
    }
    size_t count;
    const struct memory_range *ranges = boot_ram(&count);
    for (size_t i = 0; i < count; i++) {
        show_range(root, ranges[i]);
    }
}

void boot_tables_make(bool safe)
{
    static const struct paging_source by_identity = {early_take, early_give, 0};
    static const struct paging_source by_aperture = {early_take, early_give, 0xffff800000000000};
    early = largest_of_chunks();
    if (early.count.value == 0) {
        panic("the memory map has no 2 MiB of free RAM in a row below 4 GiB");
    }
    paging_set_source(&by_identity);
    paddr_t root;
    must(early_take(&root), "page tables");
    must(paging_prepare_kernel_half(root), "page tables");
    map_image(root);
    make_aperture(root, safe);
    paging_load(root);
    paging_set_source(&by_aperture);
    reach = APERTURE_BASE;
    loaded = safe;
    paging_set_kernel_root(root);
}

void boot_tables_records(pfn_t first, uint64_t bytes)
{
    must(window_setup(arch_this_cpu()), "windows");
    must(frame_table_place(first, bytes), "the tables of the frames' records");
}

static enum error take_table(paddr_t *frame)
{
    pfn_t got;
    enum error error = frame_alloc(0, FRAME_PAGE_TABLE, &got);
    if (error == ERR_NONE) {
        *frame = pfn_to_paddr(got);
        arch_zero_pages(aperture_at(*frame), 1);
    }
    return error;
}

static void give_table(paddr_t frame)
{
    frame_release(paddr_to_pfn(frame), 0);
}

struct memory_range boot_tables_end(void)
{
    static const struct paging_source by_frames = {take_table, give_table, 0xffff800000000000};
    paging_set_source(&by_frames);
    return (struct memory_range){early.first, {taken}};
}
