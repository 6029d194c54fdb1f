/*
 * What clang's undefined-behaviour checks call when the kernel is built with them (build/kernel-checked):
 * each is a panic that names the place. The shape of the data is that of compiler-rt's handlers: a source
 * location first, then what the check knows; only the location is used here.
 */
#include <stdint.h>

#include "kernel/debug/panic.h"

struct location {
    const char *file;
    uint32_t line;
    uint32_t column;
};

/* X(handler, what is wrong) */
#define HANDLERS(X)                                                                                          \
    X(add_overflow, "an addition overflows")                                                                 \
    X(sub_overflow, "a subtraction overflows")                                                               \
    X(mul_overflow, "a multiplication overflows")                                                            \
    X(negate_overflow, "a negation overflows")                                                               \
    X(divrem_overflow, "a division overflows or divides by zero")                                            \
    X(shift_out_of_bounds, "a shift is out of bounds")                                                       \
    X(out_of_bounds, "an index is out of bounds")                                                            \
    X(builtin_unreachable, "a place that cannot be reached was reached")                                     \
    X(missing_return, "a function ends without a value")                                                     \
    X(vla_bound_not_positive, "an array has no size")                                                        \
    X(load_invalid_value, "a value is not one of its type")                                                  \
    X(pointer_overflow, "a pointer wraps")                                                                   \
    X(nonnull_arg, "an argument that may not be null is")                                                    \
    X(invalid_builtin, "a builtin gets a zero that it does not take")                                        \
    X(function_type_mismatch, "a function is called by a wrong type")                                        \
    X(type_mismatch_v1, "a pointer is null or misaligned")

#define HANDLER(name, text)                                                                                  \
    void __ubsan_handle_##name(const struct location *at);                                                   \
    void __ubsan_handle_##name(const struct location *at)                                                    \
    {                                                                                                        \
        panic("undefined behaviour: %s (%s:%u:%u)", text, at->file, at->line, at->column);                   \
    }                                                                                                        \
    void __ubsan_handle_##name##_abort(const struct location *at);                                           \
    void __ubsan_handle_##name##_abort(const struct location *at)                                            \
    {                                                                                                        \
        __ubsan_handle_##name(at);                                                                           \
    }
HANDLERS(HANDLER)
