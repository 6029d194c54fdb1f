/* The aperture; see aperture.h. */
#include "kernel/mm/aperture.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/paging.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/tlb.h"
#include "kernel/sched/cpu.h"

#define CHUNK (2 * MIB)

static struct arch_leaf *leaf_of(paddr_t chunk)
{
    struct arch_leaf *leaf;
    enum error error = arch_leaf_find(arch_kernel_root(), APERTURE_BASE + chunk.value, CHUNK, &leaf);
    ASSERT(error == ERR_NONE); /* the tables are made at boot */
    return leaf;
}

static void enter(pfn_t first, pages_t count)
{
    uint64_t end = (first.value + count.value) << PAGE_SHIFT;
    for (uint64_t at = first.value << PAGE_SHIFT; at < end; at += CHUNK) {
        struct arch_leaf *leaf = leaf_of(paddr(at));
        if (leaf->bits == 0) { /* the first page tables are shown before there is an allocator */
            arch_leaf_set(leaf, paddr(at), CHUNK, MAP_READ | MAP_WRITE);
        }
    }
}

static void leave(pfn_t first, pages_t count)
{
    uint64_t end = (first.value + count.value) << PAGE_SHIFT;
    for (uint64_t at = first.value << PAGE_SHIFT; at < end; at += CHUNK) {
        arch_leaf_clear(leaf_of(paddr(at)));
    }
}

/* No CPU may go on with what it remembers. */
static void left(void)
{
    tlb_flush_kernel_half();
}

const struct frame_watch aperture_watch = {enter, leave, left};

static void look(uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags, void *context)
{
    struct aperture_view *view = context;
    view->bytes += bytes;
    bool sound = virtual - APERTURE_BASE == physical.value && bytes == CHUNK &&
                 (flags & (MAP_WRITE | MAP_EXECUTE | MAP_USER | MAP_UNCACHED | MAP_COMBINE)) == MAP_WRITE;
    uint64_t classes[FRAME_CLASSES];
    frame_survey(paddr_to_pfn(physical), (pages_t){bytes >> PAGE_SHIFT}, classes);
    uint64_t kernels = classes[FRAME_KERNEL] + classes[FRAME_PAGE_TABLE] + classes[FRAME_STACK] +
                       classes[FRAME_SPARE] + classes[FRAME_BAD];
    if ((!sound || kernels != bytes >> PAGE_SHIFT) && !view->wrong) {
        view->wrong = true;
        view->where = paddr_to_pfn(physical);
    }
}

void aperture_look(struct aperture_view *out)
{
    *out = (struct aperture_view){0};
    paging_visit_leaves(arch_kernel_root(), APERTURE_BASE, APERTURE_BASE + APERTURE_SIZE, look, out);
}
