/*
 * Sets of CPUs, by number.
 */
#ifndef QUIRE_KERNEL_CPU_MASK_H
#define QUIRE_KERNEL_CPU_MASK_H

#include <stdbool.h>
#include <stdint.h>

#define CPU_MAX        256
#define CPU_MASK_WORDS (CPU_MAX / 64)

struct cpu_mask {
    uint64_t words[CPU_MASK_WORDS];
};

static inline struct cpu_mask cpu_mask_all(void)
{
    return (struct cpu_mask){{~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0}};
}

static inline struct cpu_mask cpu_mask_of(uint32_t number)
{
    struct cpu_mask mask = {0};
    mask.words[number / 64] = (uint64_t)1 << number % 64;
    return mask;
}

static inline bool cpu_mask_has(const struct cpu_mask *mask, uint32_t number)
{
    return (mask->words[number / 64] >> number % 64 & 1) != 0;
}

/* Is there any of the first `count` CPUs in it? */
static inline bool cpu_mask_any(const struct cpu_mask *mask, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (cpu_mask_has(mask, i)) {
            return true;
        }
    }
    return false;
}

/* More than one CPU? */
static inline bool cpu_mask_several(const struct cpu_mask *mask)
{
    unsigned words = 0;
    for (unsigned i = 0; i < CPU_MASK_WORDS; i++) {
        uint64_t w = mask->words[i];
        if ((w & (w - 1)) != 0) {
            return true;
        }
        words += w != 0;
    }
    return words > 1;
}

#endif
