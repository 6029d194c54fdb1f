/*
 * The kernel's half of the address space, as one list: drawing, constants and checks in one place.
 *
 *   REGION(NAME, BASE, SIZE, what it holds)
 */
#ifndef QUIRE_KERNEL_LAYOUT_H
#define QUIRE_KERNEL_LAYOUT_H

#include "lib/units.h"

#define LAYOUT_REGIONS(REGION)                                                                               \
    REGION(APERTURE, 0xffff800000000000, 2 * TIB, "physical memory at a fixed offset")                       \
    REGION(FRAME_TABLE, 0xffff820000000000, 1 * TIB, "records of the page frames")                           \
    REGION(STACKS, 0xffff830000000000, 1 * TIB, "kernel stacks, a guard page below each")                    \
    REGION(PER_CPU, 0xffff840000000000, 1 * TIB, "one area for each CPU")                                    \
    REGION(WINDOWS, 0xffff850000000000, 1 * TIB, "mappings of the moment, for each CPU")                     \
    REGION(DEVICES, 0xffff860000000000, 1 * TIB, "device memory and firmware tables")                        \
    REGION(IMAGE, 0xffffffffc0000000, 1 * GIB, "the kernel image")

#define LAYOUT_CONSTANT(name, base, size, about)                                                             \
    static const uint64_t name##_BASE __attribute__((unused)) = (base);                                      \
    static const uint64_t name##_SIZE __attribute__((unused)) = (size);
LAYOUT_REGIONS(LAYOUT_CONSTANT)
#undef LAYOUT_CONSTANT

/* Stop at boot if two regions overlap or one is not in the kernel's half; print them to the log. */
void layout_check(void);

#endif
