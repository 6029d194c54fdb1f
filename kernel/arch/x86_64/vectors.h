/*
 * The wide user registers (x87, SSE, AVX, ...): saved and restored eagerly when threads of tasks switch. The
 * kernel itself uses none.
 */
#ifndef QUIRE_X86_VECTORS_H
#define QUIRE_X86_VECTORS_H

#include <stddef.h>
#include <stdint.h>

/* Switch the unit on in this CPU; on the first call also find out how large its state is. */
void vectors_setup(void);

/* How registers are saved, by what the CPU has. */
enum vectors_by { SAVE_FXSAVE, SAVE_XSAVE, SAVE_XSAVEOPT };

struct vectors {
    enum vectors_by by;
    uint64_t mask; /* which of them, for edx:eax */
};
extern struct vectors vectors; /* set once at boot */

static inline void vectors_save(void *state)
{
    uint32_t low = (uint32_t)vectors.mask, high = (uint32_t)(vectors.mask >> 32);
    if (vectors.by == SAVE_XSAVEOPT) {
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
    } else if (vectors.by == SAVE_XSAVE) {
        __asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" : : "r"(state) : "memory");
    }
}

static inline void vectors_load(const void *state)
{
    uint32_t low = (uint32_t)vectors.mask, high = (uint32_t)(vectors.mask >> 32);
    if (vectors.by != SAVE_FXSAVE) {
        __asm__ volatile("xrstor64 (%0)" : : "r"(state), "a"(low), "d"(high) : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(state) : "memory");
    }
}

/* Save the registers of one thread and load those of the next, if they have any. */
static inline void vectors_switch(void *from, const void *to)
{
    if (from != NULL && to != NULL && vectors.by == SAVE_XSAVEOPT) {
        uint32_t low = (uint32_t)vectors.mask, high = (uint32_t)(vectors.mask >> 32);
        __asm__ volatile("xsaveopt64 (%0)\n\t"
                         "xrstor64 (%1)"
                         :
                         : "r"(from), "r"(to), "a"(low), "d"(high)
                         : "memory");
        return;
    }
    if (from != NULL) {
        vectors_save(from);
    }
    if (to != NULL) {
        vectors_load(to);
    }
}

#endif
