/*
 * What page frames cost in the running kernel, hot: the block that was given back last is taken next.
 */
#include "tests/guest/kernel/bench.h"

#include "kernel/mm/frame.h"

#define TRIES    1000
#define ORDER_2M 9

struct block {
    unsigned order;
    enum frame_class class;
    pfn_t frame;
};

static bool take(void *context)
{
    struct block *block = context;
    return frame_alloc(block->order, block->class, &block->frame) == ERR_NONE;
}

static bool give(void *context)
{
    const struct block *block = context;
    return frame_free(block->frame, block->order) == ERR_NONE;
}

static bool take_give(void *context)
{
    return take(context) && give(context);
}

KBENCH(pair_4k, "frames.alloc-free-hot-4k")
{
    struct block block = {.order = 0, .class = FRAME_KERNEL};
    return measure_run(&(struct measure){.operation = take_give, .context = &block, .tries = TRIES}, out);
}

KBENCH(pair_2m, "frames.alloc-free-hot-2m")
{
    struct block block = {.order = ORDER_2M, .class = FRAME_USER_ANONYMOUS};
    return measure_run(&(struct measure){.operation = take_give, .context = &block, .tries = TRIES}, out);
}

/* It enters the aperture and leaves it. */
KBENCH(pair_2m_kernel, "frames.alloc-free-kernel-2m")
{
    struct block block = {.order = ORDER_2M, .class = FRAME_KERNEL};
    return measure_run(&(struct measure){.operation = take_give, .context = &block, .tries = TRIES}, out);
}

KBENCH(alloc_4k, "frames.alloc-hot-4k")
{
    struct block block = {.order = 0, .class = FRAME_KERNEL};
    return measure_run(&(struct measure){.operation = take, .after = give, .context = &block, .tries = TRIES},
                       out);
}

KBENCH(free_4k, "frames.free-hot-4k")
{
    struct block block = {.order = 0, .class = FRAME_KERNEL};
    return measure_run(
        &(struct measure){.before = take, .operation = give, .context = &block, .tries = TRIES}, out);
}
