#include "kernel/mm/memory_map.h"

#define ADDRESS_END ((uint64_t)1 << 52)
#define TYPE_MASK   ((uint64_t)15)

/* Bytes [begin, end); empty when begin >= end. */
struct span {
    uint64_t begin, end;
};

struct source {
    const struct memory_map_entry *entries;
    size_t entry_count;
    const struct memory_range *exclude;
    size_t exclude_count;
};

static struct span clipped_span(uint64_t begin, uint64_t size)
{
    uint64_t end = size > ADDRESS_END || begin > ADDRESS_END - size ? ADDRESS_END : begin + size;
    return (struct span){begin, end};
}

static struct span free_span(const struct memory_map_entry *entry)
{
    uint64_t size = entry->size_and_type & ~TYPE_MASK;
    bool believed = (entry->size_and_type & TYPE_MASK) == MEMORY_MAP_FREE && size <= ADDRESS_END &&
                    entry->address <= ADDRESS_END - size;
    return believed ? (struct span){entry->address, entry->address + size} : (struct span){0, 0};
}

/* The i-th span that must not be used: first those of the map, then the excluded ranges. */
static struct span used_span(const struct source *source, size_t i)
{
    if (i >= source->entry_count) {
        const struct memory_range *range = &source->exclude[i - source->entry_count];
        if (range->first.value >= ADDRESS_END >> PAGE_SHIFT)
            return (struct span){0, 0};
        uint64_t pages =
            range->count.value < ADDRESS_END >> PAGE_SHIFT ? range->count.value : ADDRESS_END >> PAGE_SHIFT;
        return clipped_span(range->first.value << PAGE_SHIFT, pages << PAGE_SHIFT);
    }
    const struct memory_map_entry *entry = &source->entries[i];
    if ((entry->size_and_type & TYPE_MASK) == MEMORY_MAP_FREE)
        return (struct span){0, 0};
    return clipped_span(entry->address, entry->size_and_type & ~TYPE_MASK);
}

/* The end of the used spans that cover `at`, or `at` itself when none does. */
static uint64_t skip_used(const struct source *source, uint64_t at)
{
    for (size_t i = 0; i < source->entry_count + source->exclude_count; i++) {
        struct span used = used_span(source, i);
        if (used.begin <= at && at < used.end)
            at = used.end;
    }
    return at;
}

/* The lowest address at or above `at` that a free entry covers; ADDRESS_END when there is none. */
static uint64_t next_covered(const struct source *source, uint64_t at)
{
    uint64_t lowest = ADDRESS_END;
    for (size_t i = 0; i < source->entry_count; i++) {
        struct span span = free_span(&source->entries[i]);
        uint64_t begin = span.begin > at ? span.begin : at;
        if (begin < span.end && begin < lowest)
            lowest = begin;
    }
    return lowest;
}

/* Both of the above until they agree: the lowest usable byte at or above `at`. */
static uint64_t next_usable(const struct source *source, uint64_t at)
{
    for (;;) {
        uint64_t covered = next_covered(source, at);
        if (covered == ADDRESS_END)
            return ADDRESS_END;
        at = skip_used(source, covered);
        if (at == covered)
            return at;
    }
}

/* Where the usable memory that begins at `begin` ends. */
static uint64_t usable_end(const struct source *source, uint64_t begin)
{
    uint64_t end = begin;
    for (uint64_t before = end - 1; before != end;) {
        before = end;
        for (size_t i = 0; i < source->entry_count; i++) {
            struct span span = free_span(&source->entries[i]);
            if (span.begin <= end && span.end > end)
                end = span.end;
        }
    }
    for (size_t i = 0; i < source->entry_count + source->exclude_count; i++) {
        struct span used = used_span(source, i);
        if (used.begin < used.end && used.begin > begin && used.begin < end)
            end = used.begin;
    }
    return end;
}

enum error memory_map_build(const struct memory_map_entry *entries, size_t entry_count,
                            const struct memory_range *exclude, size_t exclude_count,
                            struct memory_range *out, size_t capacity, size_t *out_count)
{
    struct source source = {entries, entry_count, exclude, exclude_count};
    size_t count = 0;
    uint64_t begin = next_usable(&source, 0);
    while (begin < ADDRESS_END) {
        uint64_t end = usable_end(&source, begin);
        uint64_t first = align_up(begin, PAGE_SIZE) >> PAGE_SHIFT;
        uint64_t last = end >> PAGE_SHIFT;
        if (first < last && count == capacity) {
            *out_count = count;
            return ERR_TOO_LARGE;
        }
        if (first < last)
            out[count++] = (struct memory_range){pfn(first), {last - first}};
        begin = next_usable(&source, end);
    }
    *out_count = count;
    return ERR_NONE;
}
