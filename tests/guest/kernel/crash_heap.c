/*
 * Misusing the heap on purpose: crash=heap-KIND in the environment of a test kernel, with heap=debug for the
 * first four. The driver is tests/guest/crash.py.
 */
#include "tests/guest/kernel/support.h"

#include "kernel/init/handover.h"
#include "kernel/mm/heap.h"

struct victim {
    uint64_t word[20];
};

static struct slab_cache victims = SLAB_CACHE_OF("victim", struct victim);

/* The compiler is not to know what is at the end of it. */
static __attribute__((noinline)) struct victim *crash_take(void)
{
    struct victim *victim = slab_alloc(&victims);
    __asm__ volatile("" : "+r"(victim));
    return victim;
}

static __attribute__((noinline)) void crash_give(struct victim *victim)
{
    slab_free(&victims, victim);
    __asm__ volatile("");
}

static void crash_overrun(void)
{
    struct victim *victim = crash_take();
    ((volatile uint8_t *)victim)[sizeof(*victim)] = 0x41;
    crash_give(victim);
}

static void crash_underrun(void)
{
    struct victim *victim = crash_take();
    ((volatile uint8_t *)victim)[-1] = 0x41;
    crash_give(victim);
}

/* Found when it comes to be given out again. */
static void crash_use_after_free(void)
{
    struct victim *victim = crash_take();
    crash_give(victim);
    ((volatile struct victim *)victim)->word[1] = 0x41;
    for (unsigned i = 0; i < 1000; i++) {
        crash_give(crash_take());
    }
}

static void crash_double_free(void)
{
    struct victim *victim = crash_take();
    crash_give(victim);
    crash_give(victim);
}

static void crash_wrong_cache(void)
{
    heap_free(crash_take(), 1000);
}

SELFTEST(crash_heap, "heap: nobody misuses it who is not asked to")
{
    static const struct {
        const char *kind;
        void (*misuse)(void);
    } kinds[] = {
        {"heap-overrun", crash_overrun},
        {"heap-underrun", crash_underrun},
        {"heap-use-after-free", crash_use_after_free},
        {"heap-double-free", crash_double_free},
        {"heap-double-free-plain", crash_double_free},
        {"heap-wrong-cache", crash_wrong_cache},
    };
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (handover_option_is("crash", kinds[i].kind)) {
            kinds[i].misuse();
            return "it went unnoticed";
        }
    }
    return NULL;
}
