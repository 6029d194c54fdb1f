/* Any bytes as a memory map: what comes out is sorted, disjoint, free, and touches nothing used or excluded.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/mm/memory_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRIES 250
#define LIMIT   ((uint64_t)1 << 52)

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Is the byte range free of used entries, and does each of its pages begin and end in some free entry? */
static void check_range(const struct memory_range *range, const struct memory_map_entry *entries,
                        size_t count)
{
    uint64_t begin = range->first.value * PAGE_SIZE, end = begin + range->count.value * PAGE_SIZE;
    bool begins = false, ends = false;
    check(range->count.value > 0 && end <= LIMIT);
    for (size_t i = 0; i < count; i++) {
        uint64_t low = entries[i].address, size = entries[i].size_and_type & ~(uint64_t)15, high = low + size;
        bool wraps = high < low;
        if ((entries[i].size_and_type & 15) != MEMORY_MAP_FREE) {
            check(size == 0 || low >= end || (!wraps && high <= begin));
            continue;
        }
        if (wraps || high > LIMIT)
            continue;
        begins |= low <= begin && begin < high;
        ends |= low < end && end <= high;
    }
    check(begins && ends);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct memory_map_entry entries[ENTRIES];
    static struct memory_range out[ENTRIES + 1];
    struct memory_range exclude = {0};
    if (size < sizeof exclude)
        return 0;
    memcpy(&exclude, data, sizeof exclude);
    size_t count = (size - sizeof exclude) / sizeof *entries, found;
    count = count < ENTRIES ? count : ENTRIES;
    memcpy(entries, data + sizeof exclude, count * sizeof *entries);
    enum error error = memory_map_build(entries, count, &exclude, 1, out, ENTRIES + 1, &found);
    check(error == ERR_NONE || error == ERR_TOO_LARGE);
    for (size_t i = 0; i < found; i++) {
        check_range(&out[i], entries, count);
        check(i == 0 || out[i - 1].first.value + out[i - 1].count.value < out[i].first.value);
        check(out[i].first.value + out[i].count.value <= exclude.first.value || exclude.count.value == 0 ||
              out[i].first.value - exclude.first.value >= exclude.count.value ||
              out[i].first.value < exclude.first.value);
    }
    return 0;
}
