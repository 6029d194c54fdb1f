/*
 * Memory for the frame allocator's records; see frame_table.h.
 */
#include "kernel/mm/frame_table.h"

#include "kernel/arch/arch.h"
#include "kernel/mm/layout.h"
#include "kernel/mm/window.h"

/* What one touch makes: a page fault for each 4 KiB would be many. */
#define STEP (WINDOW_RECORDS_MOST * PAGE_SIZE)

/* Set once. */
static uint64_t first_byte; /* physical */
static uint64_t size;

/* Guarded by `lock`, which is held for no longer than a step takes and by nobody who waits for others. */
static uint32_t lock;
static uint64_t made; /* bytes; atomic to read */

enum error frame_table_place(pfn_t first, uint64_t bytes)
{
    if (bytes > FRAME_TABLE_SIZE) {
        return ERR_TOO_LARGE;
    }
    for (uint64_t at = 0; at < bytes; at += 2 * MIB) {
        struct arch_leaf *leaf;
        enum error error = arch_leaf_find(arch_kernel_root(), FRAME_TABLE_BASE + at, PAGE_SIZE, &leaf);
        if (error != ERR_NONE) {
            return error;
        }
    }
    first_byte = pfn_to_paddr(first).value;
    size = bytes;
    return ERR_NONE;
}

void *frame_table_start(void)
{
    return (void *)FRAME_TABLE_BASE;
}

/* The tables are all there, so this cannot fail; two CPUs can come for the same step. */
static void make_step(uint64_t at)
{
    uint64_t end = at + STEP < size ? at + STEP : size;
    struct arch_leaf *leaf;
    if (arch_leaf_find(arch_kernel_root(), FRAME_TABLE_BASE + at, PAGE_SIZE, &leaf) != ERR_NONE ||
        leaf->bits != 0) {
        return;
    }
    unsigned count = (unsigned)((end - at) / PAGE_SIZE);
    arch_zero_pages(window_open_records(paddr_to_pfn(paddr(first_byte + at)), count), count);
    window_close_records(count);
    for (uint64_t page = at; page < end; page += PAGE_SIZE) {
        arch_leaf_set(leaf++, paddr(first_byte + page), PAGE_SIZE, MAP_READ | MAP_WRITE);
    }
    __atomic_store_n(&made, made + (end - at), __ATOMIC_RELAXED);
}

bool frame_table_touch(uint64_t address)
{
    uint64_t at = address - FRAME_TABLE_BASE;
    if (at >= size) {
        return false;
    }
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE) != 0) {
        arch_spin_wait();
    }
    make_step(align_down(at, STEP));
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    return true;
}

uint64_t frame_table_bytes(void)
{
    return __atomic_load_n(&made, __ATOMIC_RELAXED);
}

bool frame_table_untouched(const void *at)
{
    return !arch_translate(arch_kernel_root(), (uint64_t)(uintptr_t)at).present;
}
