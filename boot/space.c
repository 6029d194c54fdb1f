/* The address space that the kernel is entered with. Its tables are memory that the kernel is told is used.
 */
#include "abi/handle.h"
#include "boot/cpu.h"
#include "boot/firmware.h"
#include "boot/handover.h"
#include "lib/units.h"

#define IDENTITY_LEAST (16 * GIB)
#define IDENTITY_MOST  (128 * TIB) /* the lower half of a 48-bit address space */
#define SMALL_PAGES    (2 * MIB)   /* the fixed-range MTRRs cut the first MiB into pieces of unlike types */
#define MIXED_PAGES    (4 * GIB)   /* devices and RAM lie side by side below */

#define TABLES_A_PIECE 32

#define LEAF_EXTENDED       0x80000001u
#define EXTENDED_D_GIB_PAGE (1u << 26)

/* Tables come out of larger pieces, since the firmware's memory map gets an entry for each. */
static uint64_t *take_table(void)
{
    static uint8_t *next;
    static unsigned left;
    if (left == 0) {
        next = memory_take(TABLES_A_PIECE * PAGE_SIZE, MEMORY_LIVE);
        left = next != NULL ? TABLES_A_PIECE : 0;
    }
    if (left == 0) {
        return NULL;
    }
    uint8_t *table = next;
    next += PAGE_SIZE;
    left--;
    return (uint64_t *)(void *)table;
}

static bool map_identity(struct paging *paging, uint64_t address, uint64_t bytes, unsigned largest)
{
    return paging_map(paging, address, address, bytes, PAGING_WRITE, largest);
}

/* Above 4 GiB, and above 16 GiB only the gibibytes that hold RAM; in 1 GiB pages those that hold only RAM. */
static bool map_high(struct paging *paging, const struct efi_map *map, uint64_t least)
{
    uint64_t top = align_up(memory_map_top(map), GIB);
    top = top < least ? least : top > IDENTITY_MOST ? IDENTITY_MOST : top;
    for (uint64_t at = MIXED_PAGES; at < top; at += GIB) {
        bool is_ram = memory_map_is_ram(map, at, GIB);
        if ((at < least || memory_map_touches_ram(map, at, GIB)) &&
            !map_identity(paging, at, GIB, is_ram ? PAGING_1_GIB : PAGING_2_MIB)) {
            return false;
        }
    }
    return true;
}

static bool map_all_identity(struct handover *handover)
{
    struct paging *paging = &handover->paging;
    uint64_t fixed = handover->policy.identity_bytes;
    UINTN key;
    if (!map_identity(paging, 0, SMALL_PAGES, PAGING_4_KIB)) {
        return false;
    }
    if (fixed != 0) {
        return map_identity(paging, SMALL_PAGES, fixed - SMALL_PAGES, PAGING_2_MIB);
    }
    return map_identity(paging, SMALL_PAGES, MIXED_PAGES - SMALL_PAGES, PAGING_2_MIB) &&
           memory_map_read(&handover->map, &key, handover->map_room) &&
           map_high(paging, &handover->map, IDENTITY_LEAST);
}

/*
 * What segments say about a page, together. A lone segment gets all rights, whatever its flags: protocol and
 * kernels count on that.
 */
static uint32_t page_access(const struct layout *layout, uint64_t page)
{
    uint32_t access = 0;
    for (unsigned i = 0; i < layout->segment_count; i++) {
        const struct elf64_segment *segment = &layout->segments[i];
        uint64_t last = segment->address + (segment->memory_bytes - 1);
        if (segment->address <= page + (PAGE_SIZE - 1) && last >= page) {
            access |= segment->access;
        }
    }
    return layout->segment_count == 1 ? ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE : access;
}

static bool map_kernel(struct handover *handover)
{
    const struct layout *layout = &handover->layout;
    uint64_t bytes = layout->end - layout->base;
    for (uint64_t at = 0; at < bytes; at += PAGE_SIZE) {
        uint32_t access = page_access(layout, layout->base + at);
        bool is_writable = (access & ACCESS_WRITE) != 0 && !handover->policy.is_kernel_constant;
        bool is_code = (access & ACCESS_EXECUTE) != 0 || !handover->has_no_execute;
        uint64_t flags = (is_writable ? PAGING_WRITE : 0) | (is_code ? 0 : PAGING_NO_EXECUTE);
        if (access != 0 &&
            !paging_map(&handover->paging, layout->base + at, (uint64_t)(uintptr_t)handover->kernel + at,
                        PAGE_SIZE, flags, PAGING_4_KIB)) {
            return false;
        }
    }
    return true;
}

static bool map_page(struct handover *handover, uint64_t address, const void *page)
{
    uint64_t flags = handover->policy.are_pages_constant ? 0 : PAGING_WRITE;
    return paging_map(&handover->paging, address, (uint64_t)(uintptr_t)page, PAGE_SIZE, flags, PAGING_4_KIB);
}

static bool map_framebuffer(struct handover *handover)
{
    const struct bootboot *bootboot = handover->bootboot;
    uint64_t room = handover->layout.fb_room;
    uint64_t bytes = bootboot->fb_size < room ? bootboot->fb_size : room;
    return paging_map(&handover->paging, handover->layout.fb, align_down(bootboot->fb_ptr, PAGE_SIZE), bytes,
                      PAGING_WRITE, PAGING_2_MIB);
}

static bool map_stacks(struct handover *handover)
{
    return paging_map(&handover->paging, 0 - handover->stack_bytes, (uint64_t)(uintptr_t)handover->stacks,
                      handover->stack_bytes, PAGING_WRITE, PAGING_4_KIB);
}

bool space_build(struct handover *handover)
{
    const struct layout *layout = &handover->layout;
    handover->paging.take = take_table;
    handover->paging.has_gib_pages = (cpuid(LEAF_EXTENDED, 0).d & EXTENDED_D_GIB_PAGE) != 0;
    if (!map_all_identity(handover) || !map_kernel(handover) ||
        !map_page(handover, layout->bootboot, handover->bootboot) ||
        !map_page(handover, layout->environment, handover->environment) || !map_framebuffer(handover) ||
        !map_stacks(handover)) {
        return fail(handover->kernel_name, "there is no memory for the page tables to run it");
    }
    return true;
}
