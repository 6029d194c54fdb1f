/*
 * Device memory and firmware tables in the kernel's own region for them. Mappings stay for good: what the
 * kernel drives or reads, it drives as long as it runs. Asking for a page again with the same flags gives the
 * same address.
 */
#ifndef QUIRE_KERNEL_DEVICE_H
#define QUIRE_KERNEL_DEVICE_H

#include "kernel/arch/arch.h"

/* NULL when there is no memory for page tables, or the range wraps. Any alignment. */
void *device_map(paddr_t physical, uint64_t bytes, unsigned flags);

#endif
