/*
 * What a panic needs from the architecture, and what it offers to it. All of it works without locks.
 */
#ifndef QUIRE_KERNEL_PANIC_ARCH_H
#define QUIRE_KERNEL_PANIC_ARCH_H

#include <stdint.h>

struct trap_frame;

/* One line to the console. */
void panic_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Names from this instruction on, then `caller` (0 for none), then up the chain of frame pointers, a line
 * each. */
void panic_backtrace(uint64_t instruction, uint64_t caller, uint64_t frame);
void backtrace_print(uint64_t instruction, uint64_t caller, uint64_t frame,
                     void (*print)(const char *format, ...));

/* The line that says what happened; then registers, address translation and backtrace. */
void panic_arch_describe(const struct trap_frame *frame);
void panic_arch_registers(const struct trap_frame *frame);

/* The caller of a function that was met where it has no frame of its own: at its start or end; otherwise 0.
 */
uint64_t panic_arch_caller(const struct trap_frame *frame);

#endif
