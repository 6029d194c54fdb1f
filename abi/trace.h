/*
 * Events that the kernel traces: what system_read gives of them, and what a, b and x of each kind are. The
 * decoder on the host (tools/timeline.py) reads this table, so it is the only place that says so.
 */
#ifndef QUIRE_ABI_TRACE_H
#define QUIRE_ABI_TRACE_H

#include <stdint.h>

/* X(NUMBER, NAME, "a", "b", "x"): unused ones are "". */
#define TRACE_KINDS(X)                                                                                       \
    X(1, SWITCH, "next thread, task << 32",                                                                  \
      "thread before, its rank << 32, its state << 48, 1 << 63 if it may move", "rank of next")              \
    X(2, READY, "thread, CPU << 32", "its rank, 1 << 16 if it may move, CPUs 0 to 31 << 32", "")             \
    X(3, UNREADY, "thread, CPU << 32", "", "")                                                               \
    X(4, RANK, "thread", "its rank, CPUs 0 to 31 << 32", "")                                                 \
    X(5, INTERRUPT, "vector", "instruction", "")                                                             \
    X(6, INTERRUPT_END, "vector", "", "")                                                                    \
    X(7, FAULT, "instruction", "address", "vector")                                                          \
    X(8, CALL, "", "", "number")                                                                             \
    X(9, CALL_END, "result", "error", "number")                                                              \
    X(10, SEND, "CPU", "", "vector")                                                                         \
    X(11, FRAME_TAKE, "frame", "class", "order")                                                             \
    X(12, FRAME_GIVE, "frame", "", "order")                                                                  \
    X(13, THREAD, "number, task << 32", "first 8 bytes of its name", "")

#define TRACE_ENUM(number, name, ...) TRACE_##name = number,
enum trace_kind { TRACE_KINDS(TRACE_ENUM) };
#undef TRACE_ENUM

/* One event, as TOPIC_TRACE tells it: index TRACE_INDEX(cpu, sequence), old ones and missing CPUs skipped. */
#define TRACE_INDEX(cpu, sequence) ((uint64_t)(cpu) << 48 | (sequence))

struct system_trace {
    uint64_t time; /* nanoseconds since the kernel started */
    uint64_t a;
    uint64_t b;
    uint64_t index; /* TRACE_INDEX */
    uint16_t kind;  /* TRACE_* */
    uint16_t x;
    uint32_t pad;
};

#endif
