/*
 * How much is done without letting others in. Whatever takes long goes in steps, between which it passes a
 * preemption point; each kind of step says here what it does, and here it is kept how much that was at most,
 * over all from one preemption point to the next. That is a count, the same on every machine. With lock=debug
 * it is also kept how long such a stretch took, in which interrupts were off.
 *
 * All of it belongs to the CPU that runs; nothing here takes a lock.
 */
#ifndef QUIRE_KERNEL_STEPS_H
#define QUIRE_KERNEL_STEPS_H

#include <stdbool.h>

#include "abi/system.h"
#include "kernel/arch/arch.h"
#include "kernel/sched/cpu.h"

/* X(NAME, name, the most of it in a step): what is counted in each is written in the name. */
#define QUIRE_STEPS(X)                                                                                       \
    X(UNMAP, "leaves unmapped", 8192)                                                                        \
    X(RIGHTS, "leaves given other rights", 8192)                                                             \
    X(FILL, "leaves populated", 2048)                                                                        \
    X(RECORDS, "mappings taken out", 64)                                                                     \
    X(TABLES, "page tables taken out", 64)                                                                   \
    X(CLONE, "pages shared by a clone", 8192)                                                                \
    X(HIDE, "pages hidden from views", 8192)                                                                 \
    X(RELEASE, "frames given back", 1536)                                                                    \
    X(COMMIT, "pages committed", 64)                                                                         \
    X(CLEAR, "pages cleared", 16)                                                                            \
    X(MOVE, "pages moved", 8)

#define STEP_ENUM(name, text, most) STEP_##name,
enum step_kind { QUIRE_STEPS(STEP_ENUM) STEP_COUNT };
#undef STEP_ENUM
_Static_assert(STEP_COUNT == STEP_KINDS, "cpu.h");

/* So much of it was done just now. */
void step_work(enum step_kind kind, uint64_t units);

/* Done while interrupts were on: it counts for no stretch. */
static inline void step_done(enum step_kind kind, uint64_t units)
{
    arch_this_cpu()->steps.kinds[kind].done += units;
}

/* For the below: the time begins, or counts. */
void step_time(bool begin);

static inline bool steps_are_timed(void)
{
    return __builtin_expect((int64_t)arch_locks_held() < 0, 0);
}

/* As step_begin, where steps are not timed. */
static inline void step_begin_untimed(void)
{
    arch_this_cpu()->steps.stretch++;
}

/* A call that goes in steps begins; or goes on, after others may have run. */
static inline void step_begin(void)
{
    step_begin_untimed();
    if (steps_are_timed()) {
        step_time(true);
    }
}

/* Others can run now, or the call is done. What begins next counts anew. */
static inline void step_over(void)
{
    if (steps_are_timed()) {
        step_time(false);
    }
}

/* The figures of the kind with this index, over all CPUs; false at the end. */
bool step_describe(uint64_t index, struct system_step *out);

#endif
