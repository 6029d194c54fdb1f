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
    uint32_t low, high; /* which of them, as the instructions take it in edx:eax */
};
extern struct vectors vectors; /* set once at boot */

static inline void vectors_save(void *state)
{
    if (vectors.by == SAVE_XSAVEOPT) {
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(state), "a"(vectors.low), "d"(vectors.high) : "memory");
    } else if (vectors.by == SAVE_XSAVE) {
        __asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(vectors.low), "d"(vectors.high) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" : : "r"(state) : "memory");
    }
}

static inline void vectors_load(const void *state)
{
    if (vectors.by != SAVE_FXSAVE) {
        __asm__ volatile("xrstor64 (%0)" : : "r"(state), "a"(vectors.low), "d"(vectors.high) : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(state) : "memory");
    }
}

/* Save the registers of one thread and load those of the next; both have some. */
static inline void vectors_switch(void *from, const void *to)
{
    if (__builtin_expect(vectors.by == SAVE_XSAVEOPT, 1)) {
        __asm__ volatile("xsaveopt64 (%0)\n\t"
                         "xrstor64 (%1)"
                         :
                         : "r"(from), "r"(to), "a"(vectors.low), "d"(vectors.high)
                         : "memory");
        return;
    }
    vectors_save(from);
    vectors_load(to);
}

#endif
