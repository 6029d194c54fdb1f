/*
 * Tracing: a ring of events for each CPU, written by that CPU alone, always compiled in. While it is off an
 * event costs a test that the processor predicts. Switched on with trace=1 in the boot environment, so that
 * the boot is in it, or later; read as TOPIC_TRACE (abi/trace.h), best while it is off.
 */
#ifndef QUIRE_KERNEL_TRACE_H
#define QUIRE_KERNEL_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/error.h"
#include "abi/trace.h"

struct cpu;

/* Events that each CPU keeps: 256 KiB of them. */
#define TRACE_EVENTS 8192u

extern bool trace_on; /* atomic */

/* What the entry of system calls goes by: SYS_COUNT, or 0 while tracing is on, so that it costs nothing while
 * it is off.
 */
extern uint64_t trace_call_limit; /* atomic */

void trace_record(enum trace_kind kind, uint16_t x, uint64_t a, uint64_t b);

/* Interrupts are off, and this is no NMI. */
static inline void trace(enum trace_kind kind, uint16_t x, uint64_t a, uint64_t b)
{
    if (__builtin_expect(trace_on, 0)) {
        trace_record(kind, x, a, b);
    }
}

/* Make rings for the CPUs that have none yet, which the kernel pays for; ERR_NO_MEMORY. */
enum error trace_prepare(void) MUST_CHECK;

/* Begin, or go on: what was recorded before stays. */
void trace_start(void);
void trace_stop(void);

/* A CPU comes up: it gets a ring if tracing is on and there is memory. */
void trace_add_cpu(struct cpu *cpu);

/* The event with this index, or the next one; says which. False at the end. */
bool trace_read(uint64_t *index, struct system_trace *out);

#endif
