/*
 * Finding the RAM; see boot_ram.h.
 *
 * A loader may list what it uses itself as free, as used, or, as the reference does, not at all. So its own
 * parts are found by following its page tables, and count as RAM unless the map calls them something else.
 */
#include "kernel/init/boot_ram.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/paging.h"
#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"
#include "kernel/init/handover.h"
#include "lib/text.h"

#define HELD_MAX   192
#define RANGES_MAX 512

/* The start-up code of other cores lies in the lowest memory, and so do leftovers of firmware. */
#define LOW_PAGES 16

/* Where stacks of cores hang from the end of the address space. */
#define LOADER_STACKS (MIB / 4)

static struct held_range held[HELD_MAX];
static size_t held_count;

/* What is in use, but of which too little is known to give it back or call it RAM. */
static struct memory_range blocked[2];

static struct memory_range ram[RANGES_MAX], free_ram[RANGES_MAX];
static size_t ram_count, free_count;

_Static_assert(sizeof(handover.info.map) / sizeof(handover.info.map[0]) < RANGES_MAX,
               "entries has room for the map");

extern const char image_start[], image_end[], bootboot[], environment[];

static uint64_t end_of(struct memory_range r)
{
    return r.first.value + r.count.value;
}

static void block(uint64_t first, uint64_t end)
{
    struct memory_range *b = &blocked[1];
    uint64_t low = b->count.value != 0 && b->first.value < first ? b->first.value : first;
    uint64_t high = end_of(*b) > end ? end_of(*b) : end;
    *b = (struct memory_range){pfn(low), {high - low}};
}

/* Frames [first, end), of which no other is held yet. */
static void hold_new(uint64_t first, uint64_t end, enum held_for reason)
{
    for (size_t i = 0; i < held_count; i++) {
        struct memory_range *r = &held[i].frames;
        if (held[i].reason == reason && end_of(*r) == first) {
            r->count.value += end - first;
            return;
        }
        if (held[i].reason == reason && end == r->first.value) {
            *r = (struct memory_range){pfn(first), {end_of(*r) - first}};
            return;
        }
    }
    if (held_count == HELD_MAX) {
        block(first, end);
        return;
    }
    held[held_count++] = (struct held_range){{pfn(first), {end - first}}, reason};
}

/* The held range that contains this frame, or the first one behind it; NULL when there is none. */
static const struct held_range *held_from(uint64_t frame)
{
    const struct held_range *next = NULL;
    for (size_t i = 0; i < held_count; i++) {
        if (end_of(held[i].frames) > frame &&
            (next == NULL || held[i].frames.first.value < next->frames.first.value)) {
            next = &held[i];
        }
    }
    return next;
}

/* Hold what of these bytes is not held yet: whoever comes first has it. */
static void hold(uint64_t start, uint64_t bytes, enum held_for reason)
{
    if (bytes == 0 || start + bytes < start) {
        return;
    }
    uint64_t at = start >> PAGE_SHIFT, end = ((start + bytes - 1) >> PAGE_SHIFT) + 1;
    while (at < end) {
        const struct held_range *next = held_from(at);
        uint64_t begin = next != NULL && next->frames.first.value < end ? next->frames.first.value : end;
        uint64_t after = begin < end ? end_of(next->frames) : end;
        if (at < begin) {
            hold_new(at, begin, reason);
        }
        at = after > begin ? after : begin;
    }
}

static void hold_table(paddr_t table, void *context)
{
    (void)context;
    hold(table.value, PAGE_SIZE, HELD_LOADER);
}

/* The frames behind a range of virtual addresses, by the loader's tables. */
static void hold_virtual(const void *start, uint64_t bytes, enum held_for reason)
{
    uint64_t virtual = align_down((uint64_t)(uintptr_t)start, PAGE_SIZE);
    for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
        struct arch_translation t = arch_translate(paging_loaded(), virtual + at);
        if (t.present) {
            hold(t.physical.value, PAGE_SIZE, reason);
        }
    }
}

static void hold_all(void)
{
    const struct bootboot *info = &handover.info;
    hold(0, PAGE_SIZE, HELD_FIRMWARE);
    hold_virtual(image_start, (uint64_t)(image_end - image_start), HELD_IMAGE);
    hold(info->initrd_ptr, info->initrd_size, HELD_BUNDLE);
    hold(PAGE_SIZE, (LOW_PAGES - 1) * PAGE_SIZE, HELD_LOADER);
    hold_virtual(bootboot, PAGE_SIZE, HELD_LOADER);
    hold_virtual(environment, PAGE_SIZE, HELD_LOADER);
    hold_virtual((const void *)(uintptr_t)-LOADER_STACKS, LOADER_STACKS, HELD_LOADER);
    paging_visit_tables(paging_loaded(), hold_table, NULL);
    blocked[0] = (struct memory_range){pfn(info->fb_ptr >> PAGE_SHIFT),
                                       pages_for_bytes(info->fb_size + info->fb_ptr % PAGE_SIZE)};
}

/* Cut held ranges down to the parts that are RAM. */
static void keep_ram_only(void)
{
    size_t before = held_count;
    static struct held_range all[HELD_MAX];
    for (size_t i = 0; i < before; i++) {
        all[i] = held[i];
    }
    held_count = 0;
    for (size_t i = 0; i < before; i++) {
        for (size_t k = 0; k < ram_count; k++) {
            uint64_t first = all[i].frames.first.value, end = end_of(all[i].frames);
            first = ram[k].first.value > first ? ram[k].first.value : first;
            end = end_of(ram[k]) < end ? end_of(ram[k]) : end;
            if (first < end) {
                hold_new(first, end, all[i].reason);
            }
        }
    }
}

static void build(const struct memory_map_entry *entries, size_t count, const struct memory_range *exclude,
                  size_t exclude_count, struct memory_range *out, size_t *out_count)
{
    if (memory_map_build(entries, count, exclude, exclude_count, out, RANGES_MAX, out_count) != ERR_NONE) {
        log_warn("memory: more than %d pieces of RAM; those above %lx are not used", RANGES_MAX,
                 end_of(out[RANGES_MAX - 1]) << PAGE_SHIFT);
    }
}

static struct memory_map_entry entries[RANGES_MAX + HELD_MAX];

/* Append an entry of free RAM. */
static void add_entry(size_t *count, struct memory_range r)
{
    entries[(*count)++] =
        (struct memory_map_entry){r.first.value << PAGE_SHIFT, r.count.value << PAGE_SHIFT | MEMORY_MAP_FREE};
}

/* Append what the loader holds. */
static void add_held(size_t *count)
{
    for (size_t i = 0; i < held_count; i++) {
        add_entry(count, held[i].frames);
    }
}

/* The RAM that has been found, as entries; returns how many. */
static size_t start_with_ram(void)
{
    size_t count = 0;
    for (size_t i = 0; i < ram_count; i++) {
        add_entry(&count, ram[i]);
    }
    return count;
}

/* The map, with what the loader holds added as RAM; if it says so, also where the map calls that used. */
static void find_ram(void)
{
    size_t count = handover.map_entries;
    memcpy(entries, handover.info.map, count * sizeof(entries[0]));
    add_held(&count);
    build(entries, count, blocked, sizeof(blocked) / sizeof(blocked[0]), ram, &ram_count);
    if ((handover.info.extensions & HANDOVER_OWN_PARTS) != 0) {
        count = start_with_ram();
        add_held(&count);
        build(entries, count, NULL, 0, ram, &ram_count);
    }
}

static void find_free(void)
{
    static struct memory_range exclude[HELD_MAX];
    for (size_t i = 0; i < held_count; i++) {
        exclude[i] = held[i].frames;
    }
    build(entries, start_with_ram(), exclude, held_count, free_ram, &free_count);
}

static uint64_t mebibytes(const struct memory_range *ranges, size_t count)
{
    uint64_t pages = 0;
    for (size_t i = 0; i < count; i++) {
        pages += ranges[i].count.value;
    }
    return pages * PAGE_SIZE / MIB;
}

void boot_ram_find(void)
{
    held_count = 0;
    blocked[1] = (struct memory_range){0};
    hold_all();
    find_ram();
    keep_ram_only();
    find_free();
    if (free_count == 0) {
        panic("the memory map has no free RAM");
    }
    if (blocked[1].count.value != 0) {
        log_warn("memory: the loader's own parts are in too many pieces; %lu KiB from %lx on are not used",
                 blocked[1].count.value * PAGE_SIZE / KIB, blocked[1].first.value << PAGE_SHIFT);
    }
    log_info("memory: %lu MiB of RAM in %zu ranges of %zu map entries, %lu MiB of it free",
             mebibytes(ram, ram_count), ram_count, handover.map_entries, mebibytes(free_ram, free_count));
}

static uint64_t limit_ranges(struct memory_range *ranges, size_t *count, uint64_t end)
{
    uint64_t lost = 0;
    while (*count > 0 && end_of(ranges[*count - 1]) > end) {
        struct memory_range *r = &ranges[*count - 1];
        uint64_t keep = r->first.value < end ? end - r->first.value : 0;
        lost += r->count.value - keep;
        r->count.value = keep;
        *count -= keep == 0;
    }
    return lost;
}

void boot_ram_limit(pfn_t end)
{
    limit_ranges(free_ram, &free_count, end.value);
    uint64_t lost = limit_ranges(ram, &ram_count, end.value);
    if (lost > 0) {
        keep_ram_only();
        log_warn("memory: %lu MiB of RAM from %lx on are not used", lost * PAGE_SIZE / MIB,
                 end.value << PAGE_SHIFT);
    }
}

pages_t boot_ram_beyond(pfn_t end)
{
    pages_t beyond = {0};
    for (size_t i = 0; i < ram_count; i++) {
        uint64_t last = ram[i].first.value + ram[i].count.value;
        uint64_t from = ram[i].first.value > end.value ? ram[i].first.value : end.value;
        beyond.value += last > from ? last - from : 0;
    }
    return beyond;
}

const struct memory_range *boot_ram(size_t *count)
{
    *count = ram_count;
    return ram;
}

const struct held_range *boot_ram_held(size_t *count)
{
    *count = held_count;
    return held;
}

const struct memory_range *boot_ram_free(size_t *count)
{
    *count = free_count;
    return free_ram;
}
