/*
 * Windows; see window.h. A CPU has 4 MiB of addresses: a table of small leaves, of which the first few are
 * used, and one large leaf.
 */
#include "kernel/mm/window.h"

#include "kernel/arch/arch.h"
#include "kernel/debug/panic.h"
#include "kernel/mm/aperture.h"
#include "kernel/mm/layout.h"
#include "kernel/sched/cpu.h"

#define LARGE (2 * MIB)
#define AREA  (2 * LARGE)

/* Behind the slots of all uses, and those that WINDOW_RECORDS goes on to. */
#define SOME_SLOT (WINDOW_RECORDS + WINDOW_RECORDS_MOST)

static const unsigned flags = MAP_READ | MAP_WRITE;

/* Set once. */
static bool by_aperture;

void window_use_aperture(void)
{
    by_aperture = true;
}

enum error window_setup(struct cpu *cpu)
{
    uint64_t area = WINDOWS_BASE + cpu->area * AREA;
    enum error error = arch_leaf_find(arch_kernel_root(), area, PAGE_SIZE, &cpu->windows);
    if (error == ERR_NONE) {
        error = arch_leaf_find(arch_kernel_root(), area + LARGE, LARGE, &cpu->window_large);
    }
    cpu->window_area = area;
    return error;
}

void *window_open(enum window use, pfn_t frame)
{
    struct cpu *cpu = arch_this_cpu();
    if (by_aperture) {
        return aperture_at(pfn_to_paddr(frame));
    }
    ASSERT(cpu->windows[use].bits == 0);
    arch_leaf_set(&cpu->windows[use], pfn_to_paddr(frame), PAGE_SIZE, flags);
    return (void *)(uintptr_t)(cpu->window_area + use * PAGE_SIZE);
}

void window_close(enum window use)
{
    struct cpu *cpu = arch_this_cpu();
    if (!by_aperture) {
        arch_leaf_clear_here(&cpu->windows[use], cpu->window_area + use * PAGE_SIZE);
    }
}

void *window_open_records(pfn_t first, unsigned count)
{
    struct cpu *cpu = arch_this_cpu();
    ASSERT(count <= WINDOW_RECORDS_MOST && cpu->windows[WINDOW_RECORDS].bits == 0);
    for (unsigned i = 0; i < count; i++) {
        arch_leaf_set(&cpu->windows[WINDOW_RECORDS + i], pfn_to_paddr(pfn(first.value + i)), PAGE_SIZE,
                      flags);
    }
    return (void *)(uintptr_t)(cpu->window_area + WINDOW_RECORDS * PAGE_SIZE);
}

static void close_slots(unsigned slot, unsigned count)
{
    struct cpu *cpu = arch_this_cpu();
    arch_leaves_clear_here(&cpu->windows[slot], count, cpu->window_area + slot * PAGE_SIZE);
}

void window_close_records(unsigned count)
{
    close_slots(WINDOW_RECORDS, count);
}

void window_copy(pfn_t to, pfn_t from)
{
    struct cpu *cpu = arch_this_cpu();
    _Static_assert(WINDOW_TO == WINDOW_FROM + 1, "they are neighbours");
    if (by_aperture) {
        arch_copy_page(aperture_at(pfn_to_paddr(to)), aperture_at(pfn_to_paddr(from)));
        return;
    }
    ASSERT(cpu->windows[WINDOW_FROM].bits == 0 && cpu->windows[WINDOW_TO].bits == 0);
    arch_leaves_copy(&cpu->windows[WINDOW_FROM], cpu->window_area + WINDOW_FROM * PAGE_SIZE, to, from);
}

void *window_open_some(const pfn_t *frames, unsigned count)
{
    struct cpu *cpu = arch_this_cpu();
    if (by_aperture) {
        return NULL;
    }
    ASSERT(count <= WINDOW_SOME_MOST && cpu->windows[SOME_SLOT].bits == 0);
    arch_leaves_set(&cpu->windows[SOME_SLOT], count, frames, flags);
    return (void *)(uintptr_t)(cpu->window_area + SOME_SLOT * PAGE_SIZE);
}

void window_close_some(unsigned count)
{
    if (!by_aperture) {
        close_slots(SOME_SLOT, count);
    }
}

void *window_open_large(pfn_t first)
{
    struct cpu *cpu = arch_this_cpu();
    if (by_aperture) {
        return aperture_at(pfn_to_paddr(first));
    }
    ASSERT(cpu->window_large->bits == 0 && is_aligned(first.value, LARGE / PAGE_SIZE));
    arch_leaf_set(cpu->window_large, pfn_to_paddr(first), LARGE, flags);
    return (void *)(uintptr_t)(cpu->window_area + LARGE);
}

uint64_t window_zero_large(pfn_t first, uint64_t left)
{
    struct cpu *cpu = arch_this_cpu();
    uint64_t done = LARGE - left * sizeof(uint64_t);
    if (by_aperture) {
        return arch_zero_open((char *)aperture_at(pfn_to_paddr(first)) + done, left);
    }
    ASSERT(cpu->window_large->bits == 0);
    return arch_leaf_zero_open(cpu->window_large, cpu->window_area + LARGE, first, left);
}

void window_close_large(void)
{
    struct cpu *cpu = arch_this_cpu();
    if (!by_aperture) {
        arch_leaf_clear_here(cpu->window_large, cpu->window_area + LARGE);
    }
}
