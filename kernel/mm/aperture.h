/*
 * The aperture: physical memory at a fixed offset. The only door from a frame to a pointer.
 */
#ifndef QUIRE_KERNEL_APERTURE_H
#define QUIRE_KERNEL_APERTURE_H

#include "kernel/mm/layout.h"
#include "lib/units.h"

/* Where the aperture shows a physical address. Only RAM that is, or was, free in the memory map is there. */
static inline void *aperture_at(paddr_t address)
{
    return (void *)(uintptr_t)(APERTURE_BASE + address.value);
}

/* The frame behind a pointer into the aperture. */
static inline pfn_t aperture_frame(const void *at)
{
    return pfn(((uint64_t)(uintptr_t)at - APERTURE_BASE) >> PAGE_SHIFT);
}

#endif
