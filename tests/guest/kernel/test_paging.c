/*
 * The kernel's own address space, as its page tables really are.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/arch/paging.h"
#include "kernel/arch/tables.h"
#include "kernel/init/handover.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/frame.h"
#include "kernel/mm/frame_report.h"
#include "kernel/mm/layout.h"
#include "kernel/mm/stacks.h"
#include "kernel/mm/usercopy.h"

extern const char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], image_end[];

struct findings {
    uint64_t writable_and_executable;
    uint64_t lower_half;
    uint64_t user;
    uint64_t outside_regions;
    uint64_t executable_outside_text;
    uint64_t aperture_bytes;
    uint64_t aperture_not_cached;
};

static bool in_region(uint64_t address)
{
#define REGION_TEST(name, base, size, about)                                                                 \
    if (address - (base) < (size)) {                                                                         \
        return true;                                                                                         \
    }
    LAYOUT_REGIONS(REGION_TEST)
#undef REGION_TEST
    return false;
}

static void look(uint64_t virtual, paddr_t physical, uint64_t bytes, unsigned flags, void *context)
{
    struct findings *f = context;
    (void)physical;
    bool executable = (flags & MAP_EXECUTE) != 0;
    bool text = virtual >= (uint64_t)(uintptr_t)text_start && virtual < (uint64_t)(uintptr_t)text_end;
    f->writable_and_executable += executable && (flags & MAP_WRITE) != 0;
    f->executable_outside_text += executable && !text;
    f->lower_half += virtual >> 63 == 0;
    f->user += (flags & MAP_USER) != 0;
    f->outside_regions += !in_region(virtual);
    if (virtual - APERTURE_BASE < APERTURE_SIZE) {
        f->aperture_bytes += bytes;
        f->aperture_not_cached += (flags & (MAP_UNCACHED | MAP_COMBINE)) != 0;
    }
}

SELFTEST(kernel_map,
         "paging: the kernel's half has only its own regions, none writable and executable, none for users")
{
    struct findings f = {0};
    paging_visit_leaves(arch_kernel_root(), 0, 0, look, &f);
    EXPECT(f.writable_and_executable == 0);
    EXPECT(f.executable_outside_text == 0);
    EXPECT(f.lower_half == 0); /* the null page and the loader's identity map are gone */
    EXPECT(f.user == 0);
    EXPECT(f.outside_regions == 0);
    EXPECT(f.aperture_not_cached == 0);
    return NULL;
}

/* Everything that can be given back is: what is left in the aperture is the kernel's, to the last frame. */
SELFTEST(aperture_map, "aperture: it shows frames of the kernel and no others, no user's and no free one")
{
    struct aperture_view view;
    struct frame_counts counts;
    pfn_t user[64], kernel;
    if (handover_option_is("aperture", "full")) {
        return NULL;
    }
    for (unsigned i = 0; i < 64; i++) {
        EXPECT(frame_alloc(0, FRAME_USER_ANONYMOUS, &user[i]) == ERR_NONE);
    }
    EXPECT(frame_alloc(0, FRAME_KERNEL, &kernel) == ERR_NONE);
    frame_drain();
    aperture_look(&view);
    frame_count(&counts);
    EXPECT(!view.wrong);
    uint64_t kernels =
        counts.classes[FRAME_KERNEL] + counts.classes[FRAME_PAGE_TABLE] + counts.classes[FRAME_STACK];
    EXPECT(view.bytes / PAGE_SIZE == kernels + counts.classes[FRAME_SPARE]);
    for (unsigned i = 0; i < 64; i++) {
        uint64_t at = (uint64_t)(uintptr_t)aperture_at(pfn_to_paddr(user[i]));
        EXPECT(!arch_translate(arch_kernel_root(), at).present);
        EXPECT(frame_free(user[i], 0) == ERR_NONE);
    }
    EXPECT(
        arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)aperture_at(pfn_to_paddr(kernel))).present);
    EXPECT(frame_free(kernel, 0) == ERR_NONE);
    return NULL;
}

SELFTEST(aperture_moves,
         "aperture: a block enters when the kernel takes it, and has left when all is given back")
{
    pfn_t first;
    for (unsigned order = 9; order < 12; order++) {
        if (frame_alloc(order, FRAME_KERNEL, &first) == ERR_NO_MEMORY) {
            continue;
        }
        uint64_t at = (uint64_t)(uintptr_t)aperture_at(pfn_to_paddr(first)), end = at + (PAGE_SIZE << order);
        for (uint64_t a = at; a < end; a += 2 * MIB) {
            *(volatile uint64_t *)(uintptr_t)a = a;
        }
        EXPECT(frame_free(first, order) == ERR_NONE);
        frame_drain();
        for (uint64_t a = at; a < end && !handover_option_is("aperture", "full"); a += 2 * MIB) {
            EXPECT(!arch_translate(arch_kernel_root(), a).present);
        }
    }
    return NULL;
}

SELFTEST(aperture_full, "aperture: with aperture=full it shows all RAM but the kernel's image")
{
    struct findings f = {0};
    struct frame_counts counts;
    if (!handover_option_is("aperture", "full")) {
        return NULL;
    }
    paging_visit_leaves(arch_kernel_root(), 0, 0, look, &f);
    frame_count(&counts);
    uint64_t image = align_up((uint64_t)(image_end - text_start), PAGE_SIZE);
    EXPECT(f.aperture_bytes <= counts.total * PAGE_SIZE);
    EXPECT(f.aperture_bytes + image >= counts.total * PAGE_SIZE);
    return NULL;
}

SELFTEST(image_rights, "paging: text is read and execute, rodata read only, data and bss not executable")
{
    struct arch_translation text = arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)text_start);
    struct arch_translation rodata = arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)rodata_start);
    struct arch_translation data = arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)data_start);
    EXPECT(text.present && (text.flags & (MAP_WRITE | MAP_EXECUTE)) == MAP_EXECUTE);
    EXPECT(rodata.present && (rodata.flags & (MAP_WRITE | MAP_EXECUTE)) == 0);
    EXPECT(data.present && (data.flags & (MAP_WRITE | MAP_EXECUTE)) == MAP_WRITE);
    EXPECT(!arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)image_end).present);
    return NULL;
}

SELFTEST(stack_guard, "paging: below each kernel stack lies a page that is not mapped")
{
    uint64_t top;
    EXPECT(stack_alloc(&top) == ERR_NONE);
    EXPECT(arch_translate(arch_kernel_root(), top - STACK_SIZE).present);
    EXPECT(!arch_translate(arch_kernel_root(), top - STACK_SIZE - 1).present);
    EXPECT(!arch_translate(arch_kernel_root(), top).present || top % (2 * STACK_SIZE) == 0);
    stack_free(top);
    return NULL;
}

/* Free a chain of tables. */
static void tables_free(paddr_t first, uint64_t count)
{
    while (count-- > 0) {
        paddr_t table = first;
        first = *(paddr_t *)aperture_at(table);
        frame_release(paddr_to_pfn(table), 0);
    }
}

static bool stock_fill(struct table_stock *stock, uint64_t count)
{
    pfn_t frame;
    while (stock->count < count && frame_alloc(0, FRAME_PAGE_TABLE, &frame) == ERR_NONE) {
        paddr_t *table = aperture_at(pfn_to_paddr(frame));
        arch_zero_pages(table, 1);
        *table = stock->first;
        stock->first = pfn_to_paddr(frame);
        stock->count++;
    }
    return stock->count == count;
}

SELFTEST(map_unmap,
         "paging: a range maps to what was asked, in the largest leaves, and goes again with its tables")
{
    pfn_t frame;
    EXPECT(frame_alloc(0, FRAME_PAGE_TABLE, &frame) == ERR_NONE);
    paddr_t root = pfn_to_paddr(frame), to = paddr(64 * GIB - 2 * PAGE_SIZE);
    arch_space_create(root);
    uint64_t at = 4 * GIB - 2 * PAGE_SIZE, bytes = 4 * MIB + 4 * PAGE_SIZE;
    struct table_stock stock = {0};
    struct table_gather gather = {0};
    struct tables_count count;
    uint64_t tables = tables_missing(root, at, bytes, PAGE_SIZE);
    EXPECT(stock_fill(&stock, tables));
    tables_map(root, at, to, bytes, TABLES_LARGE, MAP_READ | MAP_USER, &stock);
    for (uint64_t done = 0; done < bytes; done += PAGE_SIZE) {
        struct arch_translation t = arch_translate(root, at + done + 5);
        EXPECT(t.present && t.physical.value == to.value + done + 5);
    }
    EXPECT(arch_translate(root, at).leaf_size == PAGE_SIZE);
    EXPECT(arch_translate(root, 4 * GIB).leaf_size == 2 * MIB);
    EXPECT(!arch_translate(root, at + bytes).present);
    tables_count(root, 0, 8 * GIB, &count);
    EXPECT(count.pages == bytes / PAGE_SIZE && count.large_pages == 4 * MIB / PAGE_SIZE);
    tables -= stock.count;
    tables_free(stock.first, stock.count);
    tables_unmap(root, at, bytes, &gather);
    EXPECT(gather.leaves == 6 && gather.tables == tables && tables >= 5);
    EXPECT(!arch_translate(root, at).present && !arch_translate(root, 4 * GIB).present);
    EXPECT(tables_dismantle(root, 1, &gather) && gather.tables == tables);
    tables_free(gather.first, gather.tables);
    frame_release(frame, 0);
    return NULL;
}

SELFTEST(copy_unmapped,
         "user copies: an address that is not mapped, or the kernel's, is an error and no fault")
{
    uint64_t word = 0;
    EXPECT(copy_from_user(&word, uaddr(USER_LOWEST), sizeof(word)) == ERR_BAD_ADDRESS);
    EXPECT(copy_to_user(uaddr(USER_HIGHEST - PAGE_SIZE), &word, sizeof(word)) == ERR_BAD_ADDRESS);
    EXPECT(copy_from_user(&word, uaddr(APERTURE_BASE), sizeof(word)) == ERR_BAD_ADDRESS);
    EXPECT(copy_from_user(&word, uaddr(USER_HIGHEST - 4), sizeof(word)) == ERR_BAD_ADDRESS);
    EXPECT(copy_from_user(&word, uaddr(~(uint64_t)0 - 3), sizeof(word)) == ERR_BAD_ADDRESS);
    EXPECT(copy_from_user(&word, uaddr(0), sizeof(word)) == ERR_BAD_ADDRESS);
    return NULL;
}
