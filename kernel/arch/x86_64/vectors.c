/*
 * The wide user registers; see vectors.h. XSAVE (SDM vol. 1 ch. 13) where there is one, FXSAVE otherwise.
 */
#include "kernel/arch/x86_64/vectors.h"

#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/features.h"
#include "kernel/arch/x86_64/registers.h"
#include "kernel/mm/charged.h"
#include "kernel/sched/thread.h"
#include "lib/text.h"

#define XCR0_X87    1u
#define XCR0_SSE    2u
#define XCR0_AVX    4u
#define XCR0_AVX512 0xe0u

/* The legacy area, SDM vol. 1 10.5.1: what differs from zero in the initial state. */
#define FXSAVE_SIZE     512
#define FXSAVE_FCW      0
#define FXSAVE_MXCSR    24
#define INITIAL_FCW     0x37f
#define INITIAL_MXCSR   0x1f80
#define XSAVE_HEADER    512
#define XSAVE_ALIGNMENT 64

/* Set once at boot. */
static uint64_t state_size;
struct vectors vectors;

static struct slab_cache states = SLAB_CACHE("vector state", FXSAVE_SIZE, XSAVE_ALIGNMENT);

void vectors_setup(void)
{
    if (!feature_used(FEATURE_xsave)) {
        state_size = FXSAVE_SIZE;
        return;
    }
    uint64_t supported = cpuid(0xd, 0).eax;
    uint64_t mask = XCR0_X87 | XCR0_SSE;
    if (feature_used(FEATURE_avx) && (supported & XCR0_AVX) != 0) {
        mask |= XCR0_AVX;
        mask |= (supported & XCR0_AVX512) == XCR0_AVX512 ? XCR0_AVX512 : 0;
    }
    vectors.by = feature_used(FEATURE_xsaveopt) ? SAVE_XSAVEOPT : SAVE_XSAVE;
    xcr0_write(mask);
    vectors.low = (uint32_t)mask;
    vectors.high = (uint32_t)(mask >> 32);
    state_size = cpuid(0xd, 0).ebx; /* for the features that are on in XCR0 */
    states.bytes = (uint32_t)state_size;
}

enum error arch_thread_user_init(struct thread *thread)
{
    void *memory;
    enum error error = charged_slab_alloc_zeroed(thread->object.account, &states, &memory);
    if (error != ERR_NONE) {
        return error;
    }
    uint8_t *state = memory;
    uint16_t fcw = INITIAL_FCW;
    uint32_t mxcsr = INITIAL_MXCSR;
    memcpy(state + FXSAVE_FCW, &fcw, sizeof(fcw));
    memcpy(state + FXSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
    thread->vectors = state;
    return ERR_NONE;
}

void arch_thread_user_free(struct thread *thread)
{
    if (thread->vectors != NULL) {
        charged_slab_free(thread->object.account, &states, thread->vectors);
        thread->vectors = NULL;
    }
}
