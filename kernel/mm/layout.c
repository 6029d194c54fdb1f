/*
 * Checking and printing the map of the kernel's half; see layout.h.
 */
#include "kernel/mm/layout.h"

#include "kernel/debug/log.h"
#include "kernel/debug/panic.h"

struct region {
    const char *name, *about;
    uint64_t base, size;
};

#define REGION_ROW(label, start, bytes, text) {#label, text, (start), (bytes)},
static const struct region regions[] = {LAYOUT_REGIONS(REGION_ROW)};
#undef REGION_ROW

void layout_check(void)
{
    for (unsigned i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        const struct region *r = &regions[i];
        ASSERT((r->base >> 47) == 0x1ffff && is_aligned(r->base, GIB));
        ASSERT(i == 0 || regions[i - 1].base + regions[i - 1].size <= r->base);
        log_debug("layout: %016lx %5lu GiB  %s", r->base, r->size / GIB, r->about);
    }
}
