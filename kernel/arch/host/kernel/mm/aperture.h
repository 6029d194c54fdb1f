/*
 * The aperture on a Linux host: one piece of memory stands for RAM from frame 0 on. Found before the kernel's
 * own header, by the order of the include path.
 */
#ifndef QUIRE_HOST_APERTURE_H
#define QUIRE_HOST_APERTURE_H

#include "kernel/arch/host/host.h"
#include "lib/units.h"

static inline void *aperture_at(paddr_t address)
{
    return host_memory + address.value;
}

static inline pfn_t aperture_frame(const void *at)
{
    return pfn(((uint64_t)(uintptr_t)at - (uint64_t)(uintptr_t)host_memory) >> PAGE_SHIFT);
}

#endif
