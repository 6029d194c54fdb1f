/*
 * The aperture: physical memory at a fixed offset, never executable. The only door from a frame to a pointer,
 * and that only for frames of the kernel: unless aperture=full is asked for, it shows just the stretches of 2
 * MiB that the kernel has taken for its objects, heap, page tables and stacks, and of these only while it has
 * them. So a stray pointer in the kernel reaches nothing of a user's. Frames of others are reached through
 * windows (window.h).
 */
#ifndef QUIRE_KERNEL_APERTURE_H
#define QUIRE_KERNEL_APERTURE_H

#include <stdbool.h>

#include "kernel/mm/frame.h"
#include "kernel/mm/layout.h"
#include "lib/units.h"

/* Where the aperture shows a frame of the kernel's. */
static inline void *aperture_at(paddr_t address)
{
    return (void *)(uintptr_t)(APERTURE_BASE + address.value);
}

/* The frame behind a pointer into the aperture. */
static inline pfn_t aperture_frame(const void *at)
{
    return pfn(((uint64_t)(uintptr_t)at - APERTURE_BASE) >> PAGE_SHIFT);
}

/*
 * For frame_keep_apart: shows what the kernel takes and hides what it gives back. The tables for it are there
 * from the boot on, so nothing can fail.
 */
extern const struct frame_watch aperture_watch;

/* How many bytes it shows now, and a frame that it must not show, when there is one: a user's, one that is
 * free for all, or no RAM. For the check at boot and tests; the page tables must not change meanwhile. */
struct aperture_view {
    uint64_t bytes;
    bool wrong;
    pfn_t where;
};
void aperture_look(struct aperture_view *out);

#endif
