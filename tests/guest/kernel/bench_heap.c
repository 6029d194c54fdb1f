/*
 * What objects of the kernel's heap cost, hot.
 */
#include "tests/guest/kernel/bench.h"

#include "kernel/mm/heap.h"

#define TRIES 1000
#define BYTES 64
#define HELD  256 /* more than a frame has room for */

static bool take_give(void *context)
{
    (void)context;
    void *object = heap_alloc(BYTES);
    heap_free(object, BYTES);
    return object != NULL;
}

/* Every other one, from the first. */
static void give_held(void *const *held, unsigned first)
{
    for (unsigned i = first; i < HELD; i += 2) {
        heap_free(held[i], BYTES);
    }
}

/*
 * Meanwhile some frame has objects both in use and free, so that no frame is taken or given back, whatever
 * was allocated before.
 */
KBENCH(pair_64, "heap.alloc-free-hot")
{
    static void *held[HELD];
    bool all = true;
    for (unsigned i = 0; i < HELD; i++) {
        held[i] = heap_alloc(BYTES);
        all = all && held[i] != NULL;
    }
    give_held(held, 0);
    const char *wrong =
        all ? measure_run(&(struct measure){.operation = take_give, .tries = TRIES}, out) : "no memory";
    give_held(held, 1);
    return wrong;
}
