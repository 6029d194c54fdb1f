#include "boot/layout.h"

#include "boot/bootboot.h"
#include "lib/text.h"
#include "lib/units.h"

/* A range of virtual addresses by its last byte, since the end of the last one is 2^64. */
struct area {
    const char *name;
    uint64_t first;
    uint64_t last;
};

static bool areas_overlap(const struct area *a, const struct area *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static bool refuse(char reason[LAYOUT_TEXT], const char *text)
{
    text_format(reason, LAYOUT_TEXT, "%s", text);
    return false;
}

/* Collect the segments that lie in the top GiB, and note the span of pages they take. */
static bool read_segments(struct layout *layout, const struct elf64 *elf, char reason[LAYOUT_TEXT])
{
    uint64_t first = UINT64_MAX, last = 0;
    for (unsigned i = 0; i < elf->segments; i++) {
        struct elf64_segment segment;
        enum error error = elf64_segment(elf, i, &segment);
        if (error != ERR_NONE) {
            return refuse(reason, error == ERR_TRUNCATED ? "the file ends inside a segment"
                                                         : "a segment has impossible sizes");
        }
        if (segment.type != ELF64_LOAD || segment.memory_bytes == 0) {
            continue;
        }
        if (segment.address < BOOTBOOT_LOWEST) {
            layout->outside++;
            continue;
        }
        if (layout->segment_count == LAYOUT_SEGMENTS) {
            return refuse(reason, "it has more than 16 loadable segments");
        }
        uint64_t segment_last = segment.address + (segment.memory_bytes - 1);
        first = segment.address < first ? segment.address : first;
        last = segment_last > last ? segment_last : last;
        layout->segments[layout->segment_count++] = segment;
    }
    if (layout->segment_count == 0) {
        return refuse(reason, layout->outside > 0
                                  ? "no loadable segment is in the top GiB of the address space"
                                  : "it has no loadable segment");
    }
    layout->base = align_down(first, PAGE_SIZE);
    layout->end = align_down(last, PAGE_SIZE) + PAGE_SIZE;
    return layout->end - layout->base <= BOOTBOOT_KERNEL_MOST
               ? true
               : refuse(reason, "it takes more than 16 MiB of memory");
}

/* A lone segment has to begin at a page: some loaders would place it wrongly. So does the entry lie inside.
 */
static bool check_segments(const struct layout *layout, char reason[LAYOUT_TEXT])
{
    if (!is_aligned(layout->segments[0].address, PAGE_SIZE) && layout->segment_count == 1) {
        return refuse(reason, "its segment does not begin at a multiple of 4 KiB");
    }
    for (unsigned i = 0; i < layout->segment_count; i++) {
        const struct elf64_segment *segment = &layout->segments[i];
        if (layout->entry >= segment->address && layout->entry - segment->address < segment->memory_bytes) {
            return true;
        }
    }
    return refuse(reason, "its entry point lies in no loaded segment");
}

/* One of the protocol's symbols, or its level-1 value where the kernel has none. */
static bool read_symbol(const struct elf64 *elf, const char *name, uint64_t alignment, uint64_t *value,
                        char reason[LAYOUT_TEXT])
{
    uint64_t found;
    enum error error = elf64_symbol(elf, name, &found);
    if (error == ERR_NOT_FOUND) {
        return true;
    }
    if (error != ERR_NONE) {
        return refuse(reason, "its symbol table is damaged");
    }
    if (found < BOOTBOOT_LOWEST) {
        text_format(reason, LAYOUT_TEXT, "symbol %s is 0x%llx, outside the top GiB of the address space",
                    name, (unsigned long long)found);
        return false;
    }
    if (!is_aligned(found, alignment)) {
        text_format(reason, LAYOUT_TEXT, "symbol %s is 0x%llx, not a multiple of %llu KiB", name,
                    (unsigned long long)found, (unsigned long long)(alignment / KIB));
        return false;
    }
    *value = found;
    return true;
}

static bool read_stack(struct layout *layout, const struct elf64 *elf, char reason[LAYOUT_TEXT])
{
    uint64_t found;
    if (elf64_symbol(elf, "initstack", &found) != ERR_NONE) {
        return true;
    }
    if (!is_aligned(found, 16)) {
        text_format(reason, LAYOUT_TEXT, "symbol initstack is %llu, not a multiple of 16",
                    (unsigned long long)found);
        return false;
    }
    layout->stack = found > BOOTBOOT_STACK_LEAST ? found : BOOTBOOT_STACK_LEAST;
    return true;
}

static bool check_overlap(const struct area *areas, size_t count, char reason[LAYOUT_TEXT])
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (areas_overlap(&areas[i], &areas[j])) {
                text_format(reason, LAYOUT_TEXT, "its %s and %s overlap", areas[j].name, areas[i].name);
                return false;
            }
        }
    }
    return true;
}

/*
 * The stacks have what is left above the highest area, the framebuffer what lies between it and the next one.
 * When those are the same, the stacks get the last 2 MiB.
 */
static void divide_top(struct layout *layout, const struct area *areas, size_t count)
{
    uint64_t highest = 0;
    uint64_t fb_end = 0;
    for (size_t i = 0; i < count; i++) {
        highest = areas[i].last > highest ? areas[i].last : highest;
        if (areas[i].first > layout->fb && (fb_end == 0 || areas[i].first < fb_end)) {
            fb_end = areas[i].first;
        }
    }
    layout->stack_room = align_down(UINT64_MAX - highest, PAGE_SIZE);
    if (fb_end == 0 && layout->stack_room > 2 * MIB) {
        layout->stack_room = 2 * MIB;
    }
    layout->fb_room = (fb_end == 0 ? 0 - layout->stack_room : fb_end) - layout->fb;
}

static bool place(struct layout *layout, uint64_t mmio, char reason[LAYOUT_TEXT])
{
    struct area areas[] = {
        {"segments", layout->base, layout->end - 1},
        {"bootboot page", layout->bootboot, layout->bootboot + (PAGE_SIZE - 1)},
        {"environment page", layout->environment, layout->environment + (PAGE_SIZE - 1)},
        {"fb window", layout->fb, layout->fb + (BOOTBOOT_WINDOW - 1)},
        {"mmio window", mmio, mmio + (BOOTBOOT_WINDOW - 1)},
    };
    size_t count = sizeof(areas) / sizeof(areas[0]) - (mmio == 0);
    for (size_t i = 0; i < count; i++) {
        if (areas[i].last < areas[i].first) {
            text_format(reason, LAYOUT_TEXT, "its %s reaches over the end of the address space",
                        areas[i].name);
            return false;
        }
    }
    if (!check_overlap(areas, count, reason)) {
        return false;
    }
    divide_top(layout, areas, count);
    return layout->stack_room >= layout->stack ? true : refuse(reason, "it leaves no room for a stack");
}

bool layout_read(struct layout *layout, const struct elf64 *elf, bool is_static, char reason[LAYOUT_TEXT])
{
    uint64_t mmio = 0; /* no window is mapped there: the address only has to be a good one, if there is one */
    *layout = (struct layout){
        .entry = elf->entry,
        .bootboot = BOOTBOOT_LEVEL1_BOOTBOOT,
        .environment = BOOTBOOT_LEVEL1_ENVIRONMENT,
        .fb = BOOTBOOT_LEVEL1_FB,
        .stack = BOOTBOOT_STACK_LEAST,
    };
    if (!read_segments(layout, elf, reason) || !check_segments(layout, reason)) {
        return false;
    }
    if (!is_static &&
        (!read_symbol(elf, "bootboot", PAGE_SIZE, &layout->bootboot, reason) ||
         !read_symbol(elf, "environment", PAGE_SIZE, &layout->environment, reason) ||
         !read_symbol(elf, "fb", 2 * MIB, &layout->fb, reason) ||
         !read_symbol(elf, "mmio", PAGE_SIZE, &mmio, reason) || !read_stack(layout, elf, reason))) {
        return false;
    }
    return place(layout, mmio, reason);
}
