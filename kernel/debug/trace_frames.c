/*
 * Taking and giving back page frames, traced: the linker puts these in front of the allocator's own (--wrap),
 * so that the allocator, which is a library of its own, knows nothing of tracing.
 */
#include "kernel/debug/trace.h"
#include "kernel/mm/frame.h"

enum error __real_frame_alloc(unsigned order, enum frame_class class, pfn_t *out);
enum error __real_frame_alloc_for(unsigned order, enum frame_class class, uint32_t account, pfn_t *out);
enum error __real_frame_alloc_user_block(uint32_t account, pfn_t *out);
enum error __real_frame_free(pfn_t first, unsigned order);
enum error __wrap_frame_alloc(unsigned order, enum frame_class class, pfn_t *out);
enum error __wrap_frame_alloc_for(unsigned order, enum frame_class class, uint32_t account, pfn_t *out);
enum error __wrap_frame_alloc_user_block(uint32_t account, pfn_t *out);
enum error __wrap_frame_free(pfn_t first, unsigned order);

static inline bool on(void)
{
    return __builtin_expect(__atomic_load_n(&trace_on, __ATOMIC_RELAXED), 0);
}

/* Apart, so that the functions below are a test and a jump while tracing is off. */
static __attribute__((noinline)) enum error frame_alloc_traced(unsigned order, enum frame_class class,
                                                               pfn_t *out)
{
    enum error error = __real_frame_alloc(order, class, out);
    if (error == ERR_NONE) {
        trace(TRACE_FRAME_TAKE, (uint16_t)order, out->value, class);
    }
    return error;
}

static __attribute__((noinline)) enum error frame_alloc_for_traced(unsigned order, enum frame_class class,
                                                                   uint32_t account, pfn_t *out)
{
    enum error error = __real_frame_alloc_for(order, class, account, out);
    if (error == ERR_NONE) {
        trace(TRACE_FRAME_TAKE, (uint16_t)order, out->value, class);
    }
    return error;
}

static __attribute__((noinline)) enum error frame_alloc_user_block_traced(uint32_t account, pfn_t *out)
{
    enum error error = __real_frame_alloc_user_block(account, out);
    if (error == ERR_NONE) {
        trace(TRACE_FRAME_TAKE, 9, out->value, FRAME_USER_ANONYMOUS);
    }
    return error;
}

static __attribute__((noinline)) enum error frame_free_traced(pfn_t first, unsigned order)
{
    trace(TRACE_FRAME_GIVE, (uint16_t)order, first.value, 0);
    return __real_frame_free(first, order);
}

enum error __wrap_frame_alloc(unsigned order, enum frame_class class, pfn_t *out)
{
    return on() ? frame_alloc_traced(order, class, out) : __real_frame_alloc(order, class, out);
}

enum error __wrap_frame_alloc_for(unsigned order, enum frame_class class, uint32_t account, pfn_t *out)
{
    return on() ? frame_alloc_for_traced(order, class, account, out)
                : __real_frame_alloc_for(order, class, account, out);
}

enum error __wrap_frame_alloc_user_block(uint32_t account, pfn_t *out)
{
    return on() ? frame_alloc_user_block_traced(account, out) : __real_frame_alloc_user_block(account, out);
}

enum error __wrap_frame_free(pfn_t first, unsigned order)
{
    return on() ? frame_free_traced(first, order) : __real_frame_free(first, order);
}
